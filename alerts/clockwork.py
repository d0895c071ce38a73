"""What only the passing of time brings: overdue results, ends of holds and snoozes, reminders, escalation, outages."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction

from alerts import agenda, escalation, evaluate, fold, incidents, overlong, portalwatch, standing, unwatched
from alerts.consume import feed_happenings
from alerts.evaluate import Case, subject_of
from alerts.memory import Memory
from alerts.models import AlertRule, AlertStatus, Incident
from alerts.shelf import Book, shelf
from alerts.signals import Signal, SignalKind
from alerts.states import UNRESOLVED, Source
from alerts.turns import take_turn
from alerts.waiting import cause_of_silence, due_at_of, has_unread_end, is_awaited, moved_due_at
from jobs import dbclock
from jobs.deadlocks import repeated_after_deadlock

log = logging.getLogger(__name__)
BATCH = 100
ROUND = timedelta(seconds=20)
PAUSED = timedelta(minutes=5)  # looks at a job that is switched off: from the last one on it is awaited again
SOON = timedelta(seconds=5)  # until the events that wait are read


@repeated_after_deadlock
def pass_time() -> int | None:
    """One look at the clock. Returns how much there was to do; None when another process has its turn."""
    now = dbclock.now()
    is_round = _is_time_for_a_round(now)
    if not (is_round or agenda.has_come(now)):
        return 0
    with transaction.atomic():
        if not take_turn("lock:clock"):
            _last_round.clear()  # it was not made
            return None
        now = dbclock.now()
        done = _wake_alerts(now) + escalation.step_due(now) + _wake_snoozed(now) + portalwatch.consume(now)
        if is_round:
            done += _begin_new_rules(now) + _feed_overlong(now) + unwatched.let_go(now)
        return done


_last_round: list[datetime] = []


def _is_time_for_a_round(now: datetime) -> bool:
    """Now and then: it reads every rule."""
    if _last_round and timedelta(0) <= now - _last_round[0] < ROUND:
        return False
    _last_round[:] = [now]
    return True


def _feed_overlong(now: datetime) -> int:
    found = overlong.running_too_long(now)
    try:
        with transaction.atomic():
            feed_happenings(found)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("Runs that take too long could not be evaluated.")
    return len(found)


def _wake_alerts(now: datetime) -> int:
    rows = AlertStatus.objects.filter(wakes_at__lte=now).select_related(
        "rule__tenant", "rule__escalation", "job__tenant"
    )
    due = list(rows.order_by("wakes_at", "pk")[:BATCH])
    books = shelf.take({status.rule.tenant_id for status in due})
    for status in due:
        try:
            with transaction.atomic():
                _wake_if_due(status, books[status.rule.tenant_id], now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("An alert could not be woken.", extra={"alert_rule": status.rule_id})
            AlertStatus.objects.filter(pk=status.pk).update(wakes_at=now + escalation.AGAIN)
    return len(due)


def _wake_if_due(read: AlertStatus, book: Book, now: datetime) -> None:
    """With the row as it is under the lock: a result may have come since it was read."""
    status = AlertStatus.objects.select_for_update().filter(pk=read.pk, wakes_at__lte=now).order_by().first()
    if status is None:
        return
    rule = standing.as_it_is(read.rule, read.job)
    if rule is None:
        AlertStatus.objects.filter(pk=read.pk).update(wakes_at=None)
        return
    status.rule, status.job = rule, read.job
    wake(status, book, now)


def wake(status: AlertStatus, book: Book, now: datetime) -> int:
    """Let time pass for one alert up to now; what it awaits may have moved meanwhile."""
    rule, job = status.rule, status.job
    memory = Memory.from_json(status.memory)
    if job is not None and memory.due_at is not None and memory.due_at <= now:
        memory = replace(memory, due_at=moved_due_at(rule, job, memory, now))
    is_paused = job is not None and not is_awaited(job)
    if is_paused:
        memory = replace(memory, due_at=None, result_at=max(memory.result_at, now))
    overdue = fold.goes_stale(evaluate.policy_of(rule), memory, now)
    if job is not None and overdue and has_unread_end(job):
        AlertStatus.objects.filter(pk=status.pk).update(wakes_at=now + SOON)  # the result is there
        return 0
    subject = subject_of(rule, status.subject)
    cause = cause_of_silence(job, subject)
    signal = Signal(kind=SignalKind.TIME, subject=subject, at=now, facts={"cause": cause})
    changed = {"due_at": memory.due_at, "result_at": memory.result_at}
    told = evaluate.feed(Case(rule=rule, status=status, book=book, job=job), signal, changed=changed)
    if is_paused and status.wakes_at is not None and status.wakes_at > now + PAUSED:
        AlertStatus.objects.filter(pk=status.pk).update(wakes_at=now + PAUSED)
    return told


def _wake_snoozed(now: datetime) -> int:
    due = list(Incident.objects.filter(status__in=UNRESOLVED, snoozed_until__lte=now)[:BATCH])
    return sum(incidents.wake(incident, at=now) for incident in due)


# --- rules that are enabled -------------------------------------------------------------------------------------------


@transaction.atomic
def begin(rule: AlertRule, now: datetime) -> None:
    """Await results from now on; call when a rule is enabled or changed to look at something else.

    It remembers nothing of before: what was open is over, and nobody is told so.
    """
    for status in AlertStatus.objects.select_for_update().filter(rule=rule).order_by("pk"):
        unwatched.start_over(status, now)
    if rule.job is not None:
        await_result(standing.status_of(rule, f"job:{rule.job_id}", job=rule.job, now=now), now)


def await_result(status: AlertStatus, now: datetime) -> None:
    """A job that never runs must not pass for one that is well."""
    rule, job = status.rule, status.job
    if job is None or rule.source != Source.RESULT:
        return
    memory = replace(Memory.from_json(status.memory), due_at=due_at_of(rule, job))
    status.memory, status.wakes_at = memory.to_json(), fold.wakes_at(evaluate.policy_of(rule), memory)
    status.save(update_fields=["memory", "wakes_at"])


def _begin_new_rules(now: datetime) -> int:
    """Those that nobody has begun: however a rule came into the table, it is watched."""
    rules = AlertRule.objects.filter(is_enabled=True, job__isnull=False, statuses=None)
    found = list(rules.select_related("job", "tenant").order_by("pk")[:BATCH])
    for rule in found:
        try:
            begin(rule, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("An alert rule could not be begun.", extra={"alert_rule": rule.pk})
    return len(found)
