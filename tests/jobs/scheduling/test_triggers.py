"""Fire times on plain days, limits, refusals, and the laws every trigger keeps."""

import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.scheduling.cron import TriggerError, parse_cron
from jobs.scheduling.triggers import (
    CronTrigger,
    IntervalTrigger,
    OnceTrigger,
    parse_trigger,
    previous_at,
)

NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
ANCHOR = datetime(2026, 11, 20, 0, 0, 7, tzinfo=UTC)


def fires(expression, timezone="UTC", after=NOW, count=3):
    trigger = CronTrigger(expression, timezone)
    found = []
    for _ in range(count):
        after = trigger.next_after(after)
        if after is None:
            break
        found.append(after)
    return [instant.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M:%S") for instant in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 9 * * *", ["2026-11-21 09:00:00", "2026-11-22 09:00:00"]),
        ("30 21 * * *", ["2026-11-21 21:30:00", "2026-11-22 21:30:00"]),
        ("*/20 * * * *", ["2026-11-20 21:40:00", "2026-11-20 22:00:00"]),
        ("5/20 * * * *", ["2026-11-20 21:45:00", "2026-11-20 22:05:00"]),
        ("10-40/15 22 * * *", ["2026-11-20 22:10:00", "2026-11-20 22:25:00", "2026-11-20 22:40:00"]),
        ("0 2 * * 0", ["2026-11-22 02:00:00", "2026-11-29 02:00:00"]),
        ("0 2 * * 7", ["2026-11-22 02:00:00", "2026-11-29 02:00:00"]),
        ("0 2 * * sun", ["2026-11-22 02:00:00", "2026-11-29 02:00:00"]),
        ("0 2 * * 1", ["2026-11-23 02:00:00", "2026-11-30 02:00:00"]),
        ("0 2 * * SAT-SUN", ["2026-11-21 02:00:00", "2026-11-22 02:00:00", "2026-11-28 02:00:00"]),
        ("0 2 * * 5-7", ["2026-11-21 02:00:00", "2026-11-22 02:00:00", "2026-11-27 02:00:00"]),
        ("0 9 * * MON-FRI", ["2026-11-23 09:00:00", "2026-11-24 09:00:00"]),
        ("0 2 1 * *", ["2026-12-01 02:00:00", "2027-01-01 02:00:00"]),
        ("0 2 1 * 1", ["2026-11-23 02:00:00", "2026-11-30 02:00:00", "2026-12-01 02:00:00"]),
        ("0 2 */10 * 1", ["2026-12-21 02:00:00", "2027-01-11 02:00:00"]),
        ("0 2 ? * 1", ["2026-11-23 02:00:00", "2026-11-30 02:00:00"]),
        ("0 2 1 * ?", ["2026-12-01 02:00:00", "2027-01-01 02:00:00"]),
        ("0 0 L * *", ["2026-11-30 00:00:00", "2026-12-31 00:00:00", "2027-01-31 00:00:00"]),
        ("0 0 LW * *", ["2026-11-30 00:00:00", "2026-12-31 00:00:00", "2027-01-29 00:00:00"]),
        ("0 0 * * 5L", ["2026-11-27 00:00:00", "2026-12-25 00:00:00"]),
        ("0 0 * * MON#2", ["2026-12-14 00:00:00", "2027-01-11 00:00:00"]),
        ("0 0 * * 7#1", ["2026-12-06 00:00:00", "2027-01-03 00:00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00:00", "2032-02-29 00:00:00", "2036-02-29 00:00:00"]),
        ("0 0 1 jan,JUL *", ["2027-01-01 00:00:00", "2027-07-01 00:00:00"]),
        ("*/10 * * * * *", ["2026-11-20 21:30:10", "2026-11-20 21:30:20"]),
        ("30 0 9 * * *", ["2026-11-21 09:00:30", "2026-11-22 09:00:30"]),
        ("0 0 9 24 12 ? 2026-2028", ["2026-12-24 09:00:00", "2027-12-24 09:00:00", "2028-12-24 09:00:00"]),
        ("0 0 9 * * MON 2027", ["2027-01-04 09:00:00", "2027-01-11 09:00:00"]),
    ],
)
def test_cron_fires_at_the_next_matching_times(expression, expected):
    assert fires(expression, count=len(expected)) == expected


def test_weekday_numbers_and_names_mean_the_same_days():
    names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
    by_number = [parse_cron(f"0 0 * * {number}").weekdays for number in range(8)]
    by_name = [parse_cron(f"0 0 * * {name}").weekdays for name in names]
    assert by_number == by_name


def test_cron_is_read_in_the_schedule_zone():
    assert CronTrigger("0 9 * * *", "Asia/Shanghai").next_after(NOW) == datetime(2026, 11, 21, 1, tzinfo=UTC)


def test_year_field_ends_the_schedule():
    trigger = CronTrigger("0 0 0 1 1 ? 2027", "Asia/Shanghai")
    last = datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert trigger.next_after(NOW) == last
    assert trigger.next_after(last) is None


def test_a_fraction_of_a_second_does_not_delay_the_next_fire_time():
    moment = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert CronTrigger("* * * * * *", "UTC").next_after(moment) == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_rarest_rule_is_found_across_the_year_2100_without_a_long_search():
    started = perf_counter()
    found = CronTrigger("0 0 29 2 */7", "UTC").next_after(datetime(2088, 3, 1, tzinfo=UTC))
    assert found == datetime(2128, 2, 29, tzinfo=UTC)  # a Sunday, 40 years after the one before
    assert perf_counter() - started < 0.5


def test_next_fire_time_costs_far_less_than_a_tick():
    trigger = CronTrigger("*/5 9-17 * * MON-FRI", "Europe/Berlin")
    trigger.next_after(NOW)
    started = perf_counter()
    for _ in range(2_000):
        trigger.next_after(NOW)
    assert perf_counter() - started < 1


def test_end_of_the_calendar_is_an_end_not_an_error():
    end = datetime.max.replace(tzinfo=UTC)
    assert CronTrigger("* * * * *", "Asia/Shanghai").next_after(end - timedelta(days=1)) is None
    assert IntervalTrigger(timedelta(days=2), ANCHOR).next_after(end) is None


# Refusals


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("60 * * * *", "60 is out of range in the minute field: use 0 to 59."),
        ("* 24 * * *", "24 is out of range in the hour field: use 0 to 23."),
        ("0 0 0 * *", "0 is out of range in the day of month field: use 1 to 31."),
        ("0 0 * 13 *", "13 is out of range in the month field: use 1 to 12."),
        ("0 0 * * 8", "8 is out of range in the day of week field: use 0 to 7."),
        ("60 0 0 * * *", "60 is out of range in the second field: use 0 to 59."),
        ("0 0 0 * * * 2100", "2100 is out of range in the year field: use 1970 to 2099."),
        ("x * * * *", "“X” is not understood in the minute field"),
        ("0 0 * FOO *", "use 1 to 12 or JAN, FEB"),
        ("0 0 * * MONDAY", "is not understood in the day of week field"),
        ("0 0 15W * *", "“15W” is not understood in the day of month field"),
        ("0 0 * * L", "is not understood in the day of week field"),
        ("0 0 * * 1#6", "is not understood in the day of week field"),
        ("L * * * *", "is not understood in the minute field"),
        ("? * * * *", "is not understood in the minute field"),
        ("-5 * * * *", "is not understood in the minute field"),
        ("1,,2 * * * *", "is not understood in the minute field"),
        ("*/0 * * * *", "must be between 1 and 59"),
        ("*/90 * * * *", "The step of “*/90” in the minute field must be between 1 and 59."),
        ("50-10 * * * *", "The range “50-10” in the minute field runs backwards"),
        ("0 0 31 2 *", "Day 31 does not exist"),
        ("0 0 31 4,6,9,11 *", "Day 31 does not exist"),
        ("0 0 30 2 ?", "Day 30 does not exist"),
        ("* * *", "this one has 3"),
        ("* * * * * * * *", "this one has 8"),
        ("@daily", "this one has 1"),
        ("٣ * * * *", "is not understood in the minute field"),
        ("0," * 101 + "0 * * * *", "too long"),
        ("   ", "the expression is empty"),
        ("0 0 0 1 1 ? 2020", "never fires again: check the day and the years 2020 to 2020."),
        ("0 0 0 29 2 ? 2027", "never fires again"),
    ],
)
def test_bad_cron_is_refused_with_a_sentence_that_says_what_to_do(expression, words):
    with pytest.raises(TriggerError) as refusal:
        parse_trigger("cron", expression, "Asia/Shanghai", ANCHOR, NOW)
    assert words in str(refusal.value)
    assert refusal.value.field == "expression"
    assert str(refusal.value).endswith(".")


def test_a_day_that_some_month_has_is_accepted():
    trigger = parse_trigger("cron", "0 0 31 2,3 *", "UTC", ANCHOR, NOW)
    assert trigger.next_after(NOW) == datetime(2027, 3, 31, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Mars/Base", "America", "../../etc/passwd", "", "a" * 300, "Asia/Shanghai\x00"])
def test_unknown_zone_is_refused_at_its_field(zone):
    with pytest.raises(TriggerError, match="not a known time zone") as refusal:
        parse_trigger("cron", "0 9 * * *", zone, ANCHOR, NOW)
    assert refusal.value.field == "timezone"


def test_unknown_kind_is_refused_at_its_field():
    with pytest.raises(TriggerError, match="not a kind of trigger") as refusal:
        parse_trigger("sometimes", "0 9 * * *", "UTC", ANCHOR, NOW)
    assert refusal.value.field == "kind"


def test_a_stored_trigger_that_has_ended_still_loads():
    assert parse_trigger("cron", "0 0 0 1 1 ? 2020", "UTC", ANCHOR).next_after(NOW) is None
    assert parse_trigger("once", "2020-01-01", "UTC", ANCHOR).next_after(NOW) is None


@pytest.mark.parametrize("expression", ["0s", "500d", "5", "-5m", "5 minutes", "1.5h", "9999999999w"])
def test_bad_interval_is_refused(expression):
    with pytest.raises(TriggerError) as refusal:
        parse_trigger("interval", expression, "UTC", ANCHOR, NOW)
    assert refusal.value.field == "expression"


def test_once_without_offset_is_read_in_the_schedule_zone():
    trigger = parse_trigger("once", "2027-01-01 00:00", "Asia/Shanghai", ANCHOR, NOW)
    assert trigger == OnceTrigger(datetime(2026, 12, 31, 16, tzinfo=UTC))


def test_once_with_offset_ignores_the_schedule_zone():
    trigger = parse_trigger("once", "2027-01-01T00:00:00+08:00", "America/New_York", ANCHOR, NOW)
    assert trigger.next_after(NOW) == datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert trigger.next_after(datetime(2026, 12, 31, 16, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("2027-11-07 01:30", "comes twice in America/New_York"),
        ("2027-11-07 01:30", "write 2027-11-07 01:30:00-04:00 or 2027-11-07 01:30:00-05:00."),
        ("2027-03-14 02:30", "for example 2027-03-14 03:00:00."),
        ("2020-01-01", "in the past"),
        ("tomorrow", "is not a date and time"),
        ("2027-02-30", "is not a date and time"),
        ("0001-01-01", "year 1 is out of range"),
        ("9999-12-31T23:59-12:00", "year 9999 is out of range"),
    ],
)
def test_bad_moment_is_refused(expression, words):
    with pytest.raises(TriggerError) as refusal:
        parse_trigger("once", expression, "America/New_York", ANCHOR, NOW)
    assert words in str(refusal.value)


# Intervals


def test_interval_fires_at_its_anchor_and_then_at_multiples():
    trigger = IntervalTrigger(timedelta(minutes=15), ANCHOR)
    assert trigger.next_after(ANCHOR - timedelta(days=1)) == ANCHOR
    assert trigger.next_after(ANCHOR) == ANCHOR + timedelta(minutes=15)
    assert trigger.next_after(ANCHOR + timedelta(minutes=20)) == ANCHOR + timedelta(minutes=30)


def test_interval_follows_elapsed_time_when_the_clocks_change():
    anchor = datetime(2026, 10, 31, 12, tzinfo=ZoneInfo("America/New_York"))
    trigger = parse_trigger("interval", "1d", "America/New_York", anchor)
    assert trigger.next_after(anchor.astimezone(UTC)) == anchor.astimezone(UTC) + timedelta(hours=24)


# Laws

INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(
    lambda value: value.replace(microsecond=0, tzinfo=UTC)
)
ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"])


def field(low, high):
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).filter(lambda pair: pair[0] < pair[1])
    term = st.one_of(
        number.map(str),
        span.map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.integers(1, high).map(lambda step: f"*/{step}"),
        st.tuples(span, st.integers(1, high)).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
    )
    return st.one_of(st.just("*"), term, st.lists(term, min_size=2, max_size=3).map(",".join))


DAYS = st.one_of(field(1, 28), st.sampled_from(["L", "LW", "1,L", "31,L"]))
WEEKDAYS = st.one_of(field(0, 7), st.sampled_from(["5L", "1#2", "0#5", "7#1,3"]))
FIVE = st.tuples(field(0, 59), field(0, 23), DAYS, field(1, 12), WEEKDAYS).map(" ".join)
SIX = st.tuples(field(0, 59), FIVE).map(" ".join)
CRONS = st.builds(CronTrigger, st.one_of(FIVE, SIX), ZONES)
INTERVALS = st.builds(IntervalTrigger, st.timedeltas(timedelta(seconds=1), timedelta(days=300)), INSTANTS)
TRIGGERS = st.one_of(CRONS, INTERVALS, st.builds(OnceTrigger, INSTANTS))


@settings(max_examples=150, deadline=None)
@given(TRIGGERS, INSTANTS)
def test_fire_times_strictly_increase_and_come_in_utc(trigger, instant):
    for _ in range(5):
        found = trigger.next_after(instant)
        if found is None:
            return
        assert found > instant
        assert found.tzinfo is UTC
        instant = found


@settings(max_examples=100, deadline=None)
@given(TRIGGERS, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=40)), st.integers(0, 12))
def test_between_is_next_after_repeated(trigger, after, span, limit):
    until, expected, instant = after + span, [], trigger.next_after(after)
    while instant is not None and instant <= until:
        expected.append(instant)
        if len(expected) >= 12:
            break
        instant = trigger.next_after(instant)
    assert trigger.between(after, until, limit) == expected[:limit]


@settings(max_examples=150, deadline=None)
@given(TRIGGERS, INSTANTS, st.timedeltas(timedelta(0), timedelta(hours=30)))
def test_count_is_the_length_of_the_list(trigger, after, span):
    listed = trigger.between(after, after + span, 3_000)
    if len(listed) < 3_000:
        assert trigger.count(after, after + span) == len(listed)


@settings(max_examples=150, deadline=None)
@given(TRIGGERS, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=800)))
def test_previous_is_the_newest_fire_time_in_the_stretch(trigger, after, span):
    until = after + span
    found = previous_at(trigger, until, after)
    if found is None:
        assert trigger.count(after, until) == 0
    else:
        assert after < found <= until
        assert trigger.count(found, until) == 0
        assert trigger.next_after(found - timedelta(microseconds=1)) == found


@settings(max_examples=200, deadline=None)
@given(st.one_of(FIVE, SIX), st.sampled_from(["UTC", "Asia/Shanghai"]), INSTANTS)
@example("0 0 * 2 1#5", "UTC", NOW)
@example("* * 2 * 0-7", "UTC", NOW)
@example("5-5/10 7/3 2 * 7/3", "UTC", NOW)
def test_without_clock_changes_an_independent_library_agrees(expression, zone, instant):
    sim = CronSim(parse_cron(expression).plain, instant.astimezone(ZoneInfo(zone)))
    expected = [moment.astimezone(UTC) for moment in islice(sim, 4)]
    assert list(islice(iterate(CronTrigger(expression, zone), instant), 4)) == expected


def iterate(trigger, instant):
    while (instant := trigger.next_after(instant)) is not None:
        yield instant


@settings(max_examples=100, deadline=None)
@given(st.timedeltas(timedelta(seconds=1), timedelta(days=366)), INSTANTS, INSTANTS)
def test_interval_fires_on_multiples_of_elapsed_time(every, anchor, instant):
    found = IntervalTrigger(every, anchor).next_after(instant)
    assert (found - anchor) % every == timedelta(0)
    assert found == anchor or found - every <= instant < found


def test_random_text_is_refused_or_parsed_never_worse():
    chooser = random.Random(7)
    for _ in range(3_000):
        text = "".join(chooser.choice("0123456789*/-,#LW?MONJAN ") for _ in range(chooser.randrange(1, 18)))
        try:
            trigger = parse_trigger("cron", text, "Asia/Shanghai", ANCHOR, NOW)
        except TriggerError:
            continue
        assert trigger.next_after(NOW) is not None
