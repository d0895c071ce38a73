"""The fire ledger: each due moment has one fate, and the sums come out."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobs import fireledger
from jobs.fates import Fate
from jobs.models import Outage, Run, Schedule
from jobs.queries.fireledger import Period, fire_counts, fire_ledger, later_runs
from jobs.scheduling.tick import tick
from jobs.states import Origin, ReasonCode, RunStatus
from jobs.timetable import schedule_saved
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
T0 = base.NOW
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def every_minute(job, **fields):
    values = {"kind": "interval", "timezone": "UTC", "at": T0, "next_fire_at": T0 + MINUTE, **fields}
    return base.schedule(job, "1m", **values)


def ledger(since=T0, until=T0 + timedelta(hours=1), now=None, **options):
    period = Period(since=since, until=until)
    return fire_ledger(Run.objects.all(), Schedule.objects.all(), period, now=now or until, **options)


def fates(found):
    return {fate: number for fate, number in found.counts.items() if number}


def tick_all(now):
    while tick(now).has_more:
        pass


def end(status=RunStatus.SUCCEEDED, late=timedelta(0), **changes):
    """Every queued run ends so."""
    for run in Run.objects.filter(status=RunStatus.QUEUED):
        started = run.scheduled_for + late
        Run.objects.filter(pk=run.pk).update(status=status, started_at=started, ended_at=started + SECOND, **changes)


def tick_each_minute(minutes):
    for minute in range(1, minutes + 1):
        tick_all(T0 + minute * MINUTE)
        end()


# --- each fate, brought about -----------------------------------------------------------------------------------------


def test_runs_that_started_in_time_ran_on_time():
    every_minute(rows.job())
    tick_each_minute(3)
    found = ledger(now=T0 + 3 * MINUTE)
    assert fates(found) == {Fate.ON_TIME: 3}
    assert (found.expected, found.ran) == (3, 3)


def test_a_start_after_the_grace_is_late():
    every_minute(rows.job(), grace=timedelta(seconds=30))
    tick_all(T0 + MINUTE)
    end(late=timedelta(seconds=31))
    [moment] = ledger(now=T0 + MINUTE).moments
    assert (moment.fate, moment.late_by) == (Fate.LATE, timedelta(seconds=31))


def test_without_a_grace_a_minute_is_late():
    every_minute(rows.job(), grace=timedelta(0))
    tick_all(T0 + MINUTE)
    end(late=timedelta(seconds=60))
    assert fates(ledger(now=T0 + MINUTE)) == {Fate.ON_TIME: 1}
    Run.objects.update(started_at=T0 + 2 * MINUTE + SECOND)
    assert fates(ledger(now=T0 + MINUTE)) == {Fate.LATE: 1}


@pytest.mark.parametrize(
    "status",
    [RunStatus.BUSINESS_FAILURE, RunStatus.TECHNICAL_FAILURE, RunStatus.TIMED_OUT, RunStatus.LOST],
)
def test_a_run_that_ended_badly_ran_and_failed(status):
    every_minute(rows.job())
    tick_all(T0 + MINUTE)
    end(status, reason_code=ReasonCode.TIMEOUT)
    found = ledger(now=T0 + MINUTE)
    assert fates(found) == {Fate.FAILED: 1}
    assert found.reasons == {(Fate.FAILED, ReasonCode.TIMEOUT): 1}


def test_waiting_running_and_cancelled_are_told_apart():
    job = rows.job(overlap="allow", overlap_limit=3)
    every_minute(job)
    for minute in (1, 2, 3):
        tick_all(T0 + minute * MINUTE)
    first, second, _third = Run.objects.order_by("scheduled_for")
    rows.take(rows.node())
    Run.objects.filter(pk=second.pk).update(status=RunStatus.CANCELLED, reason_code=ReasonCode.CANCELLED_BY_USER)
    first.refresh_from_db()
    assert first.status == RunStatus.RUNNING
    assert fates(ledger(now=T0 + 3 * MINUTE)) == {Fate.RUNNING: 1, Fate.CANCELLED: 1, Fate.WAITING: 1}


def test_a_fire_time_in_the_way_of_another_is_skipped_by_its_reason():
    job = rows.job()
    every_minute(job)
    rows.queued(job)
    tick_all(T0 + MINUTE)
    found = ledger(now=T0 + MINUTE)
    assert fates(found) == {Fate.SKIPPED: 1}
    assert found.reasons == {(Fate.SKIPPED, ReasonCode.OVERLAP): 1}


@pytest.mark.parametrize(("code", "fate"), [(ReasonCode.CALENDAR, Fate.CALENDAR), (ReasonCode.FROZEN, Fate.FROZEN)])
def test_what_a_calendar_or_a_freeze_left_out_says_so(code, fate):
    every_minute(rows.job())
    tick_all(T0 + MINUTE)
    Run.objects.update(status=RunStatus.SKIPPED, reason_code=code)
    assert fates(ledger(now=T0 + MINUTE)) == {fate: 1}


def test_what_beat_has_not_decided_is_open_and_not_lost():
    every_minute(rows.job())
    tick_each_minute(2)
    found = ledger(now=T0 + 5 * MINUTE)
    assert fates(found) == {Fate.ON_TIME: 2, Fate.UNDECIDED: 3}
    assert [moment.at for moment in found.moments if moment.fate == Fate.UNDECIDED] == [
        T0 + minute * MINUTE for minute in (3, 4, 5)
    ]


def test_a_hole_in_the_ledger_is_unaccounted_for():
    every_minute(rows.job())
    tick_each_minute(5)
    Run.objects.filter(scheduled_for=T0 + 3 * MINUTE).delete()
    found = ledger(now=T0 + 5 * MINUTE)
    assert fates(found) == {Fate.ON_TIME: 4, Fate.UNACCOUNTED: 1}
    [hole] = [moment for moment in found.moments if moment.fate == Fate.UNACCOUNTED]
    assert (hole.at, hole.run_id) == (T0 + 3 * MINUTE, None)


def test_a_stray_row_does_not_hide_a_hole():
    every_minute(rows.job())
    tick_each_minute(5)
    Run.objects.filter(scheduled_for=T0 + 3 * MINUTE).update(scheduled_for=T0 + 3 * MINUTE + SECOND)
    assert fates(ledger(now=T0 + 5 * MINUTE))[Fate.UNACCOUNTED] == 1


# --- ten minutes without beat, under each policy ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "ran", "missed"),
    [("skip", 5, 5), ("run_once", 1, 9), ("catch_up", 10, 0)],
)
def test_ten_minutes_without_beat_leave_no_moment_unaccounted_for(policy, ran, missed):
    job = rows.job(overlap="allow", overlap_limit=50)
    every_minute(job, misfire=policy, grace=timedelta(minutes=5) - SECOND)
    assert fates(ledger(now=T0 + 10 * MINUTE)) == {Fate.UNDECIDED: 10}
    tick_all(T0 + 10 * MINUTE)
    end()
    found = ledger(now=T0 + 10 * MINUTE)
    assert found.counts.get(Fate.ON_TIME, 0) == ran
    assert found.counts.get(Fate.MISSED, 0) == missed
    assert [moment.at for moment in found.moments] == [T0 + minute * MINUTE for minute in range(1, 11)]


def test_rows_that_stand_for_a_hundred_instants_are_listed_one_by_one():
    every_minute(rows.job(), misfire="skip")
    tick_all(T0 + timedelta(hours=10))
    assert Run.objects.filter(coalesced__gt=1).exists()
    found = ledger(until=T0 + timedelta(hours=10, seconds=1))
    assert found.expected == 600
    assert len({moment.at for moment in found.moments}) == 600


def test_a_period_that_begins_inside_such_a_row_lists_its_part():
    every_minute(rows.job(), misfire="skip")
    tick_all(T0 + timedelta(hours=10))
    found = ledger(since=T0 + 30 * MINUTE, until=T0 + 40 * MINUTE, now=T0 + timedelta(hours=10))
    assert [moment.at for moment in found.moments] == [T0 + minute * MINUTE for minute in range(30, 40)]
    assert fates(found) == {Fate.MISSED: 10}


def test_an_edit_afterwards_hides_no_instant():
    schedule = every_minute(rows.job(), misfire="skip")
    tick_all(T0 + timedelta(hours=10))
    schedule.refresh_from_db()
    schedule.expression = "7m"
    schedule_saved(schedule, now=T0 + timedelta(hours=11), is_job_enabled=True)
    schedule.save()
    found = ledger(until=T0 + timedelta(hours=10, seconds=1))
    assert found.expected == len(found.moments) == 600


def test_a_deleted_schedule_leaves_its_moments():
    schedule = every_minute(rows.job(), misfire="skip")
    tick_all(T0 + timedelta(hours=10))
    schedule.delete()
    found = ledger(until=T0 + timedelta(hours=10, seconds=1))
    assert found.expected == len(found.moments) == 600


def test_a_span_without_its_rule_is_still_counted():
    schedule = every_minute(rows.job(), misfire="skip")
    tick_all(T0 + timedelta(hours=10))
    Run.objects.update(reason_args={})
    schedule.delete()
    assert ledger(until=T0 + timedelta(hours=10, seconds=1)).expected == 600


def test_a_disabled_schedule_expects_nothing():
    schedule = every_minute(rows.job())
    tick_each_minute(2)
    schedule.refresh_from_db()
    schedule.is_enabled = False
    schedule_saved(schedule, now=T0 + 2 * MINUTE, is_job_enabled=True, same_trigger=True)
    schedule.save()
    assert fates(ledger(now=T0 + 9 * MINUTE)) == {Fate.ON_TIME: 2}


def test_what_retention_may_have_deleted_is_not_called_lost():
    job = rows.job()
    every_minute(job, misfire="skip")
    tick_all(T0 + timedelta(hours=10))
    Run.objects.all().delete()
    assert fates(ledger(now=T0 + timedelta(hours=20)))[Fate.UNACCOUNTED] == 59
    type(job).objects.update(run_days=2)
    later = T0 + timedelta(days=3)
    assert Fate.UNACCOUNTED not in fates(ledger(now=later))


def test_a_run_that_its_calendar_moved_is_late_by_its_own_time_only():
    every_minute(rows.job())
    tick_all(T0 + MINUTE)
    moved = T0 + timedelta(days=2)
    Run.objects.update(status=RunStatus.SUCCEEDED, not_before=moved, started_at=moved + SECOND, created_at=T0 + MINUTE)
    assert fates(ledger(now=T0 + MINUTE)) == {Fate.ON_TIME: 1}


def test_a_rule_that_cannot_be_read_takes_no_row_away():
    schedule = every_minute(rows.job())
    tick_each_minute(2)
    Schedule.objects.filter(pk=schedule.pk).update(expression="rubbish")
    assert fates(ledger(now=T0 + 2 * MINUTE)) == {Fate.ON_TIME: 2}


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_too_many_moments_give_sums_only():
    every_minute(rows.job())
    tick_each_minute(6)
    found = ledger(now=T0 + 6 * MINUTE, limit=5)
    assert found.too_many
    assert found.moments == ()
    assert found.expected == 6


def test_a_year_of_missed_seconds_is_refused_without_listing_it():
    base.schedule(rows.job(), "1s", kind="interval", timezone="UTC", at=T0, next_fire_at=T0 + SECOND, misfire="skip")
    tick_all(T0 + timedelta(days=365))
    assert ledger(until=T0 + timedelta(days=31), now=T0 + timedelta(days=365)).too_many


def test_the_number_of_statements_does_not_grow_with_the_moments():
    every_minute(rows.job(overlap="allow", overlap_limit=500), misfire="catch_up")
    tick_all(T0 + 3 * MINUTE)
    with CaptureQueriesContext(
        connection,
    ) as few:
        ledger(now=T0 + 3 * MINUTE)
    tick_all(T0 + 90 * MINUTE)
    with CaptureQueriesContext(connection) as many:
        ledger(until=T0 + 100 * MINUTE, now=T0 + 90 * MINUTE)
    assert len(many) == len(few)


def test_the_card_counts_as_the_ledger_does():
    every_minute(rows.job(), misfire="skip")
    tick_all(T0 + timedelta(hours=10))
    end()
    now = T0 + timedelta(hours=10, minutes=3)
    counts = fire_counts(Run.objects.all(), Schedule.objects.all(), since=T0, now=now)
    found = ledger(until=now + SECOND, now=now)
    assert sum(counts.values()) == found.expected
    assert counts[Fate.MISSED] == found.counts[Fate.MISSED]
    assert counts[Fate.UNDECIDED] == 3


# --- clocks that change -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("0 * * * *", 25), ("30 1 * * *", 1), ("*/15 * * * *", 100), ("30 2 * * *", 1), ("0 0 * * *", 1)],
)
def test_the_day_on_which_clocks_go_back_comes_out(expression, expected):
    midnight = datetime(2026, 10, 25, tzinfo=UTC) - timedelta(hours=2)  # Berlin, summer time
    base.schedule(
        rows.job(overlap="allow", overlap_limit=500), expression, timezone="Europe/Berlin", at=midnight - SECOND,
        next_fire_at=midnight, misfire="skip",
    )  # fmt: skip
    day = timedelta(hours=25)
    tick_all(midnight + day - SECOND)
    found = ledger(since=midnight, until=midnight + day)
    assert found.expected == expected
    assert Fate.UNACCOUNTED not in fates(found)


def test_five_schedules_of_one_job_are_each_accounted_for():
    job = rows.job(overlap="allow", overlap_limit=500)
    for every in ("1m", "2m", "3m", "7m", "11m"):
        base.schedule(job, every, kind="interval", timezone="UTC", at=T0, next_fire_at=T0 + MINUTE, misfire="skip")
    tick_all(T0 + 30 * MINUTE)
    found = ledger(now=T0 + 30 * MINUTE)
    assert found.expected == 30 + 15 + 10 + 4 + 2
    assert sum(found.counts.values()) == found.expected
    assert len(found.moments) == found.expected


# --- who ran it later, and what was to blame --------------------------------------------------------------------------


def test_a_missed_moment_names_the_run_that_came_later():
    job = rows.job()
    every_minute(job, misfire="skip", grace=SECOND)
    tick_all(T0 + 2 * MINUTE + 2 * SECOND)
    moments = ledger(now=T0 + 3 * MINUTE - SECOND).moments
    run = base.run(job, at=T0 + MINUTE, origin=Origin.BACKFILL)
    base.run(job, RunStatus.CANCELLED, at=T0 + 2 * MINUTE, origin=Origin.BACKFILL)
    assert later_runs(Run.objects.all(), moments) == {(job.pk, T0 + MINUTE): run.pk}


def test_the_headline_says_what_was_silent_and_when():
    every_minute(rows.job(), misfire="skip", grace=SECOND)
    tick_each_minute(3)
    tick_all(T0 + 5 * MINUTE + 2 * SECOND)
    Outage.objects.create(subject="beat", began_at=T0 + 190 * SECOND, noticed_at=T0, ended_at=T0 + 301 * SECOND)
    found = ledger(now=T0 + 5 * MINUTE + 2 * SECOND)
    blamed = fireledger.blame(found, Outage.objects.all(), now=T0 + 6 * MINUTE)
    assert fireledger.headline(found, blamed) == "Expected 5, ran 3, 2 missed: Scheduler silent 20:03–20:05."
    assert not fireledger.is_whole(found)


def test_the_headline_of_a_quiet_day():
    assert fireledger.headline(ledger(), []) == "Nothing was due in this period."
    assert fireledger.is_whole(ledger())


# --- the law ----------------------------------------------------------------------------------------------------------

HISTORY = st.lists(
    st.tuples(
        st.integers(0, 40),  # minutes that pass before beat looks again
        st.sampled_from([None, RunStatus.SUCCEEDED, RunStatus.LOST, RunStatus.CANCELLED, RunStatus.SKIPPED]),
    ),
    max_size=6,
)


class TestTheSums(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(history=HISTORY, policy=st.sampled_from(["skip", "run_once", "catch_up"]), start=st.integers(0, 60))
    def test_expected_is_the_sum_of_the_fates_for_any_history(self, history, policy, start):
        job = rows.job(overlap="allow", overlap_limit=500)
        schedule = every_minute(job, misfire=policy, grace=2 * MINUTE)
        now = T0
        for minutes, status in history:
            now += minutes * MINUTE
            tick_all(now)
            if status:
                code = "" if status == RunStatus.SUCCEEDED else ReasonCode.INTERNAL
                end(status, reason_code=code)
        found = ledger(since=T0 + start * MINUTE, until=now + 5 * MINUTE, now=now + 2 * MINUTE)
        first = T0 + max(start, 1) * MINUTE
        due = max(0, (now + 2 * MINUTE - first) // MINUTE + 1)
        assert found.expected == sum(found.counts.values()) == due
        assert [moment.at for moment in found.moments] == [first + n * MINUTE for n in range(due)]
        assert Fate.UNACCOUNTED not in fates(found)
        assert schedule.pk in {moment.schedule_id for moment in found.moments} or not due
