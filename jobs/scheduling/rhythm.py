"""What a cron rule means to a person, before any language: times or a rhythm, and on which days. PURE."""

from dataclasses import dataclass
from itertools import pairwise

from jobs.scheduling.cron import DAY, MONTH, WEEKDAY, YEAR, CronRule, Shape

MOST_CLOCKS = 6


@dataclass(frozen=True, kw_only=True)
class Series:
    """Numbers of one field. `step` is set when they run evenly: 3 in a row, or 4 further apart."""

    values: tuple[int, ...]
    step: int | None
    is_whole: bool  # the rhythm goes on over the border: 0, 15, 30, 45 of 60

    @property
    def first(self) -> int:
        return self.values[0]

    @property
    def last(self) -> int:
        return self.values[-1]

    @property
    def is_all(self) -> bool:
        return self.is_whole and self.step == 1


@dataclass(frozen=True, kw_only=True)
class Times:
    """When within a day. Either a few `clocks`, or a rhythm of the three fields."""

    clocks: tuple[str, ...]
    seconds: Series
    minutes: Series
    hours: Series
    window: tuple[str, str] | None  # first and last time, when the hours are one stretch but not the whole day


@dataclass(frozen=True, kw_only=True)
class Days:
    """On which days. Empty and False mean no limit."""

    numbers: Series | None
    is_last: bool
    is_last_weekday: bool
    weekdays: tuple[int, ...]  # Monday first: 1 to 7
    nth: tuple[tuple[int, int], ...]  # (weekday 1 to 7, n)
    last_of: tuple[int, ...]  # weekdays 1 to 7
    is_both: bool  # number and weekday must hold together; else either is enough
    months: Series | None
    years: Series | None

    @property
    def has_number(self) -> bool:
        return self.numbers is not None or self.is_last or self.is_last_weekday

    @property
    def has_weekday(self) -> bool:
        return bool(self.weekdays or self.nth or self.last_of)


def series(values: tuple[int, ...], low: int, high: int) -> Series:
    steps = {after - before for before, after in pairwise(values)}
    step = steps.pop() if len(steps) == 1 else None
    size = high - low + 1
    is_whole = step is not None and values[0] == low and size % step == 0 and len(values) == size // step
    if not is_whole and (step is None or len(values) < (3 if step == 1 else 4)):
        step = None
    return Series(values=values, step=step, is_whole=is_whole)


def times_of(rule: CronRule) -> Times:
    seconds, minutes, hours = (
        series(rule.seconds, 0, 59),
        series(rule.minutes, 0, 59),
        series(rule.hours, 0, 23),
    )
    return Times(clocks=_clocks(rule, hours), seconds=seconds, minutes=minutes, hours=hours, window=_window(rule))


def _clocks(rule: CronRule, hours: Series) -> tuple[str, ...]:
    count = len(rule.seconds) * len(rule.minutes) * len(rule.hours)
    is_one_an_hour = count == len(rule.hours)
    if count > (MOST_CLOCKS if is_one_an_hour else 4) or (hours.is_whole and len(rule.hours) > 3):
        return ()
    return tuple(clock(h, m, s) for h in rule.hours for m in rule.minutes for s in rule.seconds)


def clock(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def _window(rule: CronRule) -> tuple[str, str] | None:
    hours = rule.hours
    if len(hours) == 24 or hours[-1] - hours[0] != len(hours) - 1:
        return None
    first = clock(hours[0], rule.minutes[0], rule.seconds[0])
    return first, clock(hours[-1], rule.minutes[-1], rule.seconds[-1])


def days_of(rule: CronRule) -> Days:
    is_any_number = len(rule.days) == 31
    is_any_weekday = len(rule.weekdays) == 7
    if not rule.is_day_and and (is_any_number or is_any_weekday):
        is_any_number = is_any_weekday = True  # either is enough, and one always holds
    numbers = tuple(sorted(rule.days))
    weekday_terms = () if is_any_weekday else rule.terms[WEEKDAY.name]
    return Days(
        numbers=None if is_any_number or not numbers else series(numbers, 1, 31),
        is_last=not is_any_number and rule.has_shape(DAY, Shape.LAST),
        is_last_weekday=not is_any_number and rule.has_shape(DAY, Shape.LAST_WEEKDAY),
        weekdays=() if is_any_weekday else tuple(sorted(day or 7 for day in rule.weekdays)),
        nth=tuple((term.low or 7, term.step) for term in weekday_terms if term.shape is Shape.NTH),
        last_of=tuple(term.low or 7 for term in weekday_terms if term.shape is Shape.LAST_OF),
        is_both=rule.is_day_and,
        months=None if len(rule.months) == 12 else series(rule.months, MONTH.low, MONTH.high),
        years=None if rule.years is None else series(rule.years, YEAR.low, YEAR.high),
    )
