"""The engine's intake: run events and outages become signals, each batch in one transaction, one process at a time.

The turn is a locked row: who dies or stands still loses it (`alerts.turns`). An event is marked in the transaction
that stores what followed from it, so it counts once, whatever dies when. What goes wrong in one rule harms no other:
it is undone to its savepoint, said, and the rule's check counts as broken.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import NAMESPACE_URL, uuid5

from django.db import InterfaceError, OperationalError, connection, transaction

from alerts import agenda, evaluate, happenings, inbox, notices, standing
from alerts.evaluate import Case
from alerts.findings import Finding, Ledger, look
from alerts.happenings import Happening
from alerts.inbox import Letter
from alerts.models import AlertRule
from alerts.roster import Roster
from alerts.shelf import Book
from alerts.signals import Signal, SignalKind, Verdict
from alerts.states import Severity, Trigger
from alerts.turns import take_turn
from alerts.waiting import due_at_of
from alerts.wording import say
from jobs import dbclock
from jobs.deadlocks import repeated_after_deadlock
from jobs.models import RunEvent
from jobs.states import Origin
from portal.lib.failpoints import failpoint
from portal.lib.said import said

log = logging.getLogger(__name__)
BATCH, SQLITE_BATCH = 200, 20  # SQLite has one writer: nobody is kept waiting for long
OLDEST, MANY = timedelta(days=7), 2000
STUCK = timedelta(minutes=5)  # an oldest event of that age: nobody gets any further
LONGEST = 10.0  # seconds: then the other passes have a turn


def consume() -> int | None:
    """Batch after batch, for a while. Returns how many events there were; None when another process has its turn."""
    if not agenda.has_events():
        return 0
    done, ends = consume_once(), time.monotonic() + LONGEST
    last = done
    while done is not None and last is not None and last >= _batch() and time.monotonic() < ends:
        last = consume_once()
        done += last or 0
    return done


@repeated_after_deadlock
def consume_once() -> int | None:
    """One batch of run events. Returns how many there were; None when another process has its turn."""
    with transaction.atomic():
        if not take_turn("lock:events"):
            return None
        now = dbclock.now()
        events = list(RunEvent.objects.filter(processed_at=None).order_by("pk")[: _batch()])
        if events and events[0].at < now - OLDEST:
            return _pass_over(now)
        if events:
            _feed_events(events, now)
            RunEvent.objects.filter(pk__in=[event.pk for event in events]).update(processed_at=now)
            failpoint("alerts.before_commit")
    return len(events)


def _feed_events(events: Sequence[RunEvent], now: datetime) -> None:
    """A batch that fails is halved down to the event that does it: one must not keep all others waiting for ever."""
    try:
        with transaction.atomic():
            feed_happenings(happenings.happenings(events))
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(events) == 1:
            _leave_out(events[0], now)
            return
        middle = len(events) // 2
        _feed_events(events[:middle], now)
        _feed_events(events[middle:], now)


def _leave_out(event: RunEvent, now: datetime) -> None:
    """Said in the log and to the platform: nobody is told of what happened to that run."""
    log.exception("An event could not be evaluated; it is passed over.", extra={"event": event.pk, "run": event.run_id})
    words = said("The end of run #%(run)s could not be evaluated, so no alert and no rule knows of it: see the log.")
    letter = Letter(
        subject=words % {"run": event.run_id},
        severity=Severity.CRITICAL,
        link=inbox.link_to(event.run),
        delivery_id=uuid5(NAMESPACE_URL, f"event:{event.pk}"),
    )
    inbox.tell_platform(letter, now=now)


def _pass_over(now: datetime) -> int:
    """Events from before there were alerts, or from before a very long pause: news they are not any more."""
    oldest = RunEvent.objects.filter(processed_at=None).order_by("pk").values_list("pk", "at")[:MANY]
    keys = [key for key, at in oldest if at < now - OLDEST]
    log.warning("Events older than %s are passed over.", OLDEST, extra={"count": len(keys)})
    return RunEvent.objects.filter(pk__in=keys).update(processed_at=now)


def _batch() -> int:
    return SQLITE_BATCH if connection.vendor == "sqlite" else BATCH


def feed_happenings(found: Sequence[Happening]) -> None:
    """To every rule they concern, in the caller's transaction. One that a rule has had before changes nothing there."""
    roster = Roster.of(each.run.job for each in found)
    for happening in found:
        job = happening.run.job
        if Trigger.SUCCESS in happening.triggers and roster.names(job, Trigger.SUSPICIOUS):
            happening = _weighed(happening)  # noqa: PLW2901
        book = roster.books[job.tenant_id]
        if not (happening.will_retry or happening.run.origin == Origin.BACKFILL):
            _feed_alerts(happening, roster.alert_rules.get(job.pk, ()), book)
        for rule in roster.notification_rules.get(job.pk, ()):
            if rule.created_at > happening.at:
                continue  # it was not asked to tell of that
            guarded(partial(notices.feed, rule, happening, book), about={"notification_rule": rule.pk})


def _weighed(happening: Happening) -> Happening:
    """Where that fails, it is told as a success all the same."""
    try:
        with transaction.atomic():
            return happenings.weighed(happening)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("Whether a success is suspicious is not known.", extra={"run": happening.run.pk})
        return happening


def _feed_alerts(happening: Happening, rules: Iterable[AlertRule], book: Book) -> None:
    """What came before a rule was enabled does not concern it."""
    for rule in rules:
        if rule.enabled_at is not None and rule.enabled_at > happening.at:
            continue
        about = {"alert_rule": rule.pk}
        crashed = guarded(partial(feed_alert, rule, happening, book), about=about)
        if crashed is not None:
            words = say("any.crashed", kind=rule.condition or rule.source, cause=crashed)
            broken = Finding(verdict=Verdict.BROKEN, sentence=words)
            guarded(partial(feed_alert, rule, happening, book, broken), about=about)


def feed_alert(rule: AlertRule, happening: Happening, book: Book, finding: Finding | None = None) -> int:
    """What one end of a run says to one alert rule. Returns how many messages were written.

    What the batch has read of the rule may be old by now: it was switched off, changed or enabled anew.
    """
    run = happening.run
    found = standing.take(rule, f"job:{run.job_id}", job=run.job, now=happening.at)
    if found is None:
        return 0
    rule, status = found
    if rule.enabled_at is not None and rule.enabled_at > happening.at:
        return 0
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


def guarded(act: Callable[[], int], *, about: dict[str, int]) -> str | None:
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
