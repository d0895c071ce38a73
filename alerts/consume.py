"""The engine's intake: run events and outages become signals, each batch in one transaction, one process at a time.

The turn is a locked row: who dies gives it back. An event is marked in the transaction that stores what followed from
it, so it counts once, whatever dies when. What goes wrong in one rule harms no other: it is undone to its savepoint,
said, and the rule's check counts as broken.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, connection, transaction

from alerts import evaluate, happenings, notices
from alerts.evaluate import Case
from alerts.findings import Finding, Ledger, look
from alerts.happenings import Happening
from alerts.models import AlertRule, OfficeTurn
from alerts.roster import Roster
from alerts.shelf import Book
from alerts.signals import Signal, SignalKind, Verdict
from alerts.states import Trigger
from alerts.waiting import due_at_of
from alerts.wording import say
from jobs import dbclock
from jobs.models import RunEvent
from jobs.states import Origin
from portal.lib.failpoints import failpoint

log = logging.getLogger(__name__)
BATCH, SQLITE_BATCH = 200, 20  # SQLite has one writer: nobody is kept waiting for long
OLDEST, MANY = timedelta(days=7), 2000
LONGEST = 10.0  # seconds: then the other passes have a turn


def consume() -> int:
    """Batch after batch, for a while. Returns how many events there were."""
    done, ends = 0, time.monotonic() + LONGEST
    while time.monotonic() < ends:
        this = consume_once()
        done += this
        if this < _batch():
            break
    return done


def consume_once() -> int:
    """One batch of run events. Returns how many there were; 0 also when another process has its turn."""
    with transaction.atomic():
        if not take_turn("lock:events"):
            return 0
        now = dbclock.now()
        events = list(RunEvent.objects.filter(processed_at=None).order_by("pk")[: _batch()])
        if events and events[0].at < now - OLDEST:
            return _pass_over(now)
        if events:
            feed_happenings(happenings.happenings(events))
            RunEvent.objects.filter(pk__in=[event.pk for event in events]).update(processed_at=now)
            failpoint("alerts.before_commit")
    return len(events)


def _pass_over(now: datetime) -> int:
    """Events from before there were alerts, or from before a very long pause: news they are not any more."""
    oldest = RunEvent.objects.filter(processed_at=None).order_by("pk").values_list("pk", "at")[:MANY]
    keys = [key for key, at in oldest if at < now - OLDEST]
    log.warning("Events older than %s are passed over.", OLDEST, extra={"count": len(keys)})
    return RunEvent.objects.filter(pk__in=keys).update(processed_at=now)


def _batch() -> int:
    return SQLITE_BATCH if connection.vendor == "sqlite" else BATCH


def take_turn(name: str) -> bool:
    """Lock the turn until the transaction ends; False when another process has it."""
    OfficeTurn.objects.get_or_create(name=name)
    rows = OfficeTurn.objects.filter(name=name)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    return rows.first() is not None


def feed_happenings(found: Sequence[Happening]) -> None:
    """To every rule they concern, in the caller's transaction. One that a rule has had before changes nothing there."""
    roster = Roster.of(each.run.job for each in found)
    for happening in found:
        job = happening.run.job
        if Trigger.SUCCESS in happening.triggers and roster.names(job, Trigger.SUSPICIOUS):
            happening = happenings.weighed(happening)  # noqa: PLW2901
        book = roster.books[job.tenant_id]
        if not (happening.will_retry or happening.run.origin == Origin.BACKFILL):
            _feed_alerts(happening, roster.alert_rules.get(job.pk, ()), book)
        for rule in roster.notification_rules.get(job.pk, ()):
            if rule.created_at > happening.at:
                continue  # it was not asked to tell of that
            _guarded(partial(notices.feed, rule, happening, book), about={"notification_rule": rule.pk})


def _feed_alerts(happening: Happening, rules: Iterable[AlertRule], book: Book) -> None:
    """What came before a rule was enabled does not concern it."""
    for rule in rules:
        if rule.enabled_at is not None and rule.enabled_at > happening.at:
            continue
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
