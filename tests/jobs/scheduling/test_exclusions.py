"""What a calendar makes of fire times: skipped, moved, merged; and never twice, never not at all."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduling.calendars import DayMark, FreezeSpan, Window, WorkCalendar
from jobs.scheduling.exclusions import (
    MERGED,
    MOVED,
    RUNS,
    SKIPPED,
    OpenTrigger,
    Rule,
    next_moment,
    next_start,
    outcome_of,
    outlook,
)
from jobs.scheduling.plan import Until, plan
from jobs.scheduling.triggers import parse_trigger

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def cron(expression: str, zone: str = "UTC"):
    return parse_trigger("cron", expression, zone, EPOCH)


def seen(outcomes, zone=UTC):
    def shown(instant):
        return instant and instant.astimezone(zone).strftime("%m-%d %H:%M")

    return [(shown(each.nominal), each.what, shown(each.at)) for each in outcomes]


WEEK = WorkCalendar(name="week", timezone="UTC")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            "skip",
            [("11-20 09:00", RUNS, "11-20 09:00"), ("11-21 09:00", SKIPPED, None), ("11-22 09:00", SKIPPED, None)],
        ),
        (
            "run_after",
            [
                ("11-20 09:00", RUNS, "11-20 09:00"),
                ("11-21 09:00", MERGED, "11-23 09:00"),
                ("11-22 09:00", MERGED, "11-23 09:00"),
            ],
        ),
        (
            "run_before",
            [
                ("11-20 09:00", RUNS, "11-20 09:00"),
                ("11-21 09:00", MERGED, "11-20 09:00"),
                ("11-22 09:00", MERGED, "11-20 09:00"),
            ],
        ),
    ],
)
def test_a_daily_fire_time_on_a_weekend(policy, expected) -> None:
    rule = Rule(calendar=WEEK, policy=policy)
    assert (
        seen(outlook(cron("0 9 * * *"), rule, at("2026-11-20T00:00+00:00"), at("2026-11-22T23:00+00:00"), 9))
        == expected
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("run_after", [("11-21 09:00", MERGED, "11-23 09:00"), ("11-22 09:00", MOVED, "11-23 09:00")]),
        ("run_before", [("11-21 09:00", MOVED, "11-20 09:00"), ("11-22 09:00", MERGED, "11-20 09:00")]),
    ],
)
def test_of_two_that_land_on_one_moment_the_nearest_runs(policy, expected) -> None:
    rule = Rule(calendar=WEEK, policy=policy)
    found = outlook(cron("0 9 21,22 * *"), rule, at("2026-11-20T00:00+00:00"), at("2026-11-23T00:00+00:00"), 9)
    assert seen(found) == expected


def test_a_moved_time_keeps_its_reading_through_a_clock_change() -> None:
    berlin = WorkCalendar(timezone="Europe/Berlin")
    sunday = cron("0 9 29 3 *", "Europe/Berlin")  # the clocks go forward that night
    found = outcome_of(sunday, Rule(calendar=berlin, policy="run_before"), at("2026-03-29T09:00+02:00"))
    assert found.at == at("2026-03-27T09:00+01:00")


def test_a_moved_time_that_lands_in_a_gap_comes_right_after_it() -> None:
    sundays = WorkCalendar(timezone="Europe/Berlin", weekdays=frozenset({7}))
    found = outcome_of(
        cron("30 2 28 3 *", "Europe/Berlin"), Rule(calendar=sundays, policy="run_after"), at("2026-03-28T02:30+01:00")
    )
    assert found.at == at("2026-03-29T03:00+02:00")


def test_a_make_up_day_is_a_day_to_move_to() -> None:
    china = WorkCalendar(timezone="Asia/Shanghai", days={date(2026, 10, 10): DayMark(True), **{
        date(2026, 10, day): DayMark(False, "国庆节") for day in range(1, 10)}})  # fmt: skip
    found = outcome_of(
        cron("0 9 3 10 *", "Asia/Shanghai"), Rule(calendar=china, policy="run_after"), at("2026-10-03T09:00+08:00")
    )
    assert found.at == at("2026-10-10T09:00+08:00")
    assert found.closure is not None
    assert found.closure.name == "国庆节"


def test_what_would_move_further_than_a_month_is_skipped() -> None:
    closed = WorkCalendar(days={date(2026, 3, 1) + timedelta(days=n): DayMark(False) for n in range(70)})
    for policy in ("run_after", "run_before"):
        found = outcome_of(cron("0 9 * * *"), Rule(calendar=closed, policy=policy), at("2026-04-04T09:00+00:00"))
        assert found.what == SKIPPED


def test_a_blackout_moves_nothing_and_what_would_land_in_it_is_skipped() -> None:
    monday = Window(name="Monday", weekdays=frozenset({1}), start=time(8), end=time(10), timezone="UTC")
    rule = Rule(calendar=WEEK, policy="run_after", windows=(monday,))
    found = outcome_of(cron("0 9 22 * *"), rule, at("2026-11-22T09:00+00:00"))
    assert found.what == SKIPPED
    assert found.closure is not None
    assert found.closure.kind == "blackout"
    assert outcome_of(cron("0 9 23 * *"), rule, at("2026-11-23T09:00+00:00")).what == SKIPPED


def test_of_overlapping_freezes_the_longest_is_named() -> None:
    short = FreezeSpan(id=1, name="s", reason="", starts_at=EPOCH, ends_at=EPOCH + DAY)
    longer = FreezeSpan(id=2, name="l", reason="", starts_at=EPOCH, ends_at=EPOCH + 2 * DAY)
    forever = FreezeSpan(id=3, name="f", reason="", starts_at=EPOCH, ends_at=None)
    for freezes, moment, named in (
        ((short, longer), EPOCH, 2),
        ((forever, longer), EPOCH, 3),
        ((short, longer), EPOCH + DAY, 2),
    ):
        closure = Rule(freezes=freezes).closure_at(moment)
        assert closure is not None
        assert closure.source_id == named
    assert Rule(freezes=(short, longer)).closure_at(EPOCH + 2 * DAY) is None


def test_a_working_day_trigger_is_not_judged_by_days_again() -> None:
    rule = Rule(calendar=WEEK, policy="run_after", is_by_day=True)
    assert rule.closure_at(at("2026-11-21T09:00+00:00")) is None


# --- plans ---


def due(cursor, now, policy="run_once", grace=timedelta(minutes=5)):
    return Until(cursor_at=cursor, now=now, grace=grace, policy=policy)


def test_an_excluded_instant_is_one_row_and_moves_the_cursor() -> None:
    nine = at("2026-11-21T09:00+00:00")
    found = plan(cron("0 9 * * *"), Rule(calendar=WEEK), due(nine - HOUR, nine))
    assert [(each.first, each.count) for each in found.excluded] == [(nine, 1)]
    assert (found.runs, found.missed, found.cursor_at) == ((), (), nine)
    assert found.next_at == nine + DAY


def test_run_after_is_written_at_its_nominal_instant_and_waits() -> None:
    nine = at("2026-11-22T09:00+00:00")
    found = plan(cron("0 9 22 * *"), Rule(calendar=WEEK, policy="run_after"), due(nine - HOUR, nine))
    [run] = found.runs
    assert run.outcome is not None
    assert (run.at, run.outcome.at) == (nine, nine + DAY)


def test_run_before_is_written_at_its_earlier_moment() -> None:
    friday = at("2026-11-20T09:00+00:00")
    rule, trigger = Rule(calendar=WEEK, policy="run_before"), cron("0 9 22 * *")
    assert next_moment(trigger, rule, friday - DAY) == friday
    found = plan(trigger, rule, due(friday - HOUR, friday))
    [run] = found.runs
    assert run.outcome is not None
    assert (run.at, run.outcome.at) == (friday + 2 * DAY, friday)
    assert found.next_at == friday + 2 * DAY  # the nominal instant: a row there counts only if there is none yet


@pytest.mark.parametrize(("policy", "runs", "missed"), [("skip", 0, 1), ("run_once", 1, 0), ("catch_up", 1, 0)])
def test_a_moved_fire_time_is_late_by_its_moment_not_by_its_nominal_instant(policy, runs, missed) -> None:
    sunday = at("2026-11-22T09:00+00:00")
    trigger, rule = cron("0 9 22 * *"), Rule(calendar=WEEK, policy="run_after")
    in_time = plan(trigger, rule, due(sunday - HOUR, sunday + 20 * HOUR, policy))
    assert (len(in_time.runs), len(in_time.missed)) == (1, 0)
    late = plan(trigger, rule, due(sunday - HOUR, sunday + 2 * DAY, policy))
    assert (len(late.runs), len(late.missed)) == (runs, missed)


def test_run_once_runs_the_newest_that_is_open_and_names_the_closed_ones() -> None:
    friday = at("2026-11-20T09:00+00:00")
    found = plan(cron("0 9 * * *"), Rule(calendar=WEEK), due(friday - HOUR, friday + 3 * DAY - HOUR))
    assert [(run.at, run.coalesced) for run in found.runs] == [(friday, 1)]
    assert [each.first for each in found.excluded] == [friday + DAY, friday + 2 * DAY]


def test_a_long_silence_inside_a_freeze_is_told_in_bounded_rows() -> None:
    freeze = FreezeSpan(id=1, name="f", reason="r", starts_at=EPOCH, ends_at=None)
    trigger = parse_trigger("interval", "1s", "UTC", EPOCH)
    found = plan(trigger, Rule(freezes=(freeze,)), due(EPOCH, EPOCH + timedelta(days=365)))
    assert len(found.excluded) < 250
    assert sum(each.count for each in found.excluded) == 365 * 86400
    assert found.cursor_at == EPOCH + timedelta(days=365)


def test_an_open_ended_freeze_has_no_next_open_time_and_is_counted() -> None:
    freeze = FreezeSpan(id=1, name="f", reason="r", starts_at=EPOCH + DAY, ends_at=None)
    trigger = OpenTrigger(cron("0 * * * *"), Rule(freezes=(freeze,)), EPOCH + 5 * DAY)
    assert trigger.next_after(EPOCH + 2 * DAY) is None
    assert trigger.count(EPOCH, EPOCH + 5 * DAY) == 23  # the one at the freeze's own beginning is frozen


# --- laws ---

marks = st.dictionaries(
    st.integers(0, 40).map(lambda n: date(2026, 3, 10) + timedelta(days=n)),
    st.sampled_from([DayMark(False, "h"), DayMark(True, "w")]),
    max_size=20,
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"])
expressions = st.sampled_from(
    ["0 9 * * *", "30 2 * * *", "0 */6 * * *", "0 9 22,29 * *", "0 9,15 * * 6", "30 2 * * 0", "*/30 1-3 * * 0,6"]
)
starts = datetime(2026, 3, 16, tzinfo=UTC)
steps = st.lists(st.integers(1, 60 * 60 * 70).map(lambda n: timedelta(seconds=n)), min_size=3, max_size=12)


@settings(max_examples=30, deadline=None)
@given(expressions, zones, zones, marks, st.sampled_from(["skip", "run_before", "run_after"]), steps)
def test_law_each_nominal_instant_gets_one_fate_and_no_moment_two_runs(
    expression, zone, place, days, policy, pauses
) -> None:
    """However the ticks fall: one run, or one row that says why not; each run at the moment its outcome says."""
    trigger = cron(expression, zone)
    freeze = FreezeSpan(id=1, name="f", reason="", starts_at=starts + 9 * DAY, ends_at=starts + 10 * DAY)
    rule = Rule(calendar=WorkCalendar(timezone=place, days=days), policy=policy, freezes=(freeze,))
    cursor = now = starts
    ran: dict[datetime, datetime | None] = {}
    told: Counter[datetime] = Counter()
    for pause in pauses:
        now += pause
        found = plan(trigger, rule, due(cursor, now, "catch_up", grace=timedelta(days=7)))
        assert not found.missed
        for run in found.runs:
            assert run.at not in ran
            ran[run.at] = run.outcome.at if run.outcome else run.at
        told.update(each.first for each in found.excluded)
        assert found.next_at is None or found.next_at > found.cursor_at
        cursor = found.cursor_at
    expected = trigger.between(starts, now, 10_000)
    for nominal in expected:
        outcome = outcome_of(trigger, rule, nominal)
        if outcome.what in (RUNS, MOVED) and outcome.at is not None and outcome.at > starts:
            assert ran[nominal] == outcome.at
        else:
            assert nominal not in ran
            assert told[nominal] == 1
    moments = Counter(ran.values())
    assert not [moment for moment, count in moments.items() if count > 1]


@settings(max_examples=20, deadline=None)
@given(expressions, zones, marks, st.sampled_from(["run_before", "skip"]))
def test_law_looking_only_at_the_moments_it_names_sees_everything(expression, zone, days, policy) -> None:
    """Beat sleeps until `next_at`: nothing may come due in between."""
    trigger = cron(expression, zone)
    rule = Rule(calendar=WorkCalendar(timezone=zone, days=days), policy=policy)
    cursor, ran = starts, set()
    until = starts + 20 * DAY
    moment = next_moment(trigger, rule, cursor)
    while moment is not None and moment <= until:
        found = plan(trigger, rule, due(cursor, moment))
        ran |= {run.at for run in found.runs}
        assert all((run.outcome.at if run.outcome else run.at) == moment for run in found.runs)
        cursor, moment = found.cursor_at, found.next_at
    for nominal in trigger.between(starts, until, 10_000):
        outcome = outcome_of(trigger, rule, nominal)
        does_run = outcome.what in (RUNS, MOVED) and outcome.at is not None and starts < outcome.at
        assert (nominal in ran) == does_run


@settings(max_examples=30, deadline=None)
@given(expressions, zones, marks, st.integers(1, 30 * 24))
def test_law_open_times_are_counted_as_they_are_listed(expression, zone, days, hours) -> None:
    window = Window(name="w", weekdays=frozenset({2, 6}), start=time(22), end=time(10), timezone=zone)
    until = starts + timedelta(hours=hours)
    rule = Rule(calendar=WorkCalendar(timezone=zone, days=days), windows=(window,))
    trigger = OpenTrigger(cron(expression, zone), rule, until)
    assert trigger.count(starts, until) == len(trigger.between(starts, until, 100_000))


@pytest.mark.parametrize(
    ("policy", "after", "expected"),
    [
        ("skip", "2026-11-20T10:00Z", "2026-11-23T09:00Z"),  # a Friday; Saturday and Sunday are closed
        ("run_after", "2026-11-20T10:00Z", "2026-11-23T09:00Z"),
        ("run_before", "2026-11-20T08:00Z", "2026-11-20T09:00Z"),
        ("skip", "2026-11-19T08:00Z", "2026-11-19T09:00Z"),
    ],
)
def test_the_next_start_is_an_open_moment(policy, after, expected) -> None:
    rule = Rule(calendar=WEEK, policy=policy)
    assert next_start(cron("0 9 * * *"), rule, at(after.replace("Z", "+00:00"))) == at(expected.replace("Z", "+00:00"))


def test_the_next_start_may_be_where_a_closed_time_is_moved_to() -> None:
    saturdays = cron("0 9 * * 6")
    friday = at("2026-11-20T08:00+00:00")
    assert next_start(saturdays, Rule(calendar=WEEK, policy="run_before"), friday) == at("2026-11-20T09:00+00:00")
    assert next_start(saturdays, Rule(calendar=WEEK, policy="run_after"), friday) == at("2026-11-23T09:00+00:00")
    assert next_start(saturdays, Rule(calendar=WEEK, policy="skip"), friday) is None


def test_without_a_rule_the_next_start_is_the_next_fire_time() -> None:
    after = at("2026-11-20T10:00+00:00")
    assert next_start(cron("0 9 * * *"), Rule(), after) == at("2026-11-21T09:00+00:00")
