"""What a page of alert rules shows beside each rule, in a fixed number of queries however many jobs a rule concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max

from alerts import look
from alerts.models import AlertCheck, AlertRow, AlertRule, AlertStatus
from alerts.states import AlertState
from jobs.models import Job, Schedule
from jobs.queries.activity import next_starts

CHECKS = 50
MOST_ROWS = 200


@dataclass(frozen=True, kw_only=True)
class RuleFinding:
    """`state` is the worst of all subjects, "" when none was looked at; `counts` says how many are in which.

    `sentence` and `value` are those of one subject in the worst state.
    """

    state: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    checked_at: datetime | None = None
    notified_at: datetime | None = None
    sentence: dict[str, Any] = field(default_factory=dict)
    value: float | None = None
    next_at: datetime | None = None
    timezone: str = ""


def rule_findings(rules: Sequence[AlertRule]) -> dict[int, RuleFinding]:
    """Rule id → what is known of it."""
    ids = [rule.pk for rule in rules]
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    checked: dict[int, list[datetime]] = defaultdict(list)
    notified: dict[int, list[datetime]] = defaultdict(list)
    sample: dict[tuple[int, str], int] = {}
    grouped = AlertStatus.objects.filter(rule__in=ids).order_by().values("rule_id", "state")
    summed = grouped.annotate(n=Count("pk"), looked=Count("checked_at"), newest=Max("pk"))
    for row in summed.annotate(last=Max("checked_at"), told=Max("notified_at")):
        state, number = row["state"], row["n"]
        if state == AlertState.OK:
            number = row["looked"]  # what was never looked at is not known to be well
        if not number:
            continue
        counts[row["rule_id"]][state] = number
        sample[row["rule_id"], state] = row["newest"]
        checked[row["rule_id"]] += [row["last"]] if row["last"] else []
        notified[row["rule_id"]] += [row["told"]] if row["told"] else []
    worst = {pk: look.worst(counts[pk]) for pk in ids}
    shown = AlertStatus.objects.in_bulk([sample[pk, state] for pk, state in worst.items() if state])
    fires = _next_fires(rules)
    found = {}
    for pk in ids:
        status = shown.get(sample.get((pk, worst[pk]), 0))
        at, zone = fires.get(pk, (None, ""))
        found[pk] = RuleFinding(
            state=worst[pk],
            counts=dict(counts[pk]),
            checked_at=max(checked[pk], default=None),
            notified_at=max(notified[pk], default=None),
            sentence=status.sentence if status else {},
            value=status.value if status else None,
            next_at=at,
            timezone=zone,
        )
    return found


def _next_fires(rules: Sequence[AlertRule]) -> dict[int, tuple[datetime, str]]:
    """Rule id → when its job's next run starts, and the zone that schedule speaks in."""
    jobs = {rule.job_id for rule in rules if rule.job_id and rule.is_enabled}
    alive = Job.objects.filter(pk__in=jobs, is_enabled=True, archived_at=None)
    rows = Schedule.objects.filter(job__in=alive, is_enabled=True, next_fire_at__isnull=False).select_related("job")
    fires: dict[int, tuple[datetime, str]] = {}
    for at, schedule in next_starts(rows):
        fires.setdefault(schedule.job_id, (at, schedule.timezone))
    return {rule.pk: fires[rule.job_id] for rule in rules if rule.is_enabled and rule.job_id in fires}


def latest_checks(rule: AlertRule, status: AlertStatus | None = None) -> list[AlertCheck]:
    """The newest checks of the rule, or of one of its subjects; newest first."""
    rows = AlertCheck.objects.filter(status=status) if status else AlertCheck.objects.filter(status__rule=rule)
    return list(rows.select_related("status__job").order_by("-at", "-id")[:CHECKS])


def open_rows(rule: AlertRule) -> tuple[list[AlertRow], int]:
    """The rows that are there now, unacknowledged ones first; and how many there are in all."""
    rows = AlertRow.objects.filter(status__rule=rule, resolved_at=None).select_related("status__job")
    shown = rows.order_by(F("acknowledged_at").asc(nulls_first=True), "-first_at", "pk")[:MOST_ROWS]
    return list(shown), rows.count()
