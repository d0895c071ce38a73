"""Three days of checks before the demo began, looked at by the engine itself, with what people did meanwhile.

The runs are rows; everything that follows from them (states, incidents, timelines, messages) the engine makes of them.
What happens from the start on is run by the worker.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from alerts import consume, incidents, rows
from alerts.incidents import Person
from alerts.models import AlertRow, AlertRule, Incident
from jobs import runs
from jobs.models import Attempt, Run, RunEvent
from jobs.states import AttemptStatus, Origin, RunStatus
from portal.demo.alerts import WAITING_LIMIT, Made

HOUR = timedelta(hours=1)
MARK = "demo"
SETTLED = (0, "2026-01-01", 99900, "late")  # a refund that the shop has settled since


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something at a moment: a check with its table, or a deed of a person."""

    at: datetime
    act: Callable[[datetime], None]
    is_deed: bool = False


def make_history(made: Made, shop: Path, now: datetime) -> None:
    """In the order of time: a deed finds what the checks before it have opened."""
    steps = [*_waiting(made, shop, now), *_refunds(made, now), *_unusual(made, shop, now)]
    for step in sorted(steps, key=lambda one: one.at):
        if step.is_deed:
            _look()
        step.act(step.at)
    _look()


def _look() -> None:
    """Let the engine look at what has happened."""
    while consume.consume_once():
        pass


def _waiting(made: Made, shop: Path, now: datetime) -> Iterable[Step]:
    """Grows until it is what the shop has now; the limit was passed some hours ago, and somebody looks after it."""
    rule = made.rules["orders-waiting"]
    count = max(int(_asked(shop, rule)[0][0]), WAITING_LIMIT + 1)
    slope = (count - WAITING_LIMIT) / 7
    for hours in range(71, 1, -3):
        wave = 12 * math.sin(hours / 4)
        value = round(count - slope * hours) if hours <= 8 else round(WAITING_LIMIT * 0.8 + wave)
        yield _check(rule, now - hours * HOUR, ["waiting"], [[value]])
    operator = Person(user=made.people["operator"], text=_("Two people are ill; I ask for help."))
    yield Step(at=now - 3 * HOUR, act=lambda at: _on(rule, incidents.acknowledge, at=at, by=operator), is_deed=True)
    editor = Person(user=made.people["editor"], text=_("Help comes from the other shop this afternoon."))
    yield Step(at=now - 2.5 * HOUR, act=lambda at: _on(rule, incidents.comment, at=at, by=editor), is_deed=True)


def _refunds(made: Made, now: datetime) -> Iterable[Step]:
    """Bad for some hours yesterday, looked after, and over."""
    rule = made.rules["refunds-today"]
    bad = {28: 9, 25: 12, 22: 11}
    for hours in range(67, 1, -3):
        yield _check(rule, now - hours * HOUR, ["refunds"], [[bad.get(hours, 2 + hours % 5)]])
    operator = Person(user=made.people["operator"], text=_("A wrong price; it is corrected."))
    yield Step(at=now - 27 * HOUR, act=lambda at: _on(rule, incidents.acknowledge, at=at, by=operator), is_deed=True)
    yield Step(at=now - 24 * HOUR, act=lambda at: _on(rule, incidents.comment, at=at, by=operator), is_deed=True)


def _unusual(made: Made, shop: Path, now: datetime) -> Iterable[Step]:
    """One refund is settled, two are acknowledged; what the first live check finds besides them is new."""
    rule = made.rules["unusual-refunds"]
    columns = ["order_id", "refunded_on", "amount_cents", "reason"]
    known = [list(row) for row in _asked(shop, rule)[1:]]
    yield _check(rule, now - 20 * HOUR, columns, [list(SETTLED), *known])
    yield _check(rule, now - 12 * HOUR, columns, known)
    people = made.people
    right, asked = _("Agreed with the customer."), _("I have asked the customer.")
    for row, who, words in zip(known, (people["operator"], people["editor"]), (right, asked), strict=False):
        yield Step(at=now - 11 * HOUR, act=_acknowledging(rule, str(row[0]), who, words), is_deed=True)
    yield _check(rule, now - 6 * HOUR, columns, known)


def _acknowledging(rule: AlertRule, key: str, who: User, words: str) -> Callable[[datetime], None]:
    def act(at: datetime) -> None:
        for row in AlertRow.objects.filter(status__rule=rule, resolved_at=None):
            if [str(cell) for cell in row.key] == [key]:
                rows.acknowledge_row(row, actor=who, comment=words)
                AlertRow.objects.filter(pk=row.pk).update(acknowledged_at=at)

    return act


def _on(rule: AlertRule, deed: Callable[..., Any], **given: Any) -> None:
    """Do it with the latest incident of the rule."""
    incident = Incident.objects.filter(members__status__rule=rule).order_by("-pk").first()
    if incident is not None:
        deed(incident, **given)


def _asked(shop: Path, rule: AlertRule) -> list[tuple[Any, ...]]:
    """What the rule's own query finds in the shop."""
    assert rule.job is not None  # noqa: S101 - each of these rules has one
    with closing(sqlite3.connect(f"file:{shop}?mode=ro", uri=True)) as database:
        return database.execute(rule.job.params["sql"]).fetchall()


# --- a run that has ended ---------------------------------------------------------------------------------------------


def _check(rule: AlertRule, at: datetime, columns: Sequence[str], table: Sequence[Sequence[Any]]) -> Step:
    return Step(at=at, act=lambda moment: _run(rule, moment, columns, table))


def _run(rule: AlertRule, at: datetime, columns: Sequence[str], table: Sequence[Sequence[Any]]) -> None:
    """A successful run of the rule's job as the engine leaves one, ended at `at`."""
    job = rule.job
    assert job is not None  # noqa: S101 - each of these rules has one
    assert job.revision is not None  # noqa: S101 - its definitions file has published it
    began = at - timedelta(milliseconds=40)
    result = {"statement_count": 1, "columns": list(columns), "rows": [list(row) for row in table],
              "row_count": len(table), "truncated": False}  # fmt: skip
    values = runs.row_values(job, job.revision, origin=Origin.API, now=began) | {
        "dedupe_key": f"{MARK}:{job.pk}:{at.isoformat()}", "status": RunStatus.SUCCEEDED, "exit_code": 0, "token": 1,
        "tries_used": 1, "started_at": began, "ended_at": at, "result": result,
        "outputs": {"row_count": str(len(table))},
    }  # fmt: skip
    run = Run.objects.create(**values)
    Attempt.objects.create(
        run=run, number=1, token=1, status=AttemptStatus.SUCCEEDED, exit_code=0, started_at=began, ended_at=at,
        worker_name=MARK,
    )  # fmt: skip
    moves = [("", RunStatus.QUEUED), (RunStatus.QUEUED, RunStatus.RUNNING), (RunStatus.RUNNING, RunStatus.SUCCEEDED)]
    for old, new in moves:
        seen = None if new == RunStatus.SUCCEEDED else at
        RunEvent.objects.create(run=run, old=old, new=new, at=at if seen is None else began, processed_at=seen)
