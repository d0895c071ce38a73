"""What becomes of the fire times that are due: which run, which are written down as missed. PURE.

A fire time is late when it is older than the grace. While none is, all simply run. As soon as one is late,
the policy of the schedule speaks:

- skip: the late ones are missed, those in time run;
- run_once: the newest of all that is due runs and stands for the others, which are missed;
- catch_up: the oldest 100 late ones run, the other late ones are missed, with an alert; those in time run.

However long the outage, one decision holds at most 100 late and 100 other runs, and 101 missed spans: up to
100 missed fire times are listed one by one, more of them in spans of 100, and the rest in one last span,
whose count is computed without listing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.policies import MisfirePolicy
from jobs.scheduling.triggers import Trigger, previous_at

MAX_RUNS = 100
SPAN_SIZE = 100
MAX_SPANS = 100
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Fire:
    """A fire time that becomes a run; `coalesced` counts the fire times it stands for, itself included."""

    at: datetime
    coalesced: int = 1


@dataclass(frozen=True, kw_only=True)
class Missed:
    """Fire times that become one `missed` row: `count` of them, from `first` to `last`, both included."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a tick writes for one schedule.

    `cursor_at` is the last fire time decided (the old cursor when nothing was due), `next_at` the one after it.
    `has_more` says that it is due too: decide again from there. `is_alert` says that catching up left some out.
    """

    runs: tuple[Fire, ...]
    missed: tuple[Missed, ...]
    cursor_at: datetime
    next_at: datetime | None
    has_more: bool = False
    is_alert: bool = False


def decide(trigger: Trigger, *, cursor_at: datetime, now: datetime, grace: timedelta, policy: str) -> Decision:
    """Decide every fire time in (cursor_at, now], by `MisfirePolicy`."""
    late_until = max(cursor_at, now - grace - MICROSECOND)  # exactly as old as the grace is still in time
    first = trigger.next_after(cursor_at)
    if first is None or first > late_until:
        runs, following = _in_time(trigger, first, now)
        return _decision(cursor_at, runs, (), now=now, next_at=following)
    if policy == MisfirePolicy.RUN_ONCE:
        return _run_once(trigger, cursor_at, now)
    in_time, following = _in_time(trigger, trigger.next_after(late_until), now)
    if policy == MisfirePolicy.SKIP:
        return _decision(cursor_at, in_time, _spans(trigger, cursor_at, late_until), now=now, next_at=following)
    caught_up = trigger.between(cursor_at, late_until, MAX_RUNS)
    missed = _spans(trigger, caught_up[-1], late_until)
    return _decision(cursor_at, [*caught_up, *in_time], missed, now=now, next_at=following, is_alert=bool(missed))


def _in_time(trigger: Trigger, first: datetime | None, now: datetime) -> tuple[list[datetime], datetime | None]:
    """The fire times from `first` to now, at most as many as one decision holds, and the one that follows them."""
    found: list[datetime] = []
    following = first
    while following is not None and following <= now and len(found) < MAX_RUNS:
        found.append(following)
        following = trigger.next_after(following)
    return found, following


def _run_once(trigger: Trigger, cursor_at: datetime, now: datetime) -> Decision:
    newest = previous_at(trigger, now, cursor_at) or now  # the caller counted at least one
    missed = _spans(trigger, cursor_at, newest - MICROSECOND)
    run = Fire(at=newest, coalesced=1 + sum(span.count for span in missed))
    return Decision(runs=(run,), missed=missed, cursor_at=newest, next_at=trigger.next_after(newest))


def _decision(
    cursor_at: datetime,
    runs: list[datetime],
    missed: tuple[Missed, ...],
    *,
    now: datetime,
    next_at: datetime | None,
    is_alert: bool = False,
) -> Decision:
    decided = [cursor_at, *runs[-1:], *(span.last for span in missed[-1:])]
    return Decision(
        runs=tuple(Fire(at=instant) for instant in runs),
        missed=missed,
        cursor_at=max(decided),
        next_at=next_at,
        has_more=next_at is not None and next_at <= now,
        is_alert=is_alert,
    )


def _spans(trigger: Trigger, after: datetime, until: datetime) -> tuple[Missed, ...]:
    """The fire times in (after, until] as missed spans, oldest first."""
    count = trigger.count(after, until)
    listed = trigger.between(after, until, SPAN_SIZE * MAX_SPANS)
    size = 1 if count <= SPAN_SIZE else SPAN_SIZE
    chunks = [listed[start : start + size] for start in range(0, len(listed), size)]
    spans = [Missed(first=chunk[0], last=chunk[-1], count=len(chunk)) for chunk in chunks]
    if count > len(listed):
        spans.append(_rest(trigger, listed[-1], until, count - len(listed)))
    return tuple(spans)


def _rest(trigger: Trigger, after: datetime, until: datetime, count: int) -> Missed:
    [first] = trigger.between(after, until, 1)
    return Missed(first=first, last=previous_at(trigger, until, first) or first, count=count)
