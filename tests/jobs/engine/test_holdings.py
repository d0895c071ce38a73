"""What a worker holds: kept alive before a slot has come for it, let go whatever happens."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from jobs import dbclock, tasks
from jobs.engine import execute, published
from jobs.engine import worker as worker_module
from jobs.engine.execution import Interrupt
from jobs.engine.finish import Ending, finish
from jobs.engine.reaper import lose, reap
from jobs.engine.worker import Worker
from jobs.models import Attempt, Run
from jobs.states import AttemptStatus, ReasonCode, RunStatus
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
LOST = Ending(status=AttemptStatus.LOST, reason_code="worker_lost")


@pytest.fixture
def worker(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    made = Worker(name="t", queues=["default"], capacity=2)
    made.node = rows.node(capabilities=made.capabilities())
    yield made
    made.runners.close()


def gone(*args):
    raise OperationalError("gone")


def ended():
    """How the only attempt ended."""
    attempt = Attempt.objects.get()
    return attempt.status, attempt.reason_code


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["cap_for", "definition_of"])
def test_a_ledger_that_goes_away_while_a_run_is_prepared_gives_it_back(worker, monkeypatch, name):
    run = rows.queued(rows.job())
    claimed = rows.take(worker.node)
    monkeypatch.setattr(execute, name, gone)
    worker.is_draining = True  # it is not claimed again
    execute.work(worker, "default", claimed=claimed)
    run.refresh_from_db()
    assert (run.status, run.tries_used, run.released_count) == (RunStatus.QUEUED, 0, 1)
    assert worker.holdings.attempts() == set()
    assert Attempt.objects.get().reason_args["key"] == "released.no_ledger"


@pytest.mark.django_db(transaction=True)
def test_trouble_that_does_not_pass_is_a_failure_in_the_end(worker, monkeypatch):
    rows.queued(rows.job(), released_count=execute.MOST_RELEASED)
    monkeypatch.setattr(execute, "definition_of", gone)
    execute.work(worker, "default")
    assert ended() == (AttemptStatus.TECHNICAL_FAILURE, ReasonCode.INTERNAL)


def test_an_end_that_cannot_be_told_lets_the_slot_go(worker, monkeypatch):
    rows.queued(rows.job())
    monkeypatch.setattr(execute, "ending_of", gone)
    execute.work(worker, "default")
    assert ended() == (AttemptStatus.TECHNICAL_FAILURE, ReasonCode.INTERNAL)
    assert worker.holdings.attempts() == set()


def test_an_old_attempt_that_ends_leaves_its_successor_held(worker):
    rows.queued(rows.job())
    old = rows.take(worker.node)
    worker.holdings.take([old])
    finish(old.run, old.attempt, LOST)
    new = rows.take(worker.node)
    worker.holdings.take([new])
    worker.holdings.check(worker.node, renew=True)
    assert worker.holdings.of(old).interrupted == Interrupt.FENCED
    assert worker.holdings.of(new).interrupted == Interrupt.NONE
    worker.holdings.drop(old)
    assert worker.holdings.attempts() == {new.attempt.pk}


def test_the_lease_of_a_run_that_waits_for_its_thread_is_kept(worker):
    rows.queued(rows.job())
    claimed = rows.take(worker.node)
    worker.holdings.take([claimed])
    Run.objects.update(lease_until=timezone.now())
    before = worker.holdings.of(claimed).deadline
    worker.holdings.check(worker.node, renew=True)
    renewed = Run.objects.get().lease_until
    assert renewed and renewed > timezone.now() + timedelta(seconds=30)
    assert worker.holdings.of(claimed).deadline >= before


@pytest.mark.parametrize(
    ("change", "status"), [("fence", RunStatus.RUNNING), ("expire", RunStatus.QUEUED), ("cancel", RunStatus.CANCELLED)]
)
def test_what_is_over_before_its_slot_comes_is_not_begun(worker, monkeypatch, change, status):
    begun = []
    monkeypatch.setattr(execute, "_run", lambda *args: begun.append(args))
    rows.queued(rows.job())
    claimed = rows.take(worker.node)
    execution = worker.holdings.of(claimed)
    if change == "fence":
        finish(claimed.run, claimed.attempt, LOST)
        rows.take(rows.node("w2"))
        worker.holdings.check(worker.node, renew=True)
    elif change == "expire":
        execution.deadline = dbclock.boot_seconds() - 1
    else:
        Run.objects.update(cancel_requested_at=timezone.now())
        worker.holdings.check(worker.node, renew=True)
    worker.is_draining = True
    execute.work(worker, "default", claimed=claimed)
    assert Run.objects.get().status == status
    assert begun == []


def test_a_slot_that_does_something_else_is_no_room(worker, monkeypatch):
    monkeypatch.setattr(tasks, "_workers", [worker])
    with tasks._other_work():
        assert worker._free() == 1
    assert worker._free() == 2


def test_housekeeping_takes_no_run_over(worker):
    """It may begin before the first look at a ledger that was away: results may lie in the spool."""
    rows.queued(rows.job())
    claimed = rows.take(worker.node)
    Run.objects.update(lease_until=timezone.now() - rows.HOUR)
    tasks.housekeeping()
    assert Run.objects.get().token == claimed.attempt.token
    assert reap(timezone.now()) == 1


def test_a_lease_that_was_renewed_meanwhile_is_not_taken_over(worker):
    rows.queued(rows.job())
    rows.take(worker.node)
    stale, now = Run.objects.get(), timezone.now()
    assert lose(stale, "worker_lost.lease_expired", expired_at=now) is False
    assert lose(stale, "worker_lost.lease_expired", expired_at=now + rows.HOUR) is True


def test_sleep_is_no_contact(worker):
    worker.watch()
    since = worker._contact_since
    worker.watch()
    assert worker._contact_since == since
    worker._last_watch -= 3600
    worker.watch()
    assert worker._contact_since > since


@pytest.mark.parametrize(
    "script",
    ["def execute_task():\n    return 'a\\0b'", "def execute_task():\n    return {'half': '\\ud83d'}"],
    ids=["NUL", "half a letter"],
)
def test_a_value_that_a_database_cannot_hold_changes_no_outcome(worker, script):
    run = rows.queued(rows.job(kind="python", script=script))
    execute.work(worker, "default")
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED
    assert "�" in str(run.result)


def test_attempts_are_fenced_while_the_ledger_hangs(worker, monkeypatch):
    """By a thread that asks no ledger."""
    monkeypatch.setattr(worker_module, "WATCH_SECONDS", 0.01)
    rows.queued(rows.job())
    execution = worker.holdings.of(rows.take(worker.node))
    execution.deadline = dbclock.boot_seconds() - 1
    with connection.execute_wrapper(gone):
        thread = threading.Thread(target=worker._fence_forever)
        thread.start()
        for _look in range(500):
            if execution.interrupted:
                break
            thread.join(0.01)
        worker._stop.set()
        thread.join()
    assert execution.interrupted == Interrupt.FENCED
    assert published.definition_of(execution.claimed.run)
