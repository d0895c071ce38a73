"""Golden tables for clock changes, worked out by hand, and a brute-force evaluator over every minute of UTC.

2026: New York 8 March 02:00 → 03:00, 1 November 02:00 → 01:00 · Berlin 29 March 02:00 → 03:00, 25 October
03:00 → 02:00 · Lord Howe 5 April 02:00 → 01:30, 4 October 02:00 → 02:30 · Shanghai has none.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduling.cron import parse_cron
from jobs.scheduling.triggers import CronTrigger, IntervalTrigger

NEW_YORK, BERLIN, LORD_HOWE = "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"
TROLL, CHATHAM = "Antarctica/Troll", "Pacific/Chatham"  # two hours at once; an offset of 12:45


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


GOLDEN = [
    # New York, spring: 02:00 EST (07:00 UTC) becomes 03:00 EDT
    (NEW_YORK, "30 2 * * *", "03-07T06:00", "03-09T12:00", "07T07:30 08T07:00 09T06:30"),
    (NEW_YORK, "0 2 * * *", "03-08T00:00", "03-09T00:00", "08T07:00"),
    (NEW_YORK, "0,15,30 2 * * *", "03-08T00:00", "03-09T00:00", "08T07:00"),
    (NEW_YORK, "0 2,3 * * *", "03-08T00:00", "03-09T00:00", "08T07:00"),
    (NEW_YORK, "30 1,2,3 * * *", "03-08T00:00", "03-09T00:00", "08T06:30 08T07:00 08T07:30"),
    (NEW_YORK, "15 30 2 * * *", "03-08T00:00", "03-09T00:00", "08T07:00"),
    (NEW_YORK, "0 * * * *", "03-08T05:30", "03-08T08:30", "08T06:00 08T07:00 08T08:00"),
    (NEW_YORK, "30 */2 * * *", "03-08T00:00", "03-08T12:00", "08T01:30 08T03:30 08T05:30 08T08:30 08T10:30"),
    (NEW_YORK, "*/30 * * * *", "03-08T06:00", "03-08T08:00", "08T06:30 08T07:00 08T07:30 08T08:00"),
    (NEW_YORK, "*/30 2 * * *", "03-08T00:00", "03-09T00:00", ""),
    # New York, autumn: 01:00–02:00 comes as EDT (05:00 UTC) and again as EST (06:00 UTC)
    (NEW_YORK, "30 1 * * *", "10-31T12:00", "11-02T12:00", "01T05:30 02T06:30"),
    (NEW_YORK, "0 1,2 * * *", "11-01T00:00", "11-02T00:00", "01T05:00 01T07:00"),
    (NEW_YORK, "0 * * * *", "11-01T04:30", "11-01T07:30", "01T05:00 01T06:00 01T07:00"),
    (NEW_YORK, "30 */1 * * *", "11-01T05:00", "11-01T08:00", "01T05:30 01T06:30 01T07:30"),
    (NEW_YORK, "*/30 1 * * *", "11-01T00:00", "11-02T00:00", "01T05:00 01T05:30 01T06:00 01T06:30"),
    (NEW_YORK, "0/30 1 * * *", "11-01T05:30", "11-02T00:00", "01T06:00 01T06:30"),
    (NEW_YORK, "30 */2 * * *", "11-01T04:00", "11-01T08:00", "01T04:30 01T07:30"),
    # Berlin: gap at 01:00 UTC on 29 March, repeated hour 00:00–02:00 UTC on 25 October
    (BERLIN, "30 2 * * *", "03-29T00:00", "03-30T12:00", "29T01:00 30T00:30"),
    (BERLIN, "0 0 * * *", "03-28T12:00", "03-30T12:00", "28T23:00 29T22:00"),
    (BERLIN, "30 2 * * *", "10-24T12:00", "10-26T12:00", "25T00:30 26T01:30"),
    (BERLIN, "0 */1 * * *", "10-24T23:30", "10-25T02:30", "25T00:00 25T01:00 25T02:00"),
    (BERLIN, "20,40 2 * * *", "10-25T00:30", "10-26T00:00", "25T00:40"),
    (BERLIN, "20,40 2 * * *", "10-25T01:10", "10-26T12:00", "26T01:20 26T01:40"),
    # Lord Howe shifts by 30 minutes: gap 02:00–02:30 on 4 October (15:30 UTC on the 3rd),
    # 01:30–02:00 twice on 5 April
    (LORD_HOWE, "15 2 * * *", "10-03T12:00", "10-05T00:00", "03T15:30 04T15:15"),
    (LORD_HOWE, "30 2 * * *", "10-03T12:00", "10-04T12:00", "03T15:30"),
    (LORD_HOWE, "15,45 2 * * *", "10-03T12:00", "10-04T12:00", "03T15:30 03T15:45"),
    (LORD_HOWE, "15 * * * *", "10-03T14:00", "10-03T17:00", "03T14:45 03T16:15"),
    (LORD_HOWE, "45 1 * * *", "04-04T12:00", "04-05T18:00", "04T14:45 05T15:15"),
    (LORD_HOWE, "45 * * * *", "04-04T14:00", "04-04T17:00", "04T14:45 04T15:15 04T16:15"),
    (LORD_HOWE, "15 */2 * * *", "04-04T12:00", "04-04T18:00", "04T13:15 04T15:45 04T17:45"),
    (LORD_HOWE, "*/15 * * * *", "04-04T14:30", "04-04T15:30", "04T14:45 04T15:00 04T15:15 04T15:30"),
    # Troll shifts by two hours: gap 01:00–03:00 on 29 March (01:00 UTC), 01:00–03:00 twice on 25 October
    (TROLL, "30 2 * * *", "03-28T12:00", "03-30T12:00", "29T01:00 30T00:30"),
    (TROLL, "0 1,2 * * *", "03-29T00:00", "03-30T00:00", "29T01:00 29T23:00 30T00:00"),
    (TROLL, "*/30 * * * *", "03-29T00:00", "03-29T02:00", "29T00:30 29T01:00 29T01:30 29T02:00"),
    (TROLL, "30 1,2 * * *", "10-24T12:00", "10-25T12:00", "24T23:30 25T00:30"),
    (TROLL, "0 * * * *", "10-24T22:30", "10-25T03:30", "24T23:00 25T00:00 25T01:00 25T02:00 25T03:00"),
    # Shanghai never shifts
    ("Asia/Shanghai", "30 2 * * *", "03-07T12:00", "03-09T12:00", "07T18:30 08T18:30"),
    ("Asia/Shanghai", "30 1 * * *", "10-31T12:00", "11-02T12:00", "31T17:30 01T17:30"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "expression", "after", "until", "expected"), GOLDEN)
def test_clock_change_table(zone, expression, after, until, expected):
    trigger = CronTrigger(expression, zone)
    after, until = utc(f"2026-{after}"), utc(f"2026-{until}")
    found = trigger.between(after, until, 100)
    assert [instant.strftime("%dT%H:%M") for instant in found] == expected.split()
    assert trigger.count(after, until) == len(found)


# Not Lord Howe: cronsim loses 02:15 there on the day the clocks go back by half an hour
@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN])
@pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 * * * *", "15 */2 * * *", "0 1,3 * * 0", "*/7 1 * * *"])
def test_a_year_with_both_changes_agrees_with_an_independent_library(zone, expression):
    start, end = utc("2026-01-01T00:00"), utc("2027-01-01T00:00")
    rule = parse_cron(expression)
    text = rule.plain if rule.is_elapsed else rule.plain.split(maxsplit=1)[1]
    sim = CronSim(text, start.astimezone(ZoneInfo(zone)))
    expected = list(takewhile(lambda moment: moment <= end, (moment.astimezone(UTC) for moment in sim)))
    assert CronTrigger(expression, zone).between(start, end, 99_999) == expected


def test_hourly_rule_fires_25_times_on_the_long_day_and_23_times_on_the_short_one():
    trigger = CronTrigger("0 * * * *", NEW_YORK)
    assert trigger.count(utc("2026-11-01T03:59"), utc("2026-11-02T04:59")) == 25
    assert trigger.count(utc("2026-03-08T04:59"), utc("2026-03-09T03:59")) == 23


def test_interval_goes_through_the_repeated_hour_by_elapsed_time():
    trigger = IntervalTrigger(timedelta(minutes=30), utc("2026-11-01T05:00"), NEW_YORK)
    assert trigger.between(utc("2026-11-01T05:00"), utc("2026-11-01T07:00"), 9) == [
        utc("2026-11-01T05:30"),
        utc("2026-11-01T06:00"),
        utc("2026-11-01T06:30"),
        utc("2026-11-01T07:00"),
    ]


@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN, LORD_HOWE, TROLL, CHATHAM, "Asia/Shanghai"])
def test_an_interval_never_feels_a_clock_change(zone):
    trigger = IntervalTrigger(timedelta(minutes=45), utc("2026-01-01T00:00"), zone)
    found = trigger.between(utc("2026-01-01T00:00"), utc("2027-01-01T00:00"), 99_999)
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=45)}
    assert len(found) == trigger.count(utc("2026-01-01T00:00"), utc("2027-01-01T00:00")) == 365 * 32


def test_a_day_that_a_zone_skipped_whole_fires_at_the_end_of_the_gap():
    trigger = CronTrigger("0 9 30 12 *", "Pacific/Apia")  # there was no 30 December 2011 in Samoa
    assert trigger.next_after(utc("2011-12-01T00:00")) == utc("2011-12-30T10:00")


def brute_force(minutes, hours, zone, start, end, elapsed):
    """Every minute of UTC, with nothing of the code under test: read, remember, notice jumps."""
    local = ZoneInfo(zone)
    seen, fired, before = set(), [], None
    instant = start - timedelta(days=1)
    while instant <= end:
        wall = instant.astimezone(local).replace(tzinfo=None, fold=0)
        jumped: list[datetime] = []
        if before is not None and wall - before > timedelta(minutes=1):
            steps = int((wall - before).total_seconds()) // 60
            jumped = [before + timedelta(minutes=step) for step in range(1, steps)]
        matching = [item for item in [*jumped, wall] if item.minute in minutes and item.hour in hours]
        is_due = wall in matching if elapsed else any(item not in seen for item in matching)
        if is_due and instant > start:
            fired.append(instant)
        seen.update([*jumped, wall])
        before = wall
        instant += timedelta(minutes=1)
    return fired


SWITCHES = [
    (NEW_YORK, "2026-03-08T07:00"),
    (NEW_YORK, "2026-11-01T06:00"),
    (BERLIN, "2026-03-29T01:00"),
    (BERLIN, "2026-10-25T01:00"),
    (LORD_HOWE, "2026-04-04T15:00"),
    (LORD_HOWE, "2026-10-03T15:30"),
    (TROLL, "2026-03-29T01:00"),
    (TROLL, "2026-10-25T01:00"),
    (CHATHAM, "2026-04-04T14:00"),
    (CHATHAM, "2026-09-26T14:00"),
    ("Asia/Shanghai", "2026-03-08T07:00"),
]
MINUTES = st.lists(st.integers(0, 59), min_size=1, max_size=4, unique=True)
HOURS = st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SWITCHES), MINUTES, HOURS, st.integers(-300, 60))
def test_times_of_day_agree_with_every_minute_walked(switch, minutes, hours, offset):
    zone, moment = switch
    start = utc(moment) + timedelta(minutes=offset)
    end = start + timedelta(hours=9)
    expression = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    expected = brute_force(minutes, hours, zone, start, end, elapsed=False)
    assert CronTrigger(expression, zone).between(start, end, 999) == expected
    assert CronTrigger(expression, zone).count(start, end) == len(expected)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SWITCHES), st.sampled_from(["*", "*/7", "5/20", "10-50/10"]), HOURS, st.integers(-300, 60))
def test_rhythms_agree_with_every_minute_walked(switch, minute, hours, offset):
    zone, moment = switch
    start = utc(moment) + timedelta(minutes=offset)
    end = start + timedelta(hours=9)
    minutes = {"*": range(60), "*/7": range(0, 60, 7), "5/20": (5, 25, 45), "10-50/10": range(10, 51, 10)}[minute]
    expected = brute_force(minutes, hours, zone, start, end, elapsed=True)
    trigger = CronTrigger(f"{minute} {','.join(map(str, hours))} * * *", zone)
    assert trigger.between(start, end, 999) == expected
    assert trigger.count(start, end) == len(expected)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SWITCHES), MINUTES, st.sampled_from(["*", "*/2", "0-23"]), st.integers(-300, 60))
def test_every_hour_agrees_with_every_minute_walked(switch, minutes, hour, offset):
    zone, moment = switch
    start = utc(moment) + timedelta(minutes=offset)
    end = start + timedelta(hours=9)
    hours = range(0, 24, 2) if hour == "*/2" else range(24)
    expected = brute_force(minutes, hours, zone, start, end, elapsed=True)
    trigger = CronTrigger(f"{','.join(map(str, minutes))} {hour} * * *", zone)
    assert trigger.between(start, end, 999) == expected
    assert trigger.count(start, end) == len(expected)
