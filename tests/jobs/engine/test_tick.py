"""The tick: due schedules become runs, once."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from jobs import freezes
from jobs.models import Run, RunEvent, Schedule
from jobs.runs import claim_order
from jobs.scheduling.tick import tick
from jobs.states import ReasonCode, RunStatus
from portal.lib.failpoints import FailpointReached, armed
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
T0 = base.NOW
MINUTE = timedelta(minutes=1)


def every_minute(job, **fields):
    values = {"kind": "interval", "timezone": "UTC", "at": T0, "next_fire_at": T0 + MINUTE, **fields}
    return base.schedule(job, "1m", **values)


def test_a_due_schedule_becomes_one_run_and_moves_on():
    schedule = every_minute(rows.job())
    tick(T0 + MINUTE)
    run = Run.objects.get()
    schedule.refresh_from_db()
    assert (run.status, run.scheduled_for) == (RunStatus.QUEUED, T0 + MINUTE)
    assert (schedule.cursor_at, schedule.next_fire_at) == (T0 + MINUTE, T0 + 2 * MINUTE)
    assert RunEvent.objects.get().new == RunStatus.QUEUED


def test_a_second_tick_at_the_same_moment_creates_nothing():
    every_minute(rows.job())
    tick(T0 + MINUTE)
    assert tick(T0 + MINUTE).runs == 0
    assert Run.objects.count() == 1


def test_an_instant_another_beat_has_written_is_not_written_again():
    schedule = every_minute(rows.job())
    tick(T0 + MINUTE)
    Schedule.objects.filter(pk=schedule.pk).update(cursor_at=T0, next_fire_at=T0 + MINUTE)  # as if never seen
    tick(T0 + MINUTE)
    assert Run.objects.count() == RunEvent.objects.count() == 1


def test_nothing_fires_before_its_time():
    every_minute(rows.job())
    assert tick(T0 + MINUTE - timedelta(seconds=1)).runs == 0


def test_a_fire_time_that_meets_an_active_run_is_skipped_and_names_it():
    job = rows.job()
    every_minute(job)
    first = rows.queued(job)
    tick(T0 + MINUTE)
    run = Run.objects.get(schedule__isnull=False)
    assert (run.status, run.reason_code) == (RunStatus.SKIPPED, ReasonCode.OVERLAP)
    assert f"#{first.pk}" in run.reason


def test_allow_lets_every_fire_time_run():
    job = rows.job(overlap="allow", overlap_limit=5)
    every_minute(job)
    rows.queued(job)
    tick(T0 + MINUTE)
    assert Run.objects.filter(status=RunStatus.QUEUED).count() == 2


def test_a_full_waiting_line_skips_the_next():
    job = rows.job(overlap="queue", overlap_limit=1)
    every_minute(job)
    rows.queued(job)
    rows.queued(job)
    tick(T0 + MINUTE)
    assert Run.objects.get(schedule__isnull=False).reason_code == ReasonCode.OVERLAP_QUEUE_FULL


def test_ten_minutes_of_silence_run_once_and_list_the_rest():
    every_minute(rows.job(), misfire="run_once")
    tick(T0 + 10 * MINUTE)
    ran = Run.objects.get(status=RunStatus.QUEUED)
    assert ran.scheduled_for == T0 + 10 * MINUTE
    assert ran.coalesced == 10
    assert Run.objects.filter(status=RunStatus.MISSED, reason_code=ReasonCode.MISFIRE).count() == 9


def test_a_disabled_job_fires_nothing_and_its_schedule_rests():
    schedule = every_minute(rows.job(is_enabled=False))
    assert tick(T0 + MINUTE).runs == 0
    schedule.refresh_from_db()
    assert schedule.next_fire_at is None


def test_a_disabled_tenants_fire_times_are_skipped_with_a_reason():
    job = rows.job()
    job.tenant.is_active = False
    job.tenant.save()
    every_minute(job)
    tick(T0 + MINUTE)
    assert Run.objects.get().reason_code == ReasonCode.TENANT_DISABLED


def test_a_once_schedule_fires_once_and_ends():
    schedule = base.schedule(rows.job(), "2026-11-20T12:05:00+00:00", kind="once", timezone="UTC")
    tick(T0 + 5 * MINUTE)
    schedule.refresh_from_db()
    assert Run.objects.count() == 1
    assert schedule.next_fire_at is None


def test_a_scheduled_run_has_its_parameters_defaults():
    every_minute(rows.job(run_params=[{"name": "day", "type": "int", "default": 3}, {"name": "who"}]))
    tick(T0 + MINUTE)
    assert Run.objects.get().params == {"day": 3}


def test_a_batch_that_is_full_says_there_is_more():
    for index in range(3):
        every_minute(rows.job(f"j{index}"))
    assert tick(T0 + MINUTE, batch=2).has_more
    assert not tick(T0 + MINUTE, batch=2).has_more
    assert Run.objects.count() == 3


def test_a_spread_run_waits_and_keeps_its_fire_time():
    job = rows.job(priority=6)
    every_minute(job, jitter=10 * MINUTE)
    rung: list[str] = []
    tick(T0 + MINUTE, ring=lambda queues, at=None: rung.extend(queues))
    run = Run.objects.get()
    assert run.scheduled_for == T0 + MINUTE < run.not_before < T0 + 11 * MINUTE
    assert run.claim_order_at == claim_order(run.not_before, 6)
    assert rung == []


def test_a_batch_costs_the_same_statements_whatever_its_size():
    def statements(of: str) -> int:
        freezes.forget()  # they are read once a second
        with CaptureQueriesContext(connection) as seen:
            tick(T0 + MINUTE)
        assert Run.objects.filter(job__slug__startswith=of, status=RunStatus.QUEUED).exists()
        return len(seen)

    every_minute(rows.job("warm"))
    tick(T0 + MINUTE)
    every_minute(rows.job("one"))
    one = statements("one")
    for index in range(30):
        every_minute(rows.job(f"many{index}"))
    assert statements("many") == one
    assert one < 20


def test_what_catching_up_left_out_says_so_and_leaves_an_event():
    every_minute(rows.job(overlap="allow", overlap_limit=500), misfire="catch_up")
    tick(T0 + 200 * MINUTE)
    left_out = Run.objects.filter(status=RunStatus.MISSED)
    assert left_out.count() == 200 - 5 - 1 - 100
    assert {row.reason_args["key"] for row in left_out} == {"misfire.catch_up_full"}
    assert RunEvent.objects.filter(new=RunStatus.MISSED, reason_args__key="misfire.catch_up_full").count() == 94


def test_a_defect_in_one_schedule_holds_up_no_other(caplog):
    broken, whole = every_minute(rows.job("a")), every_minute(rows.job("b"))
    Schedule.objects.filter(pk=broken.pk).update(expression="not a duration")
    assert tick(T0 + MINUTE).runs == 1
    broken.refresh_from_db()
    assert broken.next_fire_at is None
    assert "can't be read" in caplog.text
    assert Run.objects.get().schedule_id == whole.pk


def test_a_tick_that_dies_before_its_commit_leaves_nothing():
    schedule = every_minute(rows.job())
    with armed("tick.before_commit=raise"), pytest.raises(FailpointReached), transaction.atomic():
        tick(T0 + MINUTE)
    schedule.refresh_from_db()
    assert (Run.objects.count(), RunEvent.objects.count()) == (0, 0)
    assert schedule.cursor_at == T0
    assert tick(T0 + MINUTE).runs == 1


@pytest.mark.parametrize(
    ("policy", "queued", "missed"),
    [("skip", 6, 4), ("run_once", 1, 9), ("catch_up", 10, 0)],
)
def test_ten_minutes_without_a_beat_under_each_policy(policy, queued, missed):
    every_minute(rows.job(overlap="allow", overlap_limit=50), misfire=policy)
    tick(T0 + 10 * MINUTE)
    found = Run.objects.order_by("scheduled_for")
    assert [found.filter(status=status).count() for status in ("queued", "missed")] == [queued, missed]
    assert [run.scheduled_for for run in found] == [T0 + n * MINUTE for n in range(1, 11)]
    assert tick(T0 + 11 * MINUTE).runs == 1
    assert not tick(T0 + 11 * MINUTE).schedules
