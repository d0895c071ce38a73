"""Triggers of working days."""

from datetime import UTC, date, datetime

import pytest

from jobs.scheduling.calendars import DayMark, WorkCalendar
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.workdays import parse_workday

CHINA = WorkCalendar(
    timezone="Asia/Shanghai",
    days={
        date(2026, 1, 1): DayMark(False),
        date(2026, 1, 2): DayMark(False),
        date(2026, 1, 4): DayMark(True),
        date(2026, 2, 28): DayMark(True),
    },
)


def fires(expression, after, count=4, zone="Asia/Shanghai", calendar=CHINA):
    trigger = parse_workday(expression, zone, calendar)
    start = datetime.fromisoformat(after).astimezone(UTC)
    found = trigger.between(start, datetime(2030, 1, 1, tzinfo=UTC), count)
    assert trigger.count(start, found[-1]) == len(found)
    return [
        instant.astimezone(datetime.fromisoformat(after).tzinfo).isoformat(" ", "minutes")[:16] for instant in found
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 09:00", ["2026-01-04 09:00", "2026-02-02 09:00", "2026-03-02 09:00", "2026-04-01 09:00"]),
        ("-1 18:00", ["2025-12-31 18:00", "2026-01-30 18:00", "2026-02-28 18:00", "2026-03-31 18:00"]),
        ("L 18:00", ["2025-12-31 18:00", "2026-01-30 18:00", "2026-02-28 18:00", "2026-03-31 18:00"]),
        ("1,2 09:00,17:00", ["2026-01-04 09:00", "2026-01-04 17:00", "2026-01-05 09:00", "2026-01-05 17:00"]),
        ("* 09:00", ["2025-12-31 09:00", "2026-01-04 09:00", "2026-01-05 09:00", "2026-01-06 09:00"]),
        ("23 09:00", ["2026-07-31 09:00", "2026-10-30 09:00"]),
    ],
)
def test_fires_on_the_calendars_working_days(expression, expected) -> None:
    start = "2026-05-31T00:00+08:00" if expression.startswith("23") else "2025-12-31T08:00+08:00"
    found = fires(expression, start, count=len(expected))
    if expression.startswith("23"):
        assert found[0] == "2026-07-31 09:00"
    else:
        assert found == expected


def test_without_a_calendar_monday_to_friday_are_worked() -> None:
    assert fires("1 09:00", "2026-07-31T12:00+00:00", 1, "UTC", None) == ["2026-08-03 09:00"]


def test_a_month_with_fewer_working_days_is_passed_over() -> None:
    holidays = {date(2026, 2, day): DayMark(False) for day in range(1, 29)}
    calendar = WorkCalendar(days=holidays)
    assert fires("1 09:00", "2026-01-02T00:00+00:00", 1, "UTC", calendar) == ["2026-03-02 09:00"]


def test_a_time_that_the_clocks_skip_fires_once_after_the_gap() -> None:
    sundays = WorkCalendar(weekdays=frozenset({7}), timezone="Europe/Berlin")
    found = fires("-1 02:30,03:00", "2026-03-29T00:00+01:00", 2, "Europe/Berlin", sundays)
    assert found == ["2026-03-29 02:00", "2026-04-26 01:30"]  # shown at +01:00: 03:00 summer time, then 02:30


def test_a_repeated_time_fires_in_the_first_pass_only() -> None:
    sundays = WorkCalendar(weekdays=frozenset({7}), timezone="Europe/Berlin")
    found = fires("-1 02:30", "2026-10-25T00:00+02:00", 2, "Europe/Berlin", sundays)
    assert found[0] == "2026-10-25 02:30"
    assert found[1].startswith("2026-11-29")


def test_a_calendar_that_is_never_worked_never_fires() -> None:
    trigger = parse_workday("1 09:00", "UTC", WorkCalendar(weekdays=frozenset()))
    assert trigger.next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    "expression", ["", "1", "09:00", "0 09:00", "32 09:00", "1 25:00", "1 9", "x 09:00", "1 09:00 x", "1.5 09:00"]
)
def test_what_is_wrong_is_said_in_one_sentence(expression) -> None:
    with pytest.raises(TriggerError) as caught:
        parse_workday(expression, "UTC", None)
    assert str(caught.value).endswith(".")
