"""What has happened to runs since somebody last looked: run events as the rules see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alerts import outcomes
from alerts.baseline import LAST, Contract, Figures, suspicion
from alerts.states import Trigger
from alerts.wording import Sentence
from jobs.models import Attempt, Run, RunEvent
from jobs.states import TERMINAL, AttemptStatus, Origin, RunStatus

KNOWN_FROM = ("revision", "job", "job__tenant", "schedule", "tenant")
LARGE = ("result", "params", "revision__definition")  # read only of runs whose rules want them
CHUNK = 500
MOST_DIGITS = 15  # of a count of rows
OUTPUTLESS = frozenset({"sql"})  # kinds whose log says little about what they did


@dataclass(frozen=True, kw_only=True)
class Happening:
    """A run that ended, or a try that failed and will be repeated. `id` is the same live and in a back-test."""

    id: str
    run: Run
    at: datetime
    triggers: frozenset[Trigger]
    will_retry: bool = False
    suspicion: Sentence | None = None
    weighed_by: Contract | None = None  # what was agreed on besides what is usual


def is_of_interest(event: RunEvent) -> bool:
    """Whether a rule could be concerned; what is queued or starts is told to nobody."""
    return event.new in TERMINAL or (event.old == RunStatus.RUNNING and event.new == RunStatus.QUEUED)


def happenings(events: Sequence[RunEvent]) -> list[Happening]:
    """Of those events that are of interest, oldest first. Parts speak through their container.

    Whether a success is suspicious is left open: `weighed` looks when somebody wants to know.
    """
    wanted = [event for event in events if is_of_interest(event)]
    rows = Run.objects.filter(pk__in={event.run_id for event in wanted}, parent=None)
    runs = {run.pk: run for run in rows.select_related(*KNOWN_FROM).defer(*LARGE)}
    found = [_happening(event, runs[event.run_id]) for event in wanted if event.run_id in runs]
    return sorted((each for each in found if each is not None), key=lambda each: (each.at, each.run.pk))


def _happening(event: RunEvent, run: Run) -> Happening | None:
    return ended(run, event.at) if event.new in TERMINAL else _failed_try(event, run)


def weighed(happening: Happening) -> Happening:
    """The same success, called suspicious where it is."""
    odd = suspicion_of(happening.run)
    triggers = happening.triggers | ({Trigger.SUSPICIOUS} if odd else set())
    return replace(happening, suspicion=odd, triggers=triggers)


def ended(run: Run, at: datetime, *, odd: Sentence | None = None) -> Happening | None:
    """The end of a run, `odd` when it is a suspicious success; None when nobody can be told of it: it was cancelled."""
    end = outcomes.end_of(run.status)
    if end is None:
        return None
    triggers = {end}
    grace = run.schedule.grace if run.schedule else None
    if outcomes.is_late(run.origin, run.scheduled_for, run.started_at, grace):
        triggers.add(Trigger.LATE)
    if odd:
        triggers.add(Trigger.SUSPICIOUS)
    return Happening(id=f"run:{run.pk}:{run.status}", run=run, at=at, triggers=frozenset(triggers), suspicion=odd)


def _failed_try(event: RunEvent, run: Run) -> Happening | None:
    tries = Attempt.objects.filter(run=run, ended_at__lte=event.at).order_by("-number")
    attempt = tries.exclude(status=AttemptStatus.RUNNING).first()
    trigger = outcomes.failed_try(attempt.status) if attempt else None
    if attempt is None or trigger is None:
        return None
    name = f"run:{run.pk}:try:{attempt.number}"
    return Happening(id=name, run=run, at=event.at, triggers=frozenset({trigger}), will_retry=True)


# --- successes that look wrong ----------------------------------------------------------------------------------------


def suspicion_of(run: Run, contract: Contract | None = None) -> Sentence | None:
    """Why this success is suspicious, against the job's last ones and what was agreed on; None when it is not."""
    if run.origin == Origin.BACKFILL or run.is_container:
        return None
    return suspicion(history_before(run), figures_of(run, outputs_of([run], run.job.kind).get(run.pk)), contract)


def under(happening: Happening, contract: Contract | None) -> Sentence | None:
    """The same where a rule has an agreement of its own."""
    if contract in (None, happening.weighed_by) or Trigger.SUCCESS not in happening.triggers:
        return happening.suspicion
    return suspicion_of(happening.run, contract)


def figures_of(run: Run, output_bytes: int | None) -> Figures:
    """A successful run in figures."""
    seconds = (run.ended_at - run.started_at).total_seconds() if run.started_at and run.ended_at else None
    count = str(run.outputs.get("row_count", "")) if isinstance(run.outputs, dict) else ""
    is_count = count.isdecimal() and len(count) <= MOST_DIGITS  # a script may write anything
    return Figures(seconds=seconds, row_count=int(count) if is_count else None, output_bytes=output_bytes)


def history_before(run: Run) -> list[Figures]:
    """The figures of the job's successes before this one, oldest first; wholes are no measure of their parts."""
    successes = Run.objects.filter(job=run.job_id, status=RunStatus.SUCCEEDED, parent=None, is_container=False)
    earlier = successes.filter(pk__lt=run.pk).order_by("-pk")
    rows = list(earlier.only("pk", "job_id", "outputs", "started_at", "ended_at")[:LAST])
    sizes = outputs_of(rows, run.job.kind)
    return [figures_of(row, sizes.get(row.pk)) for row in reversed(rows)]


def outputs_of(runs: Sequence[Run], kind: str) -> dict[int, int]:
    """Run → bytes that its successful attempt wrote; nothing where the kind's log is the portal's own words."""
    found: dict[int, int] = {}
    keys = [] if kind in OUTPUTLESS else [run.pk for run in runs]
    for place in range(0, len(keys), CHUNK):
        tries = Attempt.objects.filter(run__in=keys[place : place + CHUNK], status=AttemptStatus.SUCCEEDED)
        found |= dict(tries.order_by().values_list("run", "log_bytes"))
    return found
