"""Which days are worked: make-up days, clock changes, time zones, year ends."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.scheduling.calendars import BLACKOUT, HOLIDAY, WEEKEND, DayMark, Window, WorkCalendar, window_at

REST, WORK = DayMark(False, "Rest"), DayMark(True, "Make-up")
SPRING = {date(2026, 2, 15) + timedelta(days=n): DayMark(False, "Spring Festival") for n in range(9)}
CHINA = WorkCalendar(
    name="cn",
    timezone="Asia/Shanghai",
    days={**SPRING, date(2026, 2, 14): WORK, date(2026, 2, 28): WORK, date(2026, 1, 1): REST},
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2026-02-13", True),
        ("2026-02-14", True),  # a Saturday made up
        ("2026-02-15", False),
        ("2026-02-23", False),  # a Monday, the last day of the festival
        ("2026-02-24", True),
        ("2026-02-28", True),
        ("2026-03-01", False),  # an ordinary Sunday
        ("2026-01-01", False),
        ("2025-12-31", True),
    ],
)
def test_a_named_day_is_what_it_is_named_and_others_go_by_their_weekday(day, worked) -> None:
    assert CHINA.is_working_day(date.fromisoformat(day)) is worked


@pytest.mark.parametrize(
    ("day", "following", "before"),
    [
        ("2026-02-14", "2026-02-24", "2026-02-13"),
        ("2026-02-20", "2026-02-24", "2026-02-14"),
        ("2025-12-31", "2026-01-02", "2025-12-30"),
        ("2026-01-01", "2026-01-02", "2025-12-31"),
    ],
)
def test_next_and_previous_working_day(day, following, before) -> None:
    assert CHINA.next_working_day(date.fromisoformat(day)) == date.fromisoformat(following)
    assert CHINA.previous_working_day(date.fromisoformat(day)) == date.fromisoformat(before)


@pytest.mark.parametrize(
    ("month", "n", "day"),
    [
        ((2026, 1), 1, "2026-01-02"),
        ((2026, 2), -1, "2026-02-28"),  # the last working day of February is a Saturday
        ((2026, 2), 11, "2026-02-14"),
        ((2026, 2), 12, "2026-02-24"),
        ((2026, 2), 99, None),
        ((2026, 2), 0, None),
        ((2025, 12), -1, "2025-12-31"),
    ],
)
def test_the_nth_working_day_of_a_month(month, n, day) -> None:
    assert CHINA.nth_working_day(month[0], month[1], n) == (date.fromisoformat(day) if day else None)


def test_a_calendar_without_working_days_says_so() -> None:
    never = WorkCalendar(weekdays=frozenset())
    assert never.next_working_day(date(2026, 1, 1)) is None
    assert never.next_allowed(at("2026-01-01T00:00+00:00")) is None
    assert never.working_days(2026, 1) == ()


def test_the_end_of_time_is_no_crash() -> None:
    assert WorkCalendar(weekdays=frozenset()).next_working_day(date(9999, 12, 30)) is None


@pytest.mark.parametrize(
    ("instant", "kind"),
    [
        ("2026-02-13T23:59:59+08:00", None),
        ("2026-02-15T00:00:00+08:00", HOLIDAY),
        ("2026-02-14T16:00:00+00:00", HOLIDAY),  # the same instant, as London has it
        ("2026-02-23T23:59:59+08:00", HOLIDAY),
        ("2026-02-24T00:00:00+08:00", None),
        ("2026-03-01T12:00:00+08:00", WEEKEND),
    ],
)
def test_a_day_begins_and_ends_at_the_calendars_own_midnight(instant, kind) -> None:
    closure = CHINA.day_closure(at(instant))
    assert (closure.kind if closure else None) == kind


def test_a_closed_day_ends_at_midnight_also_when_clocks_change_on_it() -> None:
    berlin = WorkCalendar(timezone="Europe/Berlin")
    closure = berlin.day_closure(at("2026-03-29T12:00+02:00"))  # a Sunday of 23 hours
    assert closure is not None
    assert closure.end == at("2026-03-30T00:00+02:00")


NIGHT = Window(name="night", weekdays=frozenset({5}), start=time(22), end=time(4), timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("instant", "is_in"),
    [
        ("2026-11-20T21:59:59+01:00", False),  # a Friday
        ("2026-11-20T22:00:00+01:00", True),
        ("2026-11-21T03:59:59+01:00", True),
        ("2026-11-21T04:00:00+01:00", False),
        ("2026-11-21T22:30:00+01:00", False),
        ("2026-03-27T22:00:00+01:00", True),
    ],
)
def test_a_weekly_window_crosses_midnight(instant, is_in) -> None:
    found = window_at((NIGHT,), at(instant))
    assert (found is not None) is is_in
    assert found is None or (found.kind, found.name) == (BLACKOUT, "night")


def test_a_window_in_the_night_the_clocks_change_keeps_its_wall_times() -> None:
    sunday = Window(name="w", weekdays=frozenset({7}), start=time(1), end=time(4), timezone="Europe/Berlin")
    span = sunday.span_at(at("2026-03-29T03:30+02:00"))
    assert span == (at("2026-03-29T01:00+01:00"), at("2026-03-29T04:00+02:00"))
    assert span[1] - span[0] == timedelta(hours=2)


def test_a_window_of_a_whole_day_has_equal_times() -> None:
    day = Window(name="w", weekdays=frozenset({1}), start=time(0), end=time(0), timezone="UTC")
    assert day.span_at(at("2026-11-23T23:59+00:00")) is not None
    assert day.span_at(at("2026-11-24T00:00+00:00")) is None


def test_one_window_from_to() -> None:
    once = Window(name="w", starts_at=at("2026-12-24T18:00+00:00"), ends_at=at("2026-12-27T06:00+00:00"))
    assert window_at((once,), at("2026-12-24T17:59:59+00:00")) is None
    assert window_at((once,), at("2026-12-27T05:59:59+00:00")) is not None
    assert window_at((once,), at("2026-12-27T06:00+00:00")) is None


def test_the_next_allowed_time_is_after_the_holidays_and_the_window_behind_them() -> None:
    late = WorkCalendar(
        timezone="UTC", windows=(Window(name="w", weekdays=frozenset({1}), start=time(0), end=time(9), timezone="UTC"),)
    )
    assert late.next_allowed(at("2026-11-21T10:00+00:00")) == at("2026-11-23T09:00+00:00")
    assert late.next_allowed(at("2026-11-23T09:00+00:00")) == at("2026-11-23T09:00+00:00")


def test_ten_years_of_days_are_looked_at_by_the_month() -> None:
    calendar = WorkCalendar(days=dict(CHINA.days))
    found = [calendar.nth_working_day(year, month, -1) for year in range(2020, 2030) for month in range(1, 13)]
    assert len(calendar._months) == len(found) == 120


marked = st.dictionaries(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.sampled_from([REST, WORK]), max_size=60)
calendars = st.builds(
    WorkCalendar,
    weekdays=st.frozensets(st.integers(1, 7), min_size=1),
    days=marked,
    timezone=st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]),
)
some_day = st.dates(date(2025, 12, 1), date(2027, 1, 31))


@given(calendars, some_day)
def test_law_nothing_lies_between_a_day_and_its_next_working_day(calendar, day) -> None:
    found = calendar.next_working_day(day)
    assert found is not None
    assert calendar.is_working_day(found)
    between = [day + timedelta(days=n) for n in range(1, (found - day).days)]
    assert not any(calendar.is_working_day(each) for each in between)
    if calendar.is_working_day(day):
        assert calendar.previous_working_day(found) == day


@given(calendars, some_day)
def test_law_the_nth_working_days_are_the_months_working_days_from_both_ends(calendar, day) -> None:
    every = calendar.working_days(day.year, day.month)
    assert [calendar.nth_working_day(day.year, day.month, n + 1) for n in range(len(every))] == list(every)
    assert [calendar.nth_working_day(day.year, day.month, -n - 1) for n in range(len(every))] == list(every[::-1])


@given(calendars, st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))
def test_law_a_time_is_closed_exactly_when_its_day_is_not_worked(calendar, wall) -> None:
    instant = wall.replace(tzinfo=UTC)
    closure = calendar.day_closure(instant)
    assert (closure is None) == calendar.is_working_day(calendar.date_of(instant))
    if closure is not None:
        assert closure.end > instant
        assert calendar.date_of(closure.end) == calendar.date_of(instant) + timedelta(days=1)
