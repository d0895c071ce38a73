"""The end of an attempt: written once, with the run's token."""

import os

import pytest
from django.db import OperationalError
from django.utils import timezone

from jobs.engine import finish as finish_module
from jobs.engine import owners
from jobs.engine.finish import Ending, Finished, finish, finish_many
from jobs.engine.reaper import reap, release_own_dead
from jobs.models import Attempt, LogChunk, Run, RunEvent
from jobs.runs import cancel_run
from jobs.states import AttemptStatus, ReasonCode, RunStatus, WaitReason
from tests.jobs import rows as plain
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
SUCCESS = Ending(status=AttemptStatus.SUCCEEDED, exit_code=0, outputs={"rows": "3"})
FAILURE = Ending(
    status=AttemptStatus.TECHNICAL_FAILURE, exit_code=2, reason_code=ReasonCode.SCRIPT_FAILED, reason="It broke."
)


@pytest.fixture
def claimed():
    rows.queued(rows.job(retry={"max": 1, "backoff": "fixed", "base": "10s"}))
    return rows.take(rows.node())


def test_success_ends_run_and_attempt(claimed):
    assert finish(claimed.run, claimed.attempt, SUCCESS)
    run, attempt = Run.objects.get(), Attempt.objects.get()
    assert (run.status, run.exit_code, run.outputs, run.lease_until) == (RunStatus.SUCCEEDED, 0, {"rows": "3"}, None)
    assert (attempt.status, attempt.exit_code) == (AttemptStatus.SUCCEEDED, 0)
    assert attempt.ended_at == run.ended_at is not None


def test_every_move_is_an_event(claimed):
    finish(claimed.run, claimed.attempt, SUCCESS)
    moves = list(RunEvent.objects.order_by("pk").values_list("old", "new"))
    assert moves == [("", "queued"), ("queued", "running"), ("running", "succeeded")]


def test_a_technical_failure_goes_back_to_the_queue_and_waits(claimed):
    before = timezone.now()
    finish(claimed.run, claimed.attempt, FAILURE)
    run = Run.objects.get()
    assert (run.status, run.tries_used, run.wait_reason) == (RunStatus.QUEUED, 1, WaitReason.RETRY_BACKOFF)
    assert 4 < (run.not_before - before).total_seconds() < 16


def test_the_last_try_fails_with_its_cause(claimed):
    finish(claimed.run, claimed.attempt, FAILURE)
    Run.objects.update(not_before=timezone.now() - rows.HOUR)
    again = rows.take(claimed.run.worker)
    assert again.attempt.number == 2
    finish(again.run, again.attempt, FAILURE)
    run = Run.objects.get()
    assert (run.status, run.reason_code, run.reason) == (RunStatus.TECHNICAL_FAILURE, "script_failed", "It broke.")


def test_a_fenced_worker_writes_nothing(claimed):
    Run.objects.update(token=2)
    assert not finish(claimed.run, claimed.attempt, SUCCESS)
    assert Run.objects.get().status == RunStatus.RUNNING
    assert Attempt.objects.get().status == AttemptStatus.RUNNING


def test_a_terminal_run_never_changes(claimed):
    finish(claimed.run, claimed.attempt, SUCCESS)
    assert not finish(claimed.run, claimed.attempt, FAILURE)
    assert not cancel_run(Run.objects.get(), actor=None)
    assert Run.objects.get().status == RunStatus.SUCCEEDED


def test_a_run_asked_to_cancel_ends_with_the_askers_reason(claimed):
    assert cancel_run(claimed.run, actor=None, reason="Wrong day.")
    finish(claimed.run, claimed.attempt, Ending(status=AttemptStatus.CANCELLED))
    run = Run.objects.get()
    assert (run.status, run.reason_code, run.reason) == (RunStatus.CANCELLED, "cancelled_by_user", "Wrong day.")


def test_an_expired_lease_is_taken_over_and_the_old_worker_is_fenced(claimed):
    now = timezone.now()
    Run.objects.update(lease_until=now - rows.HOUR)
    assert reap(now) == 1
    run = Run.objects.get()
    assert (run.status, run.lost_count, run.tries_used) == (RunStatus.QUEUED, 1, 0)
    assert Attempt.objects.get().status == AttemptStatus.LOST
    assert not finish(claimed.run, claimed.attempt, SUCCESS)
    assert reap(now) == 0


def test_a_lease_that_holds_is_not_touched(claimed):
    assert reap(timezone.now()) == 0
    assert Run.objects.get().status == RunStatus.RUNNING


def test_a_restarted_worker_waits_while_a_young_script_may_still_live(claimed):
    """Its pid had not been noted when the worker died: the runner ends it within seconds."""
    fresh = rows.node(slot=claimed.run.worker.slot)
    type(fresh).objects.exclude(pk=fresh.pk).update(pid=2**22 - 1)
    assert release_own_dead(fresh) == 0
    Attempt.objects.update(started_at=timezone.now() - rows.HOUR)
    assert release_own_dead(fresh) == 1
    assert Run.objects.get().status == RunStatus.QUEUED


def test_a_restarted_worker_waits_for_a_script_the_ledger_does_not_know(claimed, settings, tmp_path):
    """The watch that writes pids was stuck when the worker died; the note on disk was written at the start."""
    settings.DATA_DIR = tmp_path
    (tmp_path / "work").mkdir()
    fresh = rows.node(slot=claimed.run.worker.slot)
    type(fresh).objects.exclude(pk=fresh.pk).update(pid=2**22 - 1)
    Attempt.objects.update(started_at=timezone.now() - rows.HOUR)
    owners.note(claimed.run.pk, claimed.attempt.number, os.getpid())
    assert release_own_dead(fresh) == 0
    owners.note(claimed.run.pk, claimed.attempt.number, 2**22 - 1)
    assert release_own_dead(fresh) == 1
    assert list((tmp_path / "work").iterdir()) == []


def test_the_last_chunks_are_written_although_a_rollback_gave_their_numbers_to_another_log(claimed, monkeypatch):
    now = timezone.now()
    chunk = LogChunk(attempt=claimed.attempt, seq=1, stream="stdout", at=now, text="last words")
    finished = Finished(run=claimed.run, attempt=claimed.attempt, ending=SUCCESS, chunks=[chunk])

    def fail(name):
        raise OperationalError("disk I/O error")

    with monkeypatch.context() as patched, pytest.raises(OperationalError):
        patched.setattr(finish_module, "failpoint", fail)
        finish_many([finished])
    other = plain.attempt(plain.run(rows.job("other")))
    plain.chunk(other, 1, "of another")
    assert finish_many([finished]) == [True]
    assert set(LogChunk.objects.values_list("text", flat=True)) == {"last words", "of another"}
