"""Which days are worked, and which times are closed: calendars, blackout windows, freezes. PURE.

A calendar speaks about the days of one place. A day that is named in it is what its mark says (a holiday, or a
make-up day that is worked although it is a weekend); every other day goes by its weekday. A blackout window and a
freeze are stretches of time, [start, end), whatever day it is.
"""

from __future__ import annotations

import calendar as months
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from jobs.scheduling.zones import first_instant, wall_at

DAY = timedelta(days=1)
MONDAY_TO_FRIDAY = frozenset({1, 2, 3, 4, 5})
LONGEST_SEARCH = 400  # days without a working day after which a calendar is taken to have none
HOLIDAY, WEEKEND, BLACKOUT, FROZEN = "holiday", "weekend", "blackout", "frozen"
DAY_KINDS = frozenset({HOLIDAY, WEEKEND})


@dataclass(frozen=True)
class DayMark:
    """What a calendar says of one date."""

    is_working: bool
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Closure:
    """Why a time is closed: `name` is the day's, the window's or the freeze's. It ends before `end`; None: open end."""

    kind: str
    name: str
    end: datetime | None
    source_id: int = 0  # of the freeze or the window
    source: str = ""  # the calendar's name
    note: str = ""  # the freeze's reason


@dataclass(frozen=True, kw_only=True)
class Window:
    """A blackout: once, from `starts_at` to `ends_at`; or weekly, `start` to `end` on the wall of `timezone`.

    A weekly window whose `end` is not after its `start` ends on the next day; it is counted to the day it begins on.
    """

    name: str
    id: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekdays: frozenset[int] = frozenset()
    start: time = time(0)
    end: time = time(0)
    timezone: str = "UTC"

    def span_at(self, instant: datetime) -> tuple[datetime, datetime] | None:
        """The occurrence the instant lies in."""
        if self.starts_at is not None and self.ends_at is not None:
            return (self.starts_at, self.ends_at) if self.starts_at <= instant < self.ends_at else None
        today = wall_at(ZoneInfo(self.timezone), instant).date()
        for day in (today, today - DAY):
            if day.isoweekday() in self.weekdays:
                start, end = self._on(day)
                if start <= instant < end:
                    return start, end
        return None

    def edges(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Where it begins and ends, in (after, until)."""
        for edge in self._all_edges(after, until):
            if after < edge < until:
                yield edge

    def _all_edges(self, after: datetime, until: datetime) -> Iterator[datetime]:
        if self.starts_at is not None and self.ends_at is not None:
            yield from (self.starts_at, self.ends_at)
            return
        zone = ZoneInfo(self.timezone)
        day, last = wall_at(zone, after).date() - DAY, wall_at(zone, until).date()
        while day <= last:
            if day.isoweekday() in self.weekdays:
                yield from self._on(day)
            day += DAY

    def _on(self, day: date) -> tuple[datetime, datetime]:
        zone = ZoneInfo(self.timezone)
        last = day if self.end > self.start else day + DAY
        return (
            first_instant(zone, datetime.combine(day, self.start)),
            first_instant(zone, datetime.combine(last, self.end)),
        )


@dataclass(frozen=True, kw_only=True)
class FreezeSpan:
    """A change freeze in force from `starts_at` until before `ends_at` (None: until somebody ends it).

    `tenant_id` None is every tenant. Jobs in `exempt` go on. `catches_up`: the newest frozen fire time of each
    schedule runs when it is over.
    """

    id: int
    name: str
    reason: str
    starts_at: datetime
    ends_at: datetime | None
    tenant_id: int | None = None
    catches_up: bool = False
    exempt: frozenset[int] = frozenset()

    def covers(self, instant: datetime) -> bool:
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)

    def concerns(self, tenant_id: int, job_id: int) -> bool:
        return self.tenant_id in (None, tenant_id) and job_id not in self.exempt

    def closure(self) -> Closure:
        return Closure(kind=FROZEN, name=self.name, end=self.ends_at, source_id=self.id, note=self.reason)


def frozen_by(freezes: tuple[FreezeSpan, ...], instant: datetime) -> FreezeSpan | None:
    """The freeze in force at the instant; of several the one that lasts longest."""
    return longest(tuple(freeze for freeze in freezes if freeze.covers(instant)))


def longest(freezes: tuple[FreezeSpan, ...]) -> FreezeSpan | None:
    """The one that ends last: only after it is anything free again."""
    return max(freezes, key=lambda freeze: (freeze.ends_at is None, freeze.ends_at or freeze.starts_at), default=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkCalendar:
    """The working days of a place, and the windows in which nothing that follows it may fire."""

    name: str = ""
    timezone: str = "UTC"
    weekdays: frozenset[int] = MONDAY_TO_FRIDAY
    days: Mapping[date, DayMark] = field(default_factory=dict)
    windows: tuple[Window, ...] = ()
    _months: dict[tuple[int, int], tuple[date, ...]] = field(default_factory=dict, repr=False)

    def is_working_day(self, day: date) -> bool:
        mark = self.days.get(day)
        return mark.is_working if mark is not None else day.isoweekday() in self.weekdays

    def working_days(self, year: int, month: int) -> tuple[date, ...]:
        """The working days of a month, in order; worked out once."""
        key = (year, month)
        if key not in self._months:
            length = months.monthrange(year, month)[1]
            found = (date(year, month, number) for number in range(1, length + 1))
            self._months[key] = tuple(day for day in found if self.is_working_day(day))
        return self._months[key]

    def nth_working_day(self, year: int, month: int, n: int) -> date | None:
        """The n-th working day of the month; -1 is the last. None when the month has fewer."""
        found = self.working_days(year, month)
        place = n - 1 if n > 0 else len(found) + n
        return found[place] if n and 0 <= place < len(found) else None

    def next_working_day(self, day: date, most: int = LONGEST_SEARCH) -> date | None:
        """The first working day after `day`, at most `most` days on."""
        return self._search(day, DAY, most)

    def previous_working_day(self, day: date, most: int = LONGEST_SEARCH) -> date | None:
        """The last working day before `day`, at most `most` days back."""
        return self._search(day, -DAY, most)

    def _search(self, day: date, step: timedelta, most: int) -> date | None:
        for _step in range(most):
            try:
                day += step
            except OverflowError:
                return None
            if self.is_working_day(day):
                return day
        return None

    def date_of(self, instant: datetime) -> date:
        return wall_at(ZoneInfo(self.timezone), instant).date()

    def day_closure(self, instant: datetime) -> Closure | None:
        """The holiday or weekend the instant lies in, until the end of that one day."""
        zone = ZoneInfo(self.timezone)
        day = wall_at(zone, instant).date()
        if self.is_working_day(day):
            return None
        mark = self.days.get(day)
        end = first_instant(zone, datetime.combine(day + DAY, time(0)))
        kind = WEEKEND if mark is None else HOLIDAY
        return Closure(kind=kind, name=mark.name if mark else "", end=end, source=self.name)

    def is_allowed(self, instant: datetime) -> bool:
        """Whether something that follows this calendar may fire at the instant."""
        return self.day_closure(instant) is None and window_at(self.windows, instant) is None

    def next_allowed(self, instant: datetime) -> datetime | None:
        """The first allowed instant at or after this one; None when there is none for more than a year."""
        last = instant + LONGEST_SEARCH * DAY
        while instant <= last:
            closure = self.day_closure(instant) or window_at(self.windows, instant)
            if closure is None or closure.end is None:
                return instant if closure is None else None
            instant = closure.end
        return None

    def day_edges(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The midnights in (after, until) at which one kind of day ends and another begins."""
        zone = ZoneInfo(self.timezone)
        day, last = wall_at(zone, after).date(), wall_at(zone, until).date()
        while day < last:
            day += DAY
            if self._kind(day) != self._kind(day - DAY):
                edge = first_instant(zone, datetime.combine(day, time(0)))
                if after < edge < until:
                    yield edge

    def _kind(self, day: date) -> tuple[bool, DayMark | None]:
        return (True, None) if self.is_working_day(day) else (False, self.days.get(day))


PLAIN_WEEK = WorkCalendar()


def window_at(windows: tuple[Window, ...], instant: datetime) -> Closure | None:
    """The blackout the instant lies in; of several the one that ends last."""
    found: Closure | None = None
    for window in windows:
        span = window.span_at(instant)
        if span is not None and (found is None or found.end is None or span[1] > found.end):
            found = Closure(kind=BLACKOUT, name=window.name, end=span[1], source_id=window.id)
    return found
