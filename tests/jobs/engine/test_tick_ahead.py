"""A tick looks ahead: what only the clock decides is written before its moment, and as if it had been at it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.engine import invariants
from jobs.models import Calendar, Freeze, Run, RunEvent, Schedule
from jobs.scheduling.tick import AHEAD, tick
from jobs.states import Origin, ReasonCode, RunStatus, WaitReason
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
T0 = base.NOW
MINUTE = timedelta(minutes=1)
SOON = T0 + MINUTE - AHEAD / 2  # the next fire time is within reach of a tick at this moment
RUN_FIELDS = ("scheduled_for", "not_before", "created_at", "status", "wait_reason", "claim_order_at", "coalesced")
EVENT_FIELDS = ("run_id", "new", "at", "processed_at", "reason_code")


def every_minute(job, **fields):
    values = {"kind": "interval", "timezone": "UTC", "at": T0, "next_fire_at": T0 + MINUTE, **fields}
    return base.schedule(job, "1m", **values)


def written() -> tuple[list, list, list]:
    """What a tick leaves, but for the keys of its rows."""
    return (
        list(Run.objects.order_by("job__slug").values_list(*RUN_FIELDS)),
        list(RunEvent.objects.order_by("run__job__slug").values_list(*EVENT_FIELDS[1:])),
        list(Schedule.objects.order_by("job__slug").values_list("cursor_at", "next_fire_at")),
    )


@pytest.mark.parametrize("overlap", ["skip", "allow"])
def test_what_is_written_ahead_is_what_would_be_written_at_its_moment(overlap):
    for slug in ("a", "b"):
        every_minute(rows.job(slug, overlap=overlap, overlap_limit=5), jitter=timedelta(seconds=3 * (slug == "b")))
    assert tick(SOON, ahead=AHEAD).runs == 2
    early = written()
    assert tick(T0 + MINUTE).schedules == 0
    Run.objects.all().delete()
    Schedule.objects.update(cursor_at=T0, next_fire_at=T0 + MINUTE)
    assert tick(T0 + MINUTE).runs == 2
    assert written() == early
    assert early[0][0][:5] == (T0 + MINUTE, T0 + MINUTE, T0 + MINUTE, RunStatus.QUEUED, WaitReason.NONE)


def test_it_is_rung_for_with_its_moment_and_what_is_due_without():
    every_minute(rows.job("due"), at=T0 - MINUTE, next_fire_at=T0)
    every_minute(rows.job("soon", queue="gpu"))
    every_minute(rows.job("spread", queue="slow"), jitter=10 * MINUTE)
    rung: list[tuple] = []
    tick(SOON, ahead=AHEAD, ring=lambda queues, at=None: rung.append((list(queues), at)))
    assert sorted(rung) == [(["default"], None), (["gpu"], T0 + MINUTE)]
    assert Run.objects.count() == 3


def test_nobody_claims_it_before_its_moment(monkeypatch):
    every_minute(rows.job())
    tick(SOON, ahead=AHEAD)
    node = rows.node()
    monkeypatch.setattr("jobs.dbclock.now", lambda: SOON + AHEAD / 4)
    assert rows.take(node) is None
    monkeypatch.setattr("jobs.dbclock.now", lambda: T0 + MINUTE)
    assert rows.take(node).run.started_at == T0 + MINUTE


@pytest.mark.parametrize("overlap", ["queue", "cancel_previous"])
def test_a_policy_that_weighs_other_runs_is_asked_at_the_moment(overlap):
    schedule = every_minute(rows.job(overlap=overlap))
    assert tick(SOON, ahead=AHEAD).schedules == 0
    assert Schedule.objects.get(pk=schedule.pk).next_fire_at == T0 + MINUTE
    assert tick(T0 + MINUTE, ahead=AHEAD).runs == 1


def test_a_run_in_the_way_may_end_in_the_last_moment():
    job = rows.job()
    every_minute(job)
    other = rows.queued(job)
    assert tick(SOON, ahead=AHEAD).schedules == 0
    Run.objects.filter(pk=other.pk).delete()
    tick(T0 + MINUTE, ahead=AHEAD)
    assert Run.objects.get().status == RunStatus.QUEUED


def test_a_run_that_comes_into_the_way_in_the_last_moment_is_met_by_the_claim(monkeypatch):
    job = rows.job()
    every_minute(job)
    assert tick(SOON, ahead=AHEAD).runs == 1
    manual = rows.queued(job, origin=Origin.MANUAL, not_before=T0)
    node = rows.node()
    monkeypatch.setattr("jobs.dbclock.now", lambda: SOON)
    assert rows.take(node).run == manual
    monkeypatch.setattr("jobs.dbclock.now", lambda: T0 + MINUTE)
    assert rows.take(node) is None
    skipped = Run.objects.exclude(pk=manual.pk).get()
    assert (skipped.status, skipped.reason_code) == (RunStatus.SKIPPED, ReasonCode.OVERLAP)


def test_what_a_freeze_or_a_calendar_may_close_is_decided_at_its_moment():
    frozen, kept, plain = (rows.job(slug) for slug in ("frozen", "kept", "plain"))
    for job in (frozen, plain):
        every_minute(job)
    calendar = Calendar.objects.create(tenant=kept.tenant, name="office")
    every_minute(kept, calendar=calendar)
    freeze = Freeze.objects.create(
        tenant=frozen.tenant, name="audit", reason="audit", starts_at=T0 + MINUTE, ends_at=T0 + 2 * MINUTE
    )
    freeze.exempt_jobs.set([kept, plain])
    tick(SOON, ahead=AHEAD)
    assert [run.job.slug for run in Run.objects.all()] == ["plain"]


def test_a_freeze_that_is_over_is_no_reason_to_wait():
    job = rows.job()
    every_minute(job)
    Freeze.objects.create(
        tenant=job.tenant, name="audit", reason="audit", starts_at=T0 - 2 * MINUTE, ends_at=T0 - MINUTE
    )
    assert tick(SOON, ahead=AHEAD).runs == 1


@pytest.mark.parametrize(("overlap", "runs"), [("skip", 1), ("allow", 2)])
def test_a_job_with_two_near_moments_may_have_ended_the_first_run_by_the_second(overlap, runs):
    job = rows.job(overlap=overlap, overlap_limit=9)
    every_minute(job)
    every_minute(job, at=T0 + AHEAD / 4, next_fire_at=T0 + MINUTE + AHEAD / 4)
    assert tick(SOON, ahead=AHEAD).runs == runs
    assert not Run.objects.filter(status=RunStatus.SKIPPED).exists()


def test_two_schedules_of_a_job_at_one_moment_are_one_run_ahead_too():
    job = rows.job()
    every_minute(job), every_minute(job)
    assert tick(SOON, ahead=AHEAD).schedules == 2
    assert sorted(run.status for run in Run.objects.all()) == [RunStatus.QUEUED, RunStatus.SKIPPED]


def test_an_edit_in_the_last_moment_is_no_finding(monkeypatch):
    schedule = every_minute(rows.job(), at=T0 - MINUTE)
    tick(SOON, ahead=AHEAD)
    Run.objects.update(status=RunStatus.SKIPPED, reason_code=ReasonCode.JOB_DISABLED, ended_at=T0 + MINUTE)
    Schedule.objects.filter(pk=schedule.pk).update(
        kind="cron", expression="30 * * * *", cursor_at=T0 + 40 * MINUTE, updated_at=SOON
    )
    [about] = [each for each in invariants.INVARIANTS if each.number == 2]
    assert [found for found in about.find(T0 + 40 * MINUTE) if "no fire time" in found] == []


@pytest.mark.parametrize("what", ["job", "tenant", "schedule"])
def test_what_is_switched_off_is_left_for_its_moment(what):
    job = rows.job()
    schedule = every_minute(job)
    target, field = {
        "job": (job, "is_enabled"),
        "tenant": (job.tenant, "is_active"),
        "schedule": (schedule, "is_enabled"),
    }[what]
    setattr(target, field, False)
    target.save()
    assert tick(SOON, ahead=AHEAD).schedules == 0


def test_what_has_to_wait_for_its_moment_holds_up_no_batch():
    for index in range(3):
        every_minute(rows.job(f"q{index}", overlap="queue"))
    ticked = tick(SOON, ahead=AHEAD, batch=3)
    assert (ticked.schedules, ticked.has_more) == (0, False)
