"""The readings of a wall clock that a cron rule matches: the next one, and how many between two. PURE.

A wall is a naive datetime with whole seconds. No zone is known here.
"""

import calendar
from bisect import bisect_left, bisect_right
from datetime import MAXYEAR, date, datetime, timedelta
from functools import lru_cache

from jobs.scheduling.cron import CronRule, Shape

# The calendar repeats the hardest rule (29 February on a given weekday) after at most 40 years:
# what does not match within 50 years never does.
HORIZON_YEARS = 50

Clock = tuple[int, int, int]


@lru_cache(maxsize=16_384)
def month_days(rule: CronRule, year: int, month: int) -> tuple[int, ...]:
    """The days of the month on which the rule fires, in order."""
    first_weekday, length = calendar.monthrange(year, month)
    by_day = _days_by_number(rule, length, first_weekday)
    by_weekday = {day for day in range(1, length + 1) if _is_weekday_match(rule, day, length, first_weekday)}
    return tuple(sorted(by_day & by_weekday if rule.is_day_and else by_day | by_weekday))


def _days_by_number(rule: CronRule, length: int, first_weekday: int) -> set[int]:
    days = {day for day in rule.days if day <= length}
    for term in rule.terms["day"]:
        if term.shape is Shape.LAST:
            days.add(length)
        elif term.shape is Shape.LAST_WEEKDAY:
            weekday = (first_weekday + length - 1) % 7  # 0 is Monday here
            days.add(length - max(0, weekday - 4))
    return days


def _is_weekday_match(rule: CronRule, day: int, length: int, first_weekday: int) -> bool:
    weekday = (first_weekday + day) % 7  # 0 is Sunday, as in the rule
    if weekday in rule.weekdays:
        return True
    for term in rule.terms["weekday"]:
        if term.low != weekday:
            continue
        if term.shape is Shape.LAST_OF and day + 7 > length:
            return True
        if term.shape is Shape.NTH and (day + 6) // 7 == term.step:
            return True
    return False


def next_wall(rule: CronRule, wall: datetime) -> datetime | None:
    """The first matching wall strictly after `wall`; None when there is none within 50 years."""
    if wall.year >= MAXYEAR:
        return None
    wall = wall.replace(microsecond=0) + timedelta(seconds=1)
    if is_match_day(rule, wall.year, wall.month, wall.day):
        clock = _next_clock(rule, (wall.hour, wall.minute, wall.second))
        if clock is not None:
            return wall.replace(hour=clock[0], minute=clock[1], second=clock[2])
    day = next_day(rule, wall.date())
    if day is None:
        return None
    return datetime(day.year, day.month, day.day, rule.hours[0], rule.minutes[0], rule.seconds[0])  # noqa: DTZ001


def is_match_day(rule: CronRule, year: int, month: int, day: int) -> bool:
    if month not in rule.months or (rule.years is not None and year not in rule.years):
        return False
    return day in month_days(rule, year, month)


def next_day(rule: CronRule, after: date) -> date | None:
    """The first matching day strictly after `after`, within the horizon."""
    for year in _years_from(rule, after.year):
        for month in rule.months:
            if (year, month) < (after.year, after.month):
                continue
            days = month_days(rule, year, month)
            first = bisect_right(days, after.day) if (year, month) == (after.year, after.month) else 0
            if first < len(days):
                return date(year, month, days[first])
    return None


def _years_from(rule: CronRule, year: int) -> range | tuple[int, ...]:
    last = min(year + HORIZON_YEARS, MAXYEAR - 1)
    if rule.years is None:
        return range(year, last + 1)
    return rule.years[bisect_left(rule.years, year) : bisect_right(rule.years, last)]


def _next_clock(rule: CronRule, clock: Clock) -> Clock | None:
    """The first matching time of day at or after `clock`."""
    hour, minute, second = clock
    at_hour = bisect_left(rule.hours, hour)
    if at_hour < len(rule.hours) and rule.hours[at_hour] == hour:
        at_minute = bisect_left(rule.minutes, minute)
        if at_minute < len(rule.minutes) and rule.minutes[at_minute] == minute:
            at_second = bisect_left(rule.seconds, second)
            if at_second < len(rule.seconds):
                return hour, minute, rule.seconds[at_second]
            at_minute += 1
        if at_minute < len(rule.minutes):
            return hour, rule.minutes[at_minute], rule.seconds[0]
        at_hour += 1
    if at_hour < len(rule.hours):
        return rule.hours[at_hour], rule.minutes[0], rule.seconds[0]
    return None


def count_walls(rule: CronRule, after: datetime, until: datetime) -> int:
    """How many walls in (after, until] match, without listing them."""
    if until <= after:
        return 0
    per_day = len(rule.hours) * len(rule.minutes) * len(rule.seconds)
    days = _count_days(rule, after.date(), until.date())  # those in [after's day, until's day)
    return days * per_day + _count_until(rule, until) - _count_until(rule, after)


def _count_days(rule: CronRule, start: date, end: date) -> int:
    total = 0
    for year in range(start.year, end.year + 1):
        if rule.years is not None and year not in rule.years:
            continue
        for month in rule.months:
            days = month_days(rule, year, month)
            low = bisect_left(days, _bound(start, year, month))
            high = bisect_left(days, _bound(end, year, month))
            total += max(0, high - low)
    return total


def _bound(day: date, year: int, month: int) -> int:
    """Where `day` cuts a month: before its first day, at a day, or after its last."""
    if (year, month) == (day.year, day.month):
        return day.day
    return 0 if (year, month) > (day.year, day.month) else 99


def _count_until(rule: CronRule, wall: datetime) -> int:
    """Matching times on the wall's own day, up to and including it."""
    if not is_match_day(rule, wall.year, wall.month, wall.day):
        return 0
    hours = bisect_left(rule.hours, wall.hour)
    count = hours * len(rule.minutes) * len(rule.seconds)
    if hours < len(rule.hours) and rule.hours[hours] == wall.hour:
        minutes = bisect_left(rule.minutes, wall.minute)
        count += minutes * len(rule.seconds)
        if minutes < len(rule.minutes) and rule.minutes[minutes] == wall.minute:
            count += bisect_right(rule.seconds, wall.second)
    return count
