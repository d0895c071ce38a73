"""The engine's intake: run events and outages become signals, each batch in one transaction, one process at a time.

The turn is a locked row: who dies gives it back. An event is marked in the transaction that stores what followed from
it, so it counts once, whatever dies when. What goes wrong in one rule harms no other: it is undone to its savepoint,
said, and the rule's check counts as broken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q

from alerts import evaluate, happenings, notices
from alerts.evaluate import Case
from alerts.findings import Finding, Ledger, look
from alerts.happenings import Happening
from alerts.models import AlertRule, OfficeTurn
from alerts.shelf import Book, shelf, target_of
from alerts.signals import Signal, SignalKind, Verdict
from alerts.states import Source
from alerts.waiting import due_at_of
from alerts.wording import say
from jobs import dbclock
from jobs.models import RunEvent
from jobs.states import Origin
from portal.lib.failpoints import failpoint

log = logging.getLogger(__name__)
BATCH, SQLITE_BATCH = 200, 20  # SQLite has one writer: nobody is kept waiting for long


def consume_once() -> int:
    """One batch of run events. Returns how many there were; 0 also when another process has its turn."""
    with transaction.atomic():
        if not take_turn("lock:events"):
            return 0
        events = _next_events()
        if events:
            _digest(events)
            failpoint("alerts.before_commit")
    return len(events)


def take_turn(name: str) -> bool:
    """Lock the turn until the transaction ends; False when another process has it."""
    OfficeTurn.objects.get_or_create(name=name)
    rows = OfficeTurn.objects.filter(name=name)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    return rows.first() is not None


def _next_events() -> list[RunEvent]:
    most = SQLITE_BATCH if connection.vendor == "sqlite" else BATCH
    return list(RunEvent.objects.filter(processed_at=None).order_by("pk")[:most])


def _digest(events: list[RunEvent]) -> None:
    feed_happenings(happenings.happenings(events))
    RunEvent.objects.filter(pk__in=[event.pk for event in events]).update(processed_at=dbclock.now())


def feed_happenings(found: Sequence[Happening]) -> None:
    """To every rule they concern, in the caller's transaction. One that a rule has had before changes nothing there."""
    books = shelf.take({each.run.tenant_id for each in found})
    for happening in found:
        _feed_alerts(happening, books[happening.run.tenant_id])
        _feed_notices(happening, books[happening.run.tenant_id])


# --- alert rules ------------------------------------------------------------------------------------------------------


def rules_about(happening: Happening, book: Book) -> Iterable[AlertRule]:
    """The alert rules that this end concerns; what came before a rule was enabled does not."""
    job = happening.run.job
    fitting = Q(job=job) | Q(pk__in=book.alert_rules.route(target_of(job)))
    rules = AlertRule.objects.filter(fitting, tenant=job.tenant_id, is_enabled=True).exclude(source=Source.PORTAL)
    rules = rules.filter(Q(enabled_at=None) | Q(enabled_at__lte=happening.at))
    return rules.select_related("tenant", "escalation").order_by("pk")


def _feed_alerts(happening: Happening, book: Book) -> None:
    if happening.will_retry or happening.run.origin == Origin.BACKFILL:
        return
    for rule in rules_about(happening, book):
        about = {"alert_rule": rule.pk}
        crashed = _guarded(partial(feed_alert, rule, happening, book), about=about)
        if crashed is not None:
            words = say("any.crashed", kind=rule.condition or rule.source, cause=crashed)
            broken = Finding(verdict=Verdict.BROKEN, sentence=words)
            _guarded(partial(feed_alert, rule, happening, book, broken), about=about)


def feed_alert(rule: AlertRule, happening: Happening, book: Book, finding: Finding | None = None) -> int:
    """What one end of a run says to one alert rule. Returns how many messages were written."""
    run = happening.run
    status = evaluate.status_of(rule, f"job:{run.job_id}", job=run.job, now=happening.at)
    if finding is None:
        finding = look(rule, Ledger(status), happening)
    if finding.verdict is None:
        return 0
    case = Case(rule=rule, status=status, book=book, job=run.job, run=run, finding=finding)
    return evaluate.feed(case, signal_of(case, happening), due_at=due_at_of(rule, run.job))


def signal_of(case: Case, happening: Happening) -> Signal:
    facts = {"cause": case.finding.cause} if case.finding.cause else {}
    return Signal(
        kind=SignalKind.CHECK,
        subject=case.key,
        at=happening.at,
        id=happening.id,
        verdict=case.finding.verdict,
        facts=facts,
    )


# --- notification rules -----------------------------------------------------------------------------------------------


def _feed_notices(happening: Happening, book: Book) -> None:
    for rule in notices.rules_for(happening.run.job, book):
        _guarded(partial(notices.feed, rule, happening, book), about={"notification_rule": rule.pk})


def _guarded(act: Callable[[], int], *, about: dict[str, int]) -> str | None:
    """Do it to a savepoint of its own; what went wrong, in short, where something did. A dead database is no defect."""
    try:
        with transaction.atomic():
            act()
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("A rule could not be evaluated.", extra=about)
        return f"{type(error).__name__}: {error}"[:200]
    return None


def lag(now: datetime) -> timedelta:
    """How long the oldest event that nobody has looked at waits."""
    oldest = RunEvent.objects.filter(processed_at=None).order_by("pk").values_list("at", flat=True).first()
    return now - oldest if oldest and oldest < now else timedelta(0)
