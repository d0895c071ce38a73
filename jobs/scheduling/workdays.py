"""The trigger of working days: "1 09:00" is 9 o'clock on the month's first working day, "-1 18:00" on its last. PURE.

An expression is days and times of day, each a list with commas: "1,15 09:00", "-1 12:00,18:00". The days are 1 to 31
from the month's first working day, -1 to -31 from its last, L for the last, or * for every working day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from jobs.scheduling.calendars import PLAIN_WEEK, WorkCalendar
from jobs.scheduling.cron import LAST_YEAR, TriggerError
from jobs.scheduling.zones import first_instant, highest_wall

WORKDAY = "workday"
MOST_WORKING_DAYS = 31  # where every day is worked
MOST_MONTHS = 60  # without a fire time: then there is none
MOST_TIMES = 48
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DAY = re.compile(r"-?\d{1,2}")


@dataclass(frozen=True)
class WorkdayTrigger:
    """Times of day on some of a month's working days; a time that the clocks skip comes at the first instant after."""

    days: tuple[int, ...]  # empty: every working day
    times: tuple[time, ...]
    timezone: str
    calendar: WorkCalendar = PLAIN_WEEK

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire time strictly after the instant."""
        zone = ZoneInfo(self.timezone)
        wall = highest_wall(zone, instant.astimezone(UTC))
        year, month = wall.year, wall.month
        for _month in range(MOST_MONTHS):
            if year > LAST_YEAR:
                return None
            for day in self.dates(year, month):
                if day >= wall.date():
                    for clock in self.times:
                        if datetime.combine(day, clock) > wall:
                            return first_instant(zone, datetime.combine(day, clock))
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        return None

    def between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The fire times in (after, until], oldest first, at most `limit`."""
        found: list[datetime] = []
        instant = self.next_after(after)
        while instant is not None and instant <= until and len(found) < limit:
            found.append(instant)
            instant = self.next_after(instant)
        return found

    def count(self, after: datetime, until: datetime) -> int:
        """How many fire times lie in (after, until]: at most some dozens a month, so they are counted one by one."""
        total, instant = 0, self.next_after(after)
        while instant is not None and instant <= until:
            total, instant = total + 1, self.next_after(instant)
        return total

    def dates(self, year: int, month: int) -> tuple[date, ...]:
        """The days of the month on which it fires, in order."""
        if not self.days:
            return self.calendar.working_days(year, month)
        found = {self.calendar.nth_working_day(year, month, n) for n in self.days}
        return tuple(sorted(day for day in found if day is not None))


def parse_workday(expression: str, timezone: str, calendar: WorkCalendar | None) -> WorkdayTrigger:
    """The trigger of an expression such as "1,-1 09:00"; without a calendar Monday to Friday are worked."""
    parts = expression.replace(", ", ",").split()
    if len(parts) != 2:
        raise _misread(expression)
    days = () if parts[0] == "*" else tuple(sorted({_number(text, expression) for text in parts[0].split(",")}))
    times = tuple(sorted({_clock(text, expression) for text in parts[1].split(",")}))
    if len(times) > MOST_TIMES:
        raise TriggerError(_("Write at most %(n)d times of day.") % {"n": MOST_TIMES})
    return WorkdayTrigger(days, times, timezone, calendar or PLAIN_WEEK)


def _number(text: str, expression: str) -> int:
    if text.upper() == "L":
        return -1
    if not _DAY.fullmatch(text):
        raise _misread(expression)
    number = int(text)
    if not 1 <= abs(number) <= MOST_WORKING_DAYS:
        words = _(
            "“%(text)s” is no working day of a month: use 1 to 31 from its first day, or -1 to -31 from its last."
        )
        raise TriggerError(words % {"text": text})
    return number


def _clock(text: str, expression: str) -> time:
    found = _TIME.fullmatch(text)
    if found is None:
        raise _misread(expression)
    hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return time(hour, minute, second)
    except ValueError:
        raise TriggerError(_("“%(text)s” is no time of day: write it as 09:30.") % {"text": text}) from None


def _misread(expression: str) -> TriggerError:
    words = _(
        "“%(text)s” was not understood: write working days and times, such as “1 09:00” (first working day of the "
        "month), “-1 18:00” (last), “1,15 09:00” or “* 09:00” (every working day)."
    )
    return TriggerError(words % {"text": expression.strip()[:40]})
