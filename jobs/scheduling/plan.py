"""What one tick writes for a schedule that a calendar, a blackout or a freeze may touch. PURE.

What is open goes the way of `jobs.scheduling.misfire`. What is closed becomes a skipped row for each nominal instant
(from the 101st on one row for each stretch of 100, the rest of a long silence in one). What is moved runs unless it is
late for its moment; then the misfire policy speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobs.policies import CalendarPolicy, MisfirePolicy
from jobs.scheduling.calendars import DAY_KINDS, Closure
from jobs.scheduling.exclusions import (
    MOVED,
    SKIPPED,
    OpenTrigger,
    Outcome,
    Rule,
    moved_before,
    next_moment,
    outcome_of,
)
from jobs.scheduling.misfire import MAX_RUNS, Missed, decide
from jobs.scheduling.triggers import Trigger, previous_at

MICROSECOND = timedelta(microseconds=1)
MOST_SINGLE = 100
SPAN_SIZE = 100
MOST_LISTED = 10_000
MOST_MOVED = 1_000


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A nominal instant that becomes a queued run; `outcome` says where it was moved to, and from which day."""

    at: datetime
    coalesced: int = 1
    outcome: Outcome | None = None


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """Nominal instants that become one skipped row: `count` of them, from `first` to `last`."""

    first: datetime
    last: datetime
    count: int
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A misfire decision, and beside it what was excluded; `next_at` is when to look again."""

    runs: tuple[PlannedRun, ...]
    missed: tuple[Missed, ...]
    excluded: tuple[Excluded, ...]
    cursor_at: datetime
    next_at: datetime | None
    has_more: bool = False
    is_alert: bool = False


@dataclass(kw_only=True)
class _Work:
    runs: list[PlannedRun] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    moved: list[Outcome] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Until:
    """Until when to decide, and how: the schedule's own words."""

    cursor_at: datetime
    now: datetime
    grace: timedelta
    policy: str


def plan(trigger: Trigger, rule: Rule, due: Until) -> Plan:
    """Decide every nominal instant in (cursor, now], and what is moved before to a moment in it."""
    decision = decide(
        OpenTrigger(trigger, rule, due.now), cursor_at=due.cursor_at, now=due.now, grace=due.grace, policy=due.policy
    )
    until = decision.cursor_at if decision.has_more else due.now
    work = _Work(
        runs=[PlannedRun(at=fire.at, coalesced=fire.coalesced) for fire in decision.runs], missed=list(decision.missed)
    )
    _exclude(trigger, rule, due.cursor_at, until, work)
    work.moved += moved_before(trigger, rule, due.cursor_at, until, MOST_MOVED)
    _settle_moved(work, due)
    is_before = rule.policy == CalendarPolicy.RUN_BEFORE
    decided = (
        [run.at for run in work.runs] + [each.last for each in work.missed] + [each.last for each in work.excluded]
    )
    cursor = until if is_before else max([decision.cursor_at, *decided])
    return Plan(
        runs=tuple(sorted(work.runs, key=lambda run: run.at)),
        missed=tuple(work.missed),
        excluded=tuple(work.excluded),
        cursor_at=cursor,
        next_at=next_moment(trigger, rule, cursor),
        has_more=decision.has_more,
        is_alert=decision.is_alert,
    )


def _exclude(trigger: Trigger, rule: Rule, after: datetime, until: datetime, work: _Work) -> None:
    first = trigger.next_after(after)
    if first is None or first > until:
        return
    listed = 0
    for low, high, closure in rule.segments(first - MICROSECOND, until):
        count = trigger.count(low, high) if closure is not None else 0
        if closure is None or not count:
            continue
        most = MOST_MOVED if _may_move(rule, closure) else MOST_SINGLE - listed
        if most > 0:
            found = trigger.between(low, high, most)
            for nominal in found:
                _note(outcome_of(trigger, rule, nominal), rule, work)
            listed += len(found)
            if count > len(found):
                work.excluded += _spans(trigger, found[-1], high, closure)
        else:
            work.excluded += _spans(trigger, low, high, closure)


def _may_move(rule: Rule, closure: Closure) -> bool:
    return rule.policy != CalendarPolicy.SKIP and closure.kind in DAY_KINDS


def _note(outcome: Outcome, rule: Rule, work: _Work) -> None:
    if outcome.what == MOVED and rule.policy == CalendarPolicy.RUN_AFTER:
        work.moved.append(outcome)
    else:  # under run_before it was written at its earlier moment; this row counts only if that was never seen
        work.excluded.append(Excluded(first=outcome.nominal, last=outcome.nominal, count=1, outcome=outcome))


def _spans(trigger: Trigger, after: datetime, until: datetime, closure: Closure) -> Iterator[Excluded]:
    listed = trigger.between(after, until, MOST_LISTED)
    for start in range(0, len(listed), SPAN_SIZE):
        chunk = listed[start : start + SPAN_SIZE]
        outcome = Outcome(nominal=chunk[0], what=SKIPPED, closure=closure)
        yield Excluded(first=chunk[0], last=chunk[-1], count=len(chunk), outcome=outcome)
    rest = trigger.count(listed[-1], until) if listed else 0
    if rest:
        [first] = trigger.between(listed[-1], until, 1)
        last = previous_at(trigger, until, first) or first
        yield Excluded(
            first=first, last=last, count=rest, outcome=Outcome(nominal=first, what=SKIPPED, closure=closure)
        )


def _settle_moved(work: _Work, due: Until) -> None:
    """Moved fire times run; those whose moment is past by more than the grace go by the misfire policy."""
    late = [each for each in work.moved if each.at is not None and each.at < due.now - due.grace]
    in_time = [each for each in work.moved if each not in late]
    if due.policy == MisfirePolicy.SKIP:
        kept, left = [], late
    elif due.policy == MisfirePolicy.CATCH_UP:
        kept, left = late[:MAX_RUNS], late[MAX_RUNS:]
    else:
        kept = [] if work.runs or in_time else late[-1:]
        left = [each for each in late if each not in kept]
    work.runs += [PlannedRun(at=each.nominal, outcome=each) for each in (*kept, *in_time)]
    work.missed += [Missed(first=each.nominal, last=each.nominal, count=1) for each in left]
