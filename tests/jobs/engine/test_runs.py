"""Runs: created, moved, cancelled."""

import pytest
from django.utils import timezone

from jobs.models import Run, RunEvent
from jobs.runparams import RunParamsError
from jobs.runs import (
    IllegalTransitionError,
    RunRefusedError,
    cancel_run,
    create_run,
    move,
    rerun,
)
from jobs.states import Origin, ReasonCode, RunStatus
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


def test_the_same_key_gives_the_same_run():
    job = rows.job()
    first = create_run(job, origin=Origin.API, dedupe_key="api:1:k")
    assert create_run(job, origin=Origin.API, dedupe_key="api:1:k") == first
    assert Run.objects.count() == RunEvent.objects.count() == 1


def test_a_run_takes_typed_parameters_and_their_defaults():
    job = rows.job(run_params=[{"name": "day", "type": "int", "default": 3}, {"name": "who"}])
    assert create_run(job, origin=Origin.MANUAL, params={"who": "me"}).params == {"day": 3, "who": "me"}


def test_a_wrong_parameter_creates_nothing():
    job = rows.job(run_params=[{"name": "day", "type": "int"}])
    with pytest.raises(RunParamsError):
        create_run(job, origin=Origin.MANUAL, params={"day": "x"})
    assert not Run.objects.exists()


def test_a_disabled_tenant_runs_nothing():
    job = rows.job()
    job.tenant.is_active = False
    with pytest.raises(RunRefusedError):
        create_run(job, origin=Origin.MANUAL)


def test_cancel_previous_cancels_what_waits_and_asks_what_runs():
    job = rows.job(overlap="cancel_previous")
    running = rows.queued(job)
    rows.take(rows.node())
    waiting = rows.queued(job)
    newest = rows.queued(job)
    running.refresh_from_db()
    waiting.refresh_from_db()
    assert running.cancel_requested_at is not None
    assert running.status == RunStatus.RUNNING
    assert (waiting.status, waiting.reason_code) == (RunStatus.CANCELLED, ReasonCode.CANCELLED_BY_OVERLAP)
    assert newest.status == RunStatus.QUEUED


def test_the_table_forbids_what_it_does_not_list():
    run = rows.queued(rows.job())
    with pytest.raises(IllegalTransitionError):
        move(run, RunStatus.SUCCEEDED, now=timezone.now())


def test_what_does_not_run_needs_a_reason_code():
    run = rows.queued(rows.job())
    with pytest.raises(IllegalTransitionError):
        move(run, RunStatus.SKIPPED, now=timezone.now())


def test_the_second_writer_loses_and_is_told():
    run = rows.queued(rows.job())
    stale = Run.objects.get(pk=run.pk)
    assert cancel_run(run, actor=None)
    assert not move(stale, RunStatus.SKIPPED, now=timezone.now(), reason_code=ReasonCode.OVERLAP)
    assert Run.objects.get().status == RunStatus.CANCELLED


def test_run_again_points_at_the_old_run_and_keeps_its_parameters():
    job = rows.job(run_params=[{"name": "day", "type": "int"}])
    old = create_run(job, origin=Origin.MANUAL, params={"day": 7})
    new = rerun(old, actor=None)
    assert (new.rerun_of, new.params, new.revision) == (old, {"day": 7}, old.revision)
