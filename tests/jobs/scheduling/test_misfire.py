from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.policies import MisfirePolicy
from jobs.scheduling.misfire import MAX_RUNS, Missed, decide
from jobs.scheduling.triggers import CronTrigger, IntervalTrigger, OnceTrigger

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
GRACE = timedelta(minutes=5)
MINUTELY = CronTrigger("* * * * *", "Asia/Shanghai")
HOURLY = CronTrigger("0 * * * *", "UTC")


def decided(trigger, down_for, policy, now=NOON, grace=GRACE):
    return decide(trigger, cursor_at=now - down_for, now=now, grace=grace, policy=policy)


def minutes_ago(instant):
    return int((NOON - instant).total_seconds()) // 60


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_fire_times_within_the_grace_all_run_whatever_the_policy(policy):
    decision = decided(MINUTELY, timedelta(minutes=5), policy)
    assert [minutes_ago(run.at) for run in decision.runs] == [4, 3, 2, 1, 0]
    assert {run.coalesced for run in decision.runs} == {1}
    assert (decision.missed, decision.cursor_at, decision.has_more) == ((), NOON, False)


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_nothing_due_leaves_the_cursor_where_it_was(policy):
    cursor = NOON - timedelta(minutes=30)
    decision = decide(HOURLY, cursor_at=cursor, now=NOON - timedelta(minutes=1), grace=GRACE, policy=policy)
    assert (decision.runs, decision.missed, decision.cursor_at) == ((), (), cursor)


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_a_clock_that_went_back_fires_nothing(policy):
    decision = decide(MINUTELY, cursor_at=NOON, now=NOON - timedelta(hours=1), grace=GRACE, policy=policy)
    assert (decision.runs, decision.missed, decision.cursor_at) == ((), (), NOON)


@pytest.mark.parametrize(("late", "is_missed"), [(timedelta(0), False), (timedelta(microseconds=1), True)])
def test_a_fire_time_exactly_as_old_as_the_grace_is_in_time(late, is_missed):
    now = NOON + GRACE + late
    decision = decide(OnceTrigger(NOON), cursor_at=NOON - GRACE, now=now, grace=GRACE, policy=MisfirePolicy.SKIP)
    assert bool(decision.missed) == is_missed
    assert bool(decision.runs) != is_missed
    assert decision.cursor_at == NOON


def test_skip_writes_every_late_fire_time_down_and_runs_the_rest():
    decision = decided(MINUTELY, timedelta(minutes=10), MisfirePolicy.SKIP)
    assert [minutes_ago(span.first) for span in decision.missed] == [9, 8, 7, 6]
    assert all(span.first == span.last and span.count == 1 for span in decision.missed)
    assert [minutes_ago(run.at) for run in decision.runs] == [5, 4, 3, 2, 1, 0]
    assert decision.cursor_at == NOON


def test_skip_with_nothing_in_time_moves_the_cursor_past_the_missed_ones():
    decision = decided(HOURLY, timedelta(hours=3), MisfirePolicy.SKIP, now=NOON + timedelta(minutes=30))
    assert decision.runs == ()
    assert [span.first.hour for span in decision.missed] == [10, 11, 12]
    assert decision.cursor_at == NOON


def test_more_than_a_hundred_missed_become_spans_of_a_hundred():
    decision = decided(MINUTELY, timedelta(hours=5), MisfirePolicy.SKIP)
    assert [span.count for span in decision.missed] == [100, 100, 94]
    assert minutes_ago(decision.missed[0].first) == 299
    assert minutes_ago(decision.missed[0].last) == 200
    assert minutes_ago(decision.missed[-1].last) == 6


def test_run_once_runs_the_newest_for_all_the_others():
    decision = decided(HOURLY, timedelta(hours=3), MisfirePolicy.RUN_ONCE, now=NOON + timedelta(minutes=30))
    assert [(run.at, run.coalesced) for run in decision.runs] == [(NOON, 3)]
    assert [span.first.hour for span in decision.missed] == [10, 11]
    assert decision.cursor_at == NOON


def test_run_once_takes_the_newest_even_if_it_is_in_time():
    decision = decided(MINUTELY, timedelta(minutes=10), MisfirePolicy.RUN_ONCE)
    assert [(run.at, run.coalesced) for run in decision.runs] == [(NOON, 10)]
    assert len(decision.missed) == 9


def test_run_once_of_a_single_late_fire_time_misses_nothing():
    trigger = OnceTrigger(NOON - timedelta(hours=2))
    decision = decided(trigger, timedelta(hours=3), MisfirePolicy.RUN_ONCE)
    assert [(run.at, run.coalesced) for run in decision.runs] == [(trigger.at, 1)]
    assert (decision.missed, decision.cursor_at) == ((), trigger.at)


def test_catch_up_runs_everything_oldest_first():
    decision = decided(HOURLY, timedelta(hours=3), MisfirePolicy.CATCH_UP, now=NOON + timedelta(minutes=2))
    assert [run.at.hour for run in decision.runs] == [10, 11, 12]
    assert (decision.missed, decision.is_alert) == ((), False)


def test_catch_up_beyond_a_hundred_misses_the_rest_and_tells_somebody():
    decision = decided(MINUTELY, timedelta(hours=2), MisfirePolicy.CATCH_UP)
    assert len(decision.runs) == MAX_RUNS + 6
    assert [minutes_ago(run.at) for run in decision.runs[:2]] == [119, 118]
    assert [minutes_ago(span.first) for span in decision.missed] == list(range(19, 5, -1))
    assert decision.is_alert
    assert decision.cursor_at == NOON


def test_many_fire_times_in_time_come_in_portions():
    every_second = IntervalTrigger(timedelta(seconds=1), NOON - timedelta(days=1))
    first = decided(every_second, timedelta(seconds=150), MisfirePolicy.RUN_ONCE)
    assert (len(first.runs), first.has_more) == (100, True)
    second = decide(every_second, cursor_at=first.cursor_at, now=NOON, grace=GRACE, policy=MisfirePolicy.RUN_ONCE)
    assert (len(second.runs), second.has_more, second.cursor_at) == (50, False, NOON)


@pytest.mark.parametrize("policy", MisfirePolicy)
@pytest.mark.parametrize(
    "trigger",
    [
        CronTrigger("* * * * * *", "America/New_York"),
        IntervalTrigger(timedelta(seconds=1), datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_year_of_every_second_is_decided_quickly_and_to_the_last_one(trigger, policy):
    started = perf_counter()
    decision = decided(trigger, timedelta(days=365), policy)
    assert perf_counter() - started < 3
    assert (
        sum(span.count for span in decision.missed)
        + len(decision.runs)
        + (0 if not decision.has_more else trigger.count(decision.cursor_at, NOON))
        == 365 * 86_400
    )
    assert len(decision.missed) <= 101
    assert decision.missed[-1] == Missed(
        first=decision.missed[-2].last + timedelta(seconds=1),
        last=decision.missed[-1].last,
        count=decision.missed[-1].count,
    )


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([
        MINUTELY,
        HOURLY,
        CronTrigger("*/7 1,2,3 * * *", "America/New_York"),
        CronTrigger("30 1,2 * * *", "Australia/Lord_Howe"),
        IntervalTrigger(timedelta(seconds=47), NOON - timedelta(days=900)),
        OnceTrigger(NOON - timedelta(hours=5)),
    ]),
    st.timedeltas(timedelta(0), timedelta(days=20)),
    st.timedeltas(timedelta(0), timedelta(hours=2)),
    st.sampled_from(MisfirePolicy),
)  # fmt: skip
def test_every_due_fire_time_is_decided_exactly_once(trigger, down_for, grace, policy):
    cursor, seen = NOON - down_for, 0
    due = trigger.count(cursor, NOON)
    while True:
        decision = decide(trigger, cursor_at=cursor, now=NOON, grace=grace, policy=policy)
        seen += len(decision.runs) + sum(span.count for span in decision.missed)
        for run in decision.runs:
            assert trigger.count(run.at - timedelta(microseconds=1), run.at) == 1
        for span in decision.missed:
            assert trigger.count(span.first - timedelta(microseconds=1), span.last) == span.count
        cursor = decision.cursor_at
        if not decision.has_more:
            break
    assert seen == due
    assert trigger.count(cursor, NOON) == 0
