"""What a calendar, blackout windows and freezes make of a trigger's fire times. PURE.

Every nominal instant of a trigger has one outcome: it runs, it is skipped and says why, or it is moved off a day that
is not worked. A moved one keeps its nominal instant and runs at the same time of day on the last working day before
(`run_before`) or the first after (`run_after`). Where several would land on one moment, the one nearest to it runs and
the others are merged into it; where something fires at that moment anyway, all are. A blackout or a freeze moves
nothing: what falls into it is skipped.

The cursor walks along the nominal instants. Under `run_after` the run is written at the nominal instant, to wait for
its moment. Under `run_before` it is written at the earlier moment, and once more, for nothing, at the nominal instant:
there it becomes a skipped row only if a change of the calendar has kept the earlier moment from being seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from jobs.policies import CalendarPolicy
from jobs.scheduling.calendars import DAY, DAY_KINDS, Closure, FreezeSpan, Window, WorkCalendar, frozen_by, window_at
from jobs.scheduling.triggers import Trigger
from jobs.scheduling.zones import SECOND, first_instant, gap_end, highest_wall, instants_at, wall_at

LONGEST_MOVE = 31  # days; what would have to move further is skipped
FORESIGHT = timedelta(days=400)
MOST_FORESEEN = 200
MICROSECOND = timedelta(microseconds=1)
RUNS, SKIPPED, MOVED, MERGED = "runs", "skipped", "moved", "merged"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What applies to one schedule. A trigger of working days takes its days from the calendar itself: `is_by_day`."""

    calendar: WorkCalendar | None = None
    policy: str = CalendarPolicy.SKIP
    windows: tuple[Window, ...] = ()
    freezes: tuple[FreezeSpan, ...] = ()
    is_by_day: bool = False

    @property
    def is_empty(self) -> bool:
        return self.calendar is None and not self.windows and not self.freezes

    @property
    def days(self) -> WorkCalendar | None:
        """The calendar whose days close a time."""
        return None if self.is_by_day else self.calendar

    @property
    def every_window(self) -> tuple[Window, ...]:
        return (*self.windows, *(self.calendar.windows if self.calendar else ()))

    def closure_at(self, instant: datetime) -> Closure | None:
        """Why nothing fires at the instant: a day that is not worked is named before a window, that before a freeze."""
        day = self.days.day_closure(instant) if self.days else None
        return day or self.hold_at(instant)

    def hold_at(self, instant: datetime) -> Closure | None:
        """The window or freeze the instant lies in, whatever day it is."""
        found = window_at(self.every_window, instant)
        if found is not None:
            return found
        freeze = frozen_by(self.freezes, instant)
        return freeze.closure() if freeze else None

    def segments(self, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime, Closure | None]]:
        """(low, high, closure): the instants in (low, high] are all open, or all closed by the same."""
        edges: set[datetime] = set()
        high = until + MICROSECOND
        if self.days:
            edges.update(self.days.day_edges(after, high))
        for window in self.every_window:
            edges.update(window.edges(after, high))
        for freeze in self.freezes:
            edges.update(edge for edge in (freeze.starts_at, freeze.ends_at) if edge and after < edge < high)
        points = [after + MICROSECOND, *sorted(edges - {after + MICROSECOND}), high]
        for low, end in pairwise(points):
            yield low - MICROSECOND, end - MICROSECOND, self.closure_at(low)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What becomes of one nominal instant. `at` is when it runs; `closure` why it does not, or not then;
    `into` the nominal instant that runs in its place."""

    nominal: datetime
    what: str
    at: datetime | None = None
    closure: Closure | None = None
    into: datetime | None = None


@dataclass(frozen=True)
class OpenTrigger:
    """A trigger without what is closed, up to `until`: `jobs.scheduling.misfire` decides about the rest."""

    trigger: Trigger
    rule: Rule
    until: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        """The first open fire time after the instant; None when there is none up to `until`."""
        found = self.trigger.next_after(instant)
        while found is not None and found <= self.until:
            closure = self.rule.closure_at(found)
            if closure is None:
                return found
            found = self.trigger.next_after(closure.end - MICROSECOND) if closure.end else None
        return None

    def between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The open fire times in (after, until], oldest first, at most `limit`."""
        found: list[datetime] = []
        instant = self.next_after(after)
        while instant is not None and instant <= until and len(found) < limit:
            found.append(instant)
            instant = self.next_after(instant)
        return found

    def count(self, after: datetime, until: datetime) -> int:
        """How many open fire times lie in (after, until], stretch by stretch."""
        first = self.trigger.next_after(after)
        if first is None or first > until:
            return 0
        stretches = self.rule.segments(first - MICROSECOND, until)
        return sum(self.trigger.count(low, high) for low, high, closure in stretches if closure is None)


def outcome_of(trigger: Trigger, rule: Rule, nominal: datetime) -> Outcome:
    """What becomes of a nominal instant under the rule."""
    closure = rule.closure_at(nominal)
    if closure is None:
        return Outcome(nominal=nominal, what=RUNS, at=nominal)
    if closure.kind not in DAY_KINDS or rule.policy == CalendarPolicy.SKIP:
        return Outcome(nominal=nominal, what=SKIPPED, closure=closure)
    moment = moved_to(rule, nominal)
    if moment is None:
        return Outcome(nominal=nominal, what=SKIPPED, closure=closure)
    hold = rule.hold_at(moment)
    if hold is not None:
        return Outcome(nominal=nominal, what=SKIPPED, closure=hold, at=moment)
    into = _stands_for(trigger, rule, nominal, moment)
    if into is not None:
        return Outcome(nominal=nominal, what=MERGED, closure=closure, at=moment, into=into)
    return Outcome(nominal=nominal, what=MOVED, closure=closure, at=moment)


def moved_to(rule: Rule, nominal: datetime) -> datetime | None:
    """The same time of day on the nearest working day in the policy's direction; None when that is too far off."""
    if rule.days is None:
        return None
    wall = wall_at(ZoneInfo(rule.days.timezone), nominal)
    is_later = rule.policy == CalendarPolicy.RUN_AFTER
    search = rule.days.next_working_day if is_later else rule.days.previous_working_day
    day = search(wall.date(), LONGEST_MOVE)
    return None if day is None else first_instant(ZoneInfo(rule.days.timezone), datetime.combine(day, wall.time()))


def is_nominal(trigger: Trigger, instant: datetime) -> bool:
    return trigger.next_after(instant - MICROSECOND) == instant


def _stands_for(trigger: Trigger, rule: Rule, nominal: datetime, moment: datetime) -> datetime | None:
    """The nominal instant that runs at `moment` instead of this one; None when this one does."""
    assert rule.days is not None  # noqa: S101 - the caller has moved it by its days
    if is_nominal(trigger, moment):
        return moment
    zone = ZoneInfo(rule.days.timezone)
    wall, target = wall_at(zone, nominal), wall_at(zone, moment).date()
    first = instants_at(zone, wall)[0]
    if first != nominal and is_nominal(trigger, first):
        return first  # the same reading of a repeated hour
    step = DAY if target > wall.date() else -DAY
    day = target - step
    while day != wall.date():
        twin = first_instant(zone, datetime.combine(day, wall.time()))
        if is_nominal(trigger, twin) and moved_to(rule, twin) == moment:
            return twin
        day -= step
    return None


def block_after(calendar: WorkCalendar, day: date) -> list[date]:
    """The days without work that follow a working day, at most as many as a fire time may move."""
    found: list[date] = []
    day += DAY
    while len(found) < LONGEST_MOVE and not calendar.is_working_day(day):
        found.append(day)
        day += DAY
    return found


def moved_before(trigger: Trigger, rule: Rule, after: datetime, until: datetime, most: int) -> list[Outcome]:
    """Under `run_before`: what is moved to a moment in (after, until], at most `most`, by that moment."""
    if rule.days is None or rule.policy != CalendarPolicy.RUN_BEFORE:
        return []
    zone = ZoneInfo(rule.days.timezone)
    low, high = highest_wall(zone, after), highest_wall(zone, until)
    found: dict[datetime, Outcome] = {}
    day = low.date()
    while day <= high.date() and len(found) < most:
        start = low.time() if day == low.date() else None
        end = high.time() if day == high.date() else time.max
        if rule.days.is_working_day(day):
            for closed in block_after(rule.days, day):
                for outcome in _moved_from(trigger, rule, closed, (start, end)):
                    if outcome.at is not None and after < outcome.at <= until:
                        found.setdefault(outcome.at, outcome)
        day += DAY
    return [found[moment] for moment in sorted(found)][:most]


def _moved_from(
    trigger: Trigger, rule: Rule, day: date, span: tuple[time | None, time], most: int = 200
) -> Iterator[Outcome]:
    """The fire times of a closed day between two times of day (the first left out) that are moved."""
    assert rule.days is not None  # noqa: S101 - the caller has looked
    zone = ZoneInfo(rule.days.timezone)
    start, end = span
    after = (
        first_instant(zone, datetime.combine(day, time(0))) - MICROSECOND if start is None else _from(zone, day, start)
    )
    last = first_instant(zone, datetime.combine(day, end).replace(microsecond=0)) + SECOND - MICROSECOND
    for nominal in trigger.between(after, last, most):
        outcome = outcome_of(trigger, rule, nominal)
        if outcome.what == MOVED:
            yield outcome


def _from(zone: ZoneInfo, day: date, start: time) -> datetime:
    """After this instant the clock shows later readings than `start`; one that is skipped counts as not shown yet."""
    wall = datetime.combine(day, start)
    shown = instants_at(zone, wall)
    return shown[0] if shown else gap_end(zone, wall) - MICROSECOND


def next_moment(trigger: Trigger, rule: Rule, after: datetime) -> datetime | None:
    """When the schedule is to be looked at next: its next nominal instant, or the moment one is moved before to."""
    nominal = trigger.next_after(after)
    if nominal is None or rule.days is None or rule.policy != CalendarPolicy.RUN_BEFORE:
        return nominal
    zone, calendar = ZoneInfo(rule.days.timezone), rule.days
    day = wall_at(zone, nominal).date()
    target = day if calendar.is_working_day(day) else calendar.previous_working_day(day, LONGEST_MOVE)
    low = highest_wall(zone, after)
    if target is None or target < low.date():
        return nominal
    start = low.time() if target == low.date() else None
    moments = [nominal]
    for closed in block_after(calendar, target):
        for outcome in _moved_from(trigger, rule, closed, (start, time.max), most=70):
            if outcome.at is not None and outcome.at > after:
                moments.append(outcome.at)
                break
    return min(moments)


def next_start(trigger: Trigger, rule: Rule, after: datetime) -> datetime | None:
    """When a run will really start: the first open fire time, or an earlier moment to which a closed one is moved.

    None: everything within FORESIGHT is closed, or the trigger has ended.
    """
    if rule.is_empty:
        return trigger.next_after(after)
    horizon = after + FORESIGHT
    opened = OpenTrigger(trigger, rule, horizon).next_after(after)
    found = [] if opened is None else [opened]
    if rule.days is not None and rule.policy != CalendarPolicy.SKIP:
        until = opened or horizon
        moved = [each for each in outlook(trigger, rule, after, until, MOST_FORESEEN) if each.what == MOVED]
        moved += moved_before(trigger, rule, after, until, 1)
        found += [each.at for each in moved if each.at is not None and each.at > after]
    return min(found, default=None)


def outlook(trigger: Trigger, rule: Rule, after: datetime, until: datetime, most: int) -> list[Outcome]:
    """What becomes of the nominal instants in (after, until], in their order, at most `most`."""
    return [outcome_of(trigger, rule, nominal) for nominal in trigger.between(after, until, most)]
