"""Triggers in English. PURE."""

from collections.abc import Callable, Iterable
from datetime import datetime

from jobs.scheduling.rhythm import Days, Series, Times

WEEKDAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
ORDINALS = ("", "first", "second", "third", "fourth", "fifth")
UNITS = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}


def cron(times: Times, days: Days) -> str:
    if times.clocks:
        day = _days(days) or ("every day" + _in_months(days))
        text = f"{day} at {_and(times.clocks)}"
    else:
        day = _days(days) or _in_months(days).strip()
        text = ", ".join(part for part in (_rhythm(times), day) if part)
    if days.years:
        text += f", in {_series(days.years, str)}"
    return text[0].upper() + text[1:]


def interval(parts: list[tuple[int, str]]) -> str:
    if len(parts) == 1:
        return "E" + _every(parts[0][0], UNITS[parts[0][1]])[1:]
    return "Every " + " ".join(f"{count} {UNITS[unit]}{'s' * (count != 1)}" for count, unit in parts)


def once(wall: datetime) -> str:
    return f"Once, on {wall.day} {MONTHS[wall.month]} {wall.year} at {_time(wall)}"


def workday(days: tuple[int, ...], clocks: list[str]) -> str:
    """ "On the first and the last working day of the month at 09:00"."""
    if not days:
        return f"Every working day at {_and(clocks)}"
    first = [f"the {_nth_word(n)}" for n in days if n > 0]
    last = ["the last" if n == -1 else f"the {_nth_word(-n)} to last" for n in sorted(days) if n < 0]
    return f"On {_and([*first, *last])} working day of the month at {_and(clocks)}"


def _nth_word(n: int) -> str:
    return ORDINALS[n] if n < len(ORDINALS) else _nth(n)


def _time(wall: datetime) -> str:
    return wall.strftime("%H:%M:%S" if wall.second else "%H:%M")


def _rhythm(times: Times) -> str:
    text, is_hour_said = _beat(times)
    if is_hour_said or times.hours.is_all:
        return text
    if times.window:
        return f"{text}, from {times.window[0]} to {times.window[1]}"
    if times.hours.is_whole and times.hours.step:
        return f"{text} in every {_nth(times.hours.step)} hour from 00:00"
    return f"{text} in the hours {_and(f'{hour:02}' for hour in times.hours.values)}"


def _beat(times: Times) -> tuple[str, bool]:
    """The rhythm within the hours, and whether the hours are in it already."""
    if times.seconds.step:
        return _beat_of_seconds(times.seconds, times.minutes), False
    suffix = "" if times.seconds.values == (0,) else f", at {_numbers('second', times.seconds)}"
    minutes = times.minutes
    if minutes.step:
        text = _every(minutes.step, "minute")
        if not minutes.is_whole:
            text += f" from minute {minutes.first} to {minutes.last} of every hour"
        return text + suffix, False
    is_hour_said = times.hours.is_whole
    text = _every(times.hours.step or 1 if is_hour_said else 1, "hour")
    if minutes.values != (0,):
        text += f" at {_numbers('minute', minutes)}"
    return text + suffix, is_hour_said


def _beat_of_seconds(seconds: Series, minutes: Series) -> str:
    text = _every(seconds.step or 1, "second")
    if not seconds.is_whole:
        text += f" from second {seconds.first} to {seconds.last}"
    if minutes.is_all:
        return text if seconds.is_whole else f"{text} of every minute"
    if minutes.is_whole and minutes.step:
        return f"{text} in every {_nth(minutes.step)} minute"
    return f"{text} in {_numbers('minute', minutes)} of every hour"


def _days(days: Days) -> str:
    """On which days, months included; empty when every day will do."""
    of = f"of {_months(days)}" if days.months else "of every month"
    number, weekday = _number(days, of), _weekday(days, of)
    if number and weekday:
        return f"{number} if it is {_and(_weekday_names(days), 'or')}" if days.is_both else f"{number}, and {weekday}"
    return number or weekday


def _number(days: Days, of: str) -> str:
    if days.months and days.numbers and _is_one_date(days):
        return f"on {days.numbers.first} {_months(days)}"
    parts = []
    if days.numbers:
        parts.append(_day_numbers(days.numbers))
    if days.is_last:
        parts.append("the last day")
    if days.is_last_weekday:
        parts.append("the last weekday (Monday to Friday)")
    return f"on {_and(parts)} {of}" if parts else ""


def _is_one_date(days: Days) -> bool:
    is_one = all(part and len(part.values) == 1 for part in (days.months, days.numbers))
    return is_one and not days.is_last and not days.is_last_weekday


def _day_numbers(numbers: Series) -> str:
    if numbers.step and numbers.step > 1:
        return f"every {_nth(numbers.step)} day from day {numbers.first} to {numbers.last}"
    return _numbers("day", numbers)


def _weekday(days: Days, of: str) -> str:
    parts = []
    if days.weekdays:
        parts.append(_plain_weekdays(days.weekdays) + _in_months(days))
    special = [f"the {ORDINALS[n]} {WEEKDAYS[day]}" for day, n in days.nth]
    special += [f"the last {WEEKDAYS[day]}" for day in days.last_of]
    if special:
        parts.append(f"on {_and(special)} {of}")
    return ", and ".join(parts)


def _plain_weekdays(weekdays: tuple[int, ...]) -> str:
    if len(weekdays) > 2 and weekdays[-1] - weekdays[0] == len(weekdays) - 1:
        return f"every {WEEKDAYS[weekdays[0]]} to {WEEKDAYS[weekdays[-1]]}"
    return f"every {_and(WEEKDAYS[day] for day in weekdays)}"


def _weekday_names(days: Days) -> list[str]:
    names = [f"a {WEEKDAYS[day]}" for day in days.weekdays]
    names += [f"the {ORDINALS[n]} {WEEKDAYS[day]} of the month" for day, n in days.nth]
    return names + [f"the last {WEEKDAYS[day]} of the month" for day in days.last_of]


def _in_months(days: Days) -> str:
    return f" in {_months(days)}" if days.months else ""


def _months(days: Days) -> str:
    return _series(days.months, lambda month: MONTHS[month]) if days.months else ""


def _numbers(noun: str, numbers: Series) -> str:
    plural = "s" if len(numbers.values) > 1 else ""
    return f"{noun}{plural} {_series(numbers, str)}"


def _series(numbers: Series, name: Callable[[int], str]) -> str:
    if numbers.step == 1:
        return f"{name(numbers.first)} to {name(numbers.last)}"
    return _and(name(number) for number in numbers.values)


def _every(count: int, unit: str) -> str:
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def _nth(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}" + {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _and(parts: Iterable[str], word: str = "and") -> str:
    *head, last = parts
    return f"{', '.join(head)} {word} {last}" if head else last
