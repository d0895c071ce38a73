"""The shipped calendars say what their sources say, and iCalendar files are read with care."""

from datetime import UTC, date, datetime, timedelta

import pytest

from jobs import icalendar
from jobs.calendardata import shipped_calendar, shipped_calendars
from jobs.scheduling.calendars import DayMark, WorkCalendar
from jobs.scheduling.zones import zone_names
from jobs.workcalendars import Day, days_text, parse_days
from portal.lib.fielderrors import FieldErrors


def as_rule(slug: str) -> WorkCalendar:
    found = shipped_calendar(slug)
    assert found is not None
    return WorkCalendar(days={day.date: DayMark(day.kind == "workday", day.name) for day in found.days})


@pytest.mark.parametrize("shipped", shipped_calendars(), ids=lambda each: each.slug)
def test_each_names_its_source_and_says_nothing_twice(shipped) -> None:
    assert shipped.source.endswith(".")
    assert shipped.timezone in zone_names()
    assert len({day.date for day in shipped.days}) == len(shipped.days)
    assert all(day.name for day in shipped.days)


@pytest.mark.parametrize(("year", "working"), [(2025, 248), (2026, 248)])
def test_china_has_as_many_working_days_as_its_notice_makes(year, working) -> None:
    """365 days less 104 weekend days and 13 statutory holidays: moving days about changes no sum."""
    china = as_rule("cn")
    assert sum(len(china.working_days(year, month)) for month in range(1, 13)) == working


def test_in_china_every_make_up_day_is_a_weekend_and_every_holiday_block_has_none_inside() -> None:
    found = shipped_calendar("cn")
    assert found is not None
    assert all(day.date.isoweekday() > 5 for day in found.days if day.kind == "workday")
    assert max(day.date.year for day in found.days) == 2026  # later years are not announced: nothing is invented


@pytest.mark.parametrize("easter", [date(2025, 4, 20), date(2026, 4, 5), date(2027, 3, 28)], ids=str)
def test_movable_feasts_follow_easter(easter) -> None:
    for slug in ("de", "gb-eng"):
        found = as_rule(slug)
        for offset in (-2, 1):
            assert not found.is_working_day(easter + timedelta(days=offset))
    assert not as_rule("de").is_working_day(easter + timedelta(days=39))


@pytest.mark.parametrize(
    ("slug", "day"),
    [
        ("us", "2026-07-03"),  # the 4th is a Saturday
        ("us", "2027-07-05"),  # the 4th is a Sunday
        ("us", "2027-12-31"),  # New Year 2028 is a Saturday
        ("us", "2026-11-26"),
        ("gb-eng", "2027-12-27"),
        ("gb-eng", "2027-12-28"),
        ("gb-eng", "2026-12-28"),
        ("de", "2025-10-03"),
    ],
)
def test_days_that_a_rule_moves(slug, day) -> None:
    assert not as_rule(slug).is_working_day(date.fromisoformat(day))


def test_what_is_written_is_read_back() -> None:
    days = [
        (date(2026, 10, 1), "holiday", "National Day; 国庆节, long " + "x" * 60),
        (date(2026, 10, 10), "workday", ""),
    ]
    text = icalendar.write_days("Cal, endar", days, stamp=datetime(2026, 1, 1, tzinfo=UTC))
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    found = icalendar.read_days(text.encode(), year=2026)
    assert [(each.date, each.kind, each.name) for each in found] == days


def event(*lines: str) -> bytes:
    return "\r\n".join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR"]).encode()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["DTSTART;VALUE=DATE:20261001", "DTEND;VALUE=DATE:20261004", "SUMMARY:x"], ["10-01", "10-02", "10-03"]),
        (["DTSTART:20261001T090000Z", "SUMMARY:x"], ["10-01"]),
        (["DTSTART;VALUE=DATE:20261010", "SUMMARY:国庆节(班)"], ["10-10 workday"]),
        (["DTSTART;VALUE=DATE:20261010", "X-APPLE-SPECIAL-DAY:ALTERNATE-WORKDAY"], ["10-10 workday"]),
        (["DTSTART;VALUE=DATE:20261010", "STATUS:CANCELLED"], None),
    ],
)
def test_what_feeds_hold_is_understood(lines, expected) -> None:
    if expected is None:
        with pytest.raises(icalendar.CalendarFileError, match="names no day"):
            icalendar.read_days(event(*lines), year=2026)
        return
    found = icalendar.read_days(event(*lines), year=2026)
    assert [f"{each.date:%m-%d}" + (" workday" if each.kind == "workday" else "") for each in found] == expected


def test_a_yearly_feast_without_an_end_is_listed_for_the_years_around() -> None:
    found = icalendar.read_days(event("DTSTART;VALUE=DATE:20000501", "RRULE:FREQ=YEARLY"), year=2026)
    assert [each.date.year for each in found] == [2025, 2026, 2027, 2028, 2029]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"hello",
        b"x" * 1_000_001,
        event("DTSTART;VALUE=DATE:20261301"),
        event("DTSTART;VALUE=DATE:99991231"),
        event("DTSTART;VALUE=DATE:20260101", "DTEND;VALUE=DATE:20290101"),
        event("DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=WEEKLY;BYDAY=SU"),
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nDTSTART:20260101\r\nEND:VEVENT\r\n" * 3001,
    ],
    ids=["empty", "bytes", "text", "large", "month", "year", "long", "weekly", "many"],
)
def test_what_can_not_be_read_is_refused_in_one_sentence(raw) -> None:
    with pytest.raises(icalendar.CalendarFileError) as caught:
        icalendar.read_days(raw, year=2026)
    assert str(caught.value).endswith(".")


def test_days_as_text_are_read_back() -> None:
    days = [Day(date(2026, 10, 1), "holiday", "National Day"), Day(date(2026, 10, 10), "workday", "Make-up")]
    assert parse_days(days_text(days)) == days
    assert parse_days("2026-10-10 班 补班\n# a comment\n\n2026-10-01 National Day") == [
        Day(date(2026, 10, 1), "holiday", "National Day"),
        Day(date(2026, 10, 10), "workday", "补班"),
    ]


@pytest.mark.parametrize(
    "text", ["soon", "2026-02-30", "2026-10-03..2026-10-01", "1969-01-01", "2026-01-01 a\n2026-01-01 b"]
)
def test_a_wrong_line_is_named(text) -> None:
    with pytest.raises(FieldErrors, match="Line"):
        parse_days(text)
