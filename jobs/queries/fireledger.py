"""The fire ledger: every due moment of a period, each with its fate, and a sum that must come out.

Rows speak first. A `missed` row may stand for many instants: they are listed by the rule that was in force. Then the
rule of each schedule is asked again since its last edit: an instant up to the cursor without a row is unaccounted for
(which must never happen), one after the cursor has not been decided yet (beat is late, or silent).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet, Sum

from jobs.calendars import Book
from jobs.fates import RAN, Fate, fate_of, late_after
from jobs.models import Job, Run, Schedule
from jobs.models.schedule import TriggerKind
from jobs.retention.policy import keeps_of_jobs
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.due import HasTrigger, trigger_of
from jobs.scheduling.triggers import Trigger
from jobs.states import Origin, RunStatus

MOST_MOMENTS = 100_000
SURELY_KEPT = timedelta(days=1)  # no retention is shorter
LISTED_IN_FULL = 5_000  # up to here each instant of a rule is compared; above, an equal count is taken as proof
MICROSECOND = timedelta(microseconds=1)
UNCOVERED = frozenset({RunStatus.CANCELLED, RunStatus.SKIPPED})  # a backfill's run that ended so ran nothing

_COLUMNS = (
    "pk", "job_id", "schedule_id", "scheduled_for", "status", "reason_code", "started_at", "coalesced",
    "not_before", "created_at",
)  # fmt: skip


class Moment(NamedTuple):
    """A due moment. `number` is above 1 only where the rule that would list the instants is gone."""

    at: datetime
    fate: Fate
    job_id: int
    schedule_id: int | None = None
    run_id: int | None = None
    reason_code: str = ""
    late_by: timedelta | None = None
    number: int = 1


@dataclass(frozen=True, kw_only=True)
class Period:
    """[since, until)."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        return self.until - self.since


@dataclass(frozen=True, kw_only=True)
class FireLedger:
    """`moments` is oldest first; empty when there are more than MOST_MOMENTS, then only the sums are known."""

    moments: tuple[Moment, ...]
    counts: Mapping[Fate, int]
    reasons: Mapping[tuple[Fate, str], int] = field(default_factory=dict)
    too_many: bool = False

    @property
    def expected(self) -> int:
        return sum(self.counts.values())

    @property
    def ran(self) -> int:
        return sum(self.counts.get(fate, 0) for fate in RAN)


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """A schedule as the ledger needs it; no trigger when it can't be read."""

    pk: int
    job_id: int
    trigger: Trigger | None
    grace: timedelta
    counted_from: datetime
    cursor_at: datetime
    is_live: bool


class _TooMany(Exception):
    """More due moments than a page may list."""


def fire_ledger(
    runs: QuerySet[Run],
    schedules: QuerySet[Schedule],
    period: Period,
    *,
    now: datetime,
    limit: int = MOST_MOMENTS,
) -> FireLedger:
    """Every due moment of the period up to now, of the schedules' jobs, as far as the caller may see them."""
    until = min(period.until, now + MICROSECOND)
    rules = _rules(schedules, period.since, now=now)
    try:
        moments = _decided(runs, rules, period.since, until, limit)
        moments += _open(moments, rules.values(), period.since, until, limit - len(moments))
    except _TooMany:
        return FireLedger(moments=(), counts=_sums(runs, period.since, until), too_many=True)
    moments.sort(key=lambda each: (each.at, each.job_id, each.schedule_id or 0))
    counts: Counter[Fate] = Counter()
    reasons: Counter[tuple[Fate, str]] = Counter()
    for moment in moments:
        counts[moment.fate] += moment.number
        if moment.reason_code:
            reasons[moment.fate, moment.reason_code] += moment.number
    return FireLedger(moments=tuple(moments), counts=counts, reasons=reasons)


def fire_counts(
    runs: QuerySet[Run], schedules: QuerySet[Schedule], *, since: datetime, now: datetime
) -> Mapping[Fate, int]:
    """The sums alone, in two statements: for a card. Lateness is not told apart."""
    counts = _sums(runs, since, now + MICROSECOND)
    for rule in _rules(schedules.filter(next_fire_at__lte=now, is_enabled=True), now, now=now).values():
        if rule.trigger is not None:
            counts[Fate.UNDECIDED] += rule.trigger.count(max(rule.cursor_at, since - MICROSECOND), now)
    return counts


def later_runs(runs: QuerySet[Run], moments: Collection[Moment]) -> dict[tuple[int, datetime], int]:
    """(job, instant) → the backfill's run that ran it afterwards, or will."""
    if not moments:
        return {}
    rows = runs.filter(
        origin=Origin.BACKFILL,
        parent=None,
        job_id__in={moment.job_id for moment in moments},
        scheduled_for__gte=min(moment.at for moment in moments),
        scheduled_for__lte=max(moment.at for moment in moments),
    )
    found = rows.exclude(status__in=UNCOVERED).order_by("pk").values_list("job_id", "scheduled_for", "pk")
    return {(job_id, at): pk for job_id, at, pk in found}


def rule_args(schedule: HasTrigger) -> list[str]:
    """The schedule's rule as JSON, for a row that stands for many instants: an edit later must not hide them."""
    return [schedule.kind, schedule.expression, schedule.timezone, schedule.anchor_at.isoformat()]


def _due(runs: QuerySet[Run]) -> QuerySet[Run]:
    return runs.filter(origin=Origin.SCHEDULE, parent=None)


def _decided(
    runs: QuerySet[Run], rules: Mapping[int, _Rule], since: datetime, until: datetime, limit: int
) -> list[Moment]:
    due = _due(runs)
    inside = due.filter(scheduled_for__gte=since, scheduled_for__lt=until).order_by("scheduled_for")
    rows = list(inside.values_list(*_COLUMNS)[: limit + 1])
    if len(rows) > limit:
        raise _TooMany
    moments: list[Moment] = []
    spans: list[tuple[Any, ...]] = []
    for row in rows:
        if row[4] == RunStatus.MISSED and row[7] > 1:
            spans.append(row)
        else:
            moments.append(_moment(row, rules))
    # A row that stands for instants of this period may begin before it; it was written after the last of them.
    before = due.filter(
        status=RunStatus.MISSED, coalesced__gt=1, scheduled_for__lt=since, created_at__gte=since
    ).values_list(*_COLUMNS)
    spans += list(before[: limit + 1])
    stored = dict(Run.objects.filter(pk__in=[row[0] for row in spans]).values_list("pk", "reason_args"))
    for row in spans:
        moments += _expanded(row, rules, stored[row[0]], since, until, limit - len(moments))
    return moments


def _moment(row: tuple[Any, ...], rules: Mapping[int, _Rule]) -> Moment:
    pk, job_id, schedule_id, at, status, reason_code, started_at, _coalesced, not_before, created_at = row
    rule = rules.get(schedule_id)
    late_by = None
    if started_at is not None:
        # A calendar may let it start on another day. (A retry moves `not_before` too, but beyond the first start.)
        is_moved = created_at < not_before <= started_at
        late_by = started_at - (not_before if is_moved else at)
    fate = fate_of(status, reason_code, late_by, late_after(rule.grace if rule else None))
    return Moment(at, fate, job_id, schedule_id, pk, reason_code, late_by)


def _expanded(
    row: tuple[Any, ...],
    rules: Mapping[int, _Rule],
    args: Mapping[str, Any],
    since: datetime,
    until: datetime,
    limit: int,
) -> list[Moment]:
    """The instants a missed row stands for, those of the period."""
    pk, job_id, schedule_id, first, _status, reason_code, _started_at, count, *_others = row
    fate = fate_of(RunStatus.MISSED, reason_code, None, timedelta(0))
    trigger = _trigger_of_span(args, rules.get(schedule_id), first)
    if trigger is None:
        return [Moment(first, fate, job_id, schedule_id, pk, reason_code, None, count)] if first >= since else []
    left = count
    if since > first:
        left -= trigger.count(first - MICROSECOND, since - MICROSECOND)
    found = trigger.between(max(first, since) - MICROSECOND, until - MICROSECOND, max(min(left, limit + 1), 0))
    if len(found) > limit:
        raise _TooMany
    return [Moment(at, fate, job_id, schedule_id, pk, reason_code) for at in found]


def _trigger_of_span(args: Mapping[str, Any], rule: _Rule | None, first: datetime) -> Trigger | None:
    kept = args.get("rule") if isinstance(args, Mapping) else None
    if isinstance(kept, list) and len(kept) == 4 and kept[0] != TriggerKind.WORKDAY:  # that one needs its calendar
        try:
            return trigger_of(
                Schedule(
                    kind=kept[0], expression=kept[1], timezone=kept[2], anchor_at=datetime.fromisoformat(str(kept[3]))
                )
            )
        except (TriggerError, ValueError):
            return None
    return rule.trigger if rule is not None and rule.counted_from <= first else None


def _open(
    decided: Iterable[Moment], rules: Iterable[_Rule], since: datetime, until: datetime, limit: int
) -> list[Moment]:
    """Instants without a row, by the rules in force."""
    have: dict[int | None, set[datetime]] = defaultdict(set)
    for moment in decided:
        have[moment.schedule_id].add(moment.at)
    found: list[Moment] = []
    for rule in rules:
        if rule.trigger is None:
            continue
        low = max(since - MICROSECOND, rule.counted_from)
        middle = min(until - MICROSECOND, rule.cursor_at)
        found += _without_row(rule, low, middle, have[rule.pk], limit - len(found), Fate.UNACCOUNTED)
        if rule.is_live:
            low = max(low, rule.cursor_at)
            found += _without_row(rule, low, until - MICROSECOND, have[rule.pk], limit - len(found), Fate.UNDECIDED)
    return found


def _without_row(
    rule: _Rule, low: datetime, high: datetime, have: set[datetime], limit: int, fate: Fate
) -> list[Moment]:
    assert rule.trigger is not None  # noqa: S101 - the caller has looked
    expected = rule.trigger.count(low, high)
    if not expected:
        return []
    there = sum(low < at <= high for at in have)
    if expected == there and expected > LISTED_IN_FULL:
        return []
    if expected - there > limit:
        raise _TooMany
    instants = rule.trigger.between(low, high, expected)
    return [Moment(at, fate, rule.job_id, rule.pk) for at in instants if at not in have]


def _rules(schedules: QuerySet[Schedule], since: datetime, *, now: datetime) -> dict[int, _Rule]:
    """A few statements however many schedules there are. What retention may have deleted is not looked for."""
    rows = list(schedules)
    by_day = [row.pk for row in rows if row.kind == TriggerKind.WORKDAY]
    book = Book.of(Schedule.objects.filter(pk__in=by_day).select_related("job")) if by_day else None
    kept = keeps_of_jobs(Job.objects.filter(schedules__in=schedules).distinct()) if since < now - SURELY_KEPT else {}
    rules = {}
    for row in rows:
        try:
            trigger = book.trigger(row) if book and row.kind == TriggerKind.WORKDAY else trigger_of(row)
        except TriggerError:
            trigger = None
        counted_from = row.counted_from_at or max(row.updated_at, row.cursor_at)
        if row.job_id in kept:
            counted_from = max(counted_from, kept[row.job_id].keep.runs_until(now))
        rules[row.pk] = _Rule(
            pk=row.pk,
            job_id=row.job_id,
            trigger=trigger,
            grace=row.grace,
            counted_from=counted_from,
            cursor_at=row.cursor_at,
            is_live=row.next_fire_at is not None,
        )
    return rules


def _sums(runs: QuerySet[Run], since: datetime, until: datetime) -> Counter[Fate]:
    inside = _due(runs).filter(scheduled_for__gte=since, scheduled_for__lt=until).order_by()
    rows = inside.values_list("status", "reason_code").annotate(rows=Count("pk"), instants=Sum("coalesced"))
    counts: Counter[Fate] = Counter()
    for status, reason_code, number, instants in rows:
        stands_for_all = status == RunStatus.MISSED
        counts[fate_of(status, reason_code, None, timedelta(0))] += instants if stands_for_all else number
    return counts


__all__ = ["FireLedger", "Moment", "Period", "fire_counts", "fire_ledger", "later_runs", "rule_args"]
