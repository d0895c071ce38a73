"""What only the passing of time brings: overdue results, ends of holds and snoozes, reminders, escalation, outages."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from alerts import escalation, evaluate, fold, incidents, overlong, portalwatch, retention
from alerts.consume import feed_happenings, take_turn
from alerts.evaluate import Case, subject_of
from alerts.memory import Memory
from alerts.models import AlertRule, AlertStatus, Incident
from alerts.shelf import Book, shelf
from alerts.signals import Signal, SignalKind
from alerts.states import UNRESOLVED, Source
from alerts.waiting import cause_of_silence, due_at_of, moved_due_at
from jobs import dbclock

log = logging.getLogger(__name__)
BATCH = 100
ROUND = timedelta(seconds=20)


def pass_time() -> int:
    """One look at the clock. Returns how much there was to do; 0 also when another process has its turn."""
    with transaction.atomic():
        if not take_turn("lock:clock"):
            return 0
        now = dbclock.now()
        done = _wake_alerts(now) + escalation.step_due(now) + _wake_snoozed(now) + portalwatch.consume(now)
        if _is_time_for_a_round(now):
            done += _begin_new_rules(now) + _feed_overlong(now) + retention.prune(now)
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
    feed_happenings(found)
    return len(found)


def _wake_alerts(now: datetime) -> int:
    rows = AlertStatus.objects.filter(wakes_at__lte=now).select_related(
        "rule__tenant", "rule__escalation", "job__tenant"
    )
    due = list(rows.order_by("wakes_at", "pk")[:BATCH])
    books = shelf.take({status.rule.tenant_id for status in due})
    for status in due:
        if not status.rule.is_enabled:
            AlertStatus.objects.filter(pk=status.pk).update(wakes_at=None)
            continue
        try:
            with transaction.atomic():
                wake(status, books[status.rule.tenant_id], now)
        except Exception:
            log.exception("An alert could not be woken.", extra={"alert_rule": status.rule_id})
            AlertStatus.objects.filter(pk=status.pk).update(wakes_at=now + escalation.AGAIN)
    return len(due)


def wake(status: AlertStatus, book: Book, now: datetime) -> int:
    """Let time pass for one alert up to now; what it awaits may have moved meanwhile."""
    rule, job = status.rule, status.job
    changed = {}
    memory = Memory.from_json(status.memory)
    if job is not None and memory.due_at is not None and memory.due_at <= now:
        changed["due_at"] = moved_due_at(rule, job, memory, now)
    subject = subject_of(rule, status.subject)
    cause = cause_of_silence(job, subject)
    signal = Signal(kind=SignalKind.TIME, subject=subject, at=now, facts={"cause": cause})
    return evaluate.feed(Case(rule=rule, status=status, book=book, job=job), signal, changed=changed)


def _wake_snoozed(now: datetime) -> int:
    due = list(Incident.objects.filter(status__in=UNRESOLVED, snoozed_until__lte=now)[:BATCH])
    return sum(incidents.wake(incident, at=now) for incident in due)


# --- rules that are enabled -------------------------------------------------------------------------------------------


@transaction.atomic
def begin(rule: AlertRule, now: datetime) -> None:
    """Await results from now on; call when a rule is enabled or changed to look at something else.

    It remembers nothing of before: what was open is over, and nobody is told so.
    """
    for status in AlertStatus.objects.select_for_update().filter(rule=rule):
        incidents.forget(status, now)
        memory = Memory.new(now)
        status.memory, status.state, status.state_at = memory.to_json(), memory.state, now
        status.row_identities, status.wakes_at = [], None
        status.save(update_fields=["memory", "state", "state_at", "row_identities", "wakes_at"])
    if rule.job is not None:
        await_result(evaluate.status_of(rule, f"job:{rule.job_id}", job=rule.job, now=now), now)


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
        begin(rule, now)
    return len(found)
