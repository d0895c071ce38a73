"""The claim: who runs what next."""

import pytest
from django.db import OperationalError
from django.utils import timezone

from jobs.engine import claim as claim_module
from jobs.engine.worker import Worker
from jobs.models import Attempt, Run
from jobs.states import AttemptStatus, Origin, ReasonCode, RunStatus, WaitReason
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def node():
    return rows.node()


def test_a_claim_moves_the_run_and_opens_an_attempt(node):
    run = rows.queued(rows.job())
    claimed = rows.take(node)
    run.refresh_from_db()
    assert (run.status, run.token, run.worker) == (RunStatus.RUNNING, 1, node)
    assert run.lease_until is not None
    assert run.lease_until > timezone.now()
    assert Attempt.objects.get(run=run) == claimed.attempt
    assert (claimed.attempt.number, claimed.attempt.token, claimed.attempt.status) == (1, 1, AttemptStatus.RUNNING)


def test_nothing_is_claimed_before_its_time(node):
    rows.queued(rows.job(), not_before=timezone.now() + rows.HOUR)
    assert rows.take(node) is None


def test_the_higher_priority_goes_first(node):
    rows.queued(rows.job("low"))
    urgent = rows.queued(rows.job("high", priority=5))
    assert rows.take(node).run.pk == urgent.pk


def test_another_queue_is_left_alone(node):
    rows.queued(rows.job(queue="slow"))
    assert rows.take(node) is None


def test_a_second_manual_run_of_a_job_waits_and_says_why(node):
    job = rows.job()
    first, second = rows.queued(job), rows.queued(job)
    assert rows.take(node).run.pk == first.pk
    assert rows.take(node) is None
    second.refresh_from_db()
    assert second.wait_reason == WaitReason.OVERLAP
    assert f"#{first.pk}" in second.reason


def test_a_scheduled_run_that_meets_a_running_one_is_skipped_with_its_name(node):
    job = rows.job()
    first, second = rows.queued(job), rows.queued(job, origin=Origin.SCHEDULE)
    rows.take(node)
    assert rows.take(node) is None
    second.refresh_from_db()
    assert (second.status, second.reason_code) == (RunStatus.SKIPPED, ReasonCode.OVERLAP)
    assert f"#{first.pk}" in second.reason


def test_allow_runs_up_to_its_limit(node):
    job = rows.job(overlap="allow", overlap_limit=2)
    for _ in range(3):
        rows.queued(job)
    assert [rows.take(node) is None for _ in range(3)] == [False, False, True]


def test_blocked_runs_do_not_hide_the_ones_behind_them(node):
    job = rows.job()
    for _ in range(30):
        rows.queued(job)
    other = rows.queued(rows.job("other"))
    rows.take(node)
    assert rows.take(node).run.pk == other.pk


def test_a_tenant_at_its_limit_waits(node):
    job = rows.job()
    job.tenant.running_limit = 1
    job.tenant.save()
    rows.queued(job)
    waiting = rows.queued(rows.job("other"))
    rows.take(node)
    assert rows.take(node) is None
    waiting.refresh_from_db()
    assert waiting.wait_reason == WaitReason.TENANT_QUOTA


def test_a_kind_the_worker_lacks_waits_and_names_the_kind(node):
    run = rows.queued(rows.job())
    assert rows.take(node, kinds=["http"]) is None
    run.refresh_from_db()
    assert run.wait_reason == WaitReason.NO_CAPABLE_WORKER
    assert "shell" in run.reason


def test_a_scheduled_run_of_a_disabled_job_is_skipped(node):
    job = rows.job()
    run = rows.queued(job, origin=Origin.SCHEDULE)
    job.is_enabled = False
    job.save()
    assert rows.take(node) is None
    run.refresh_from_db()
    assert (run.status, run.reason_code) == (RunStatus.SKIPPED, ReasonCode.JOB_DISABLED)


def test_a_run_that_was_cancelled_meanwhile_is_not_claimed(node):
    run = rows.queued(rows.job())
    Run.objects.filter(pk=run.pk).update(status=RunStatus.CANCELLED)
    assert rows.take(node) is None


@pytest.fixture
def worker(node, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    made = Worker(name="w1", queues=["default"], capacity=4)
    made.node = node
    return made


def second_look(monkeypatch, instead):
    """What happens at a claim's second look; the first one takes the run of a job and passes over its next."""
    job = rows.job()
    rows.queued(job), rows.queued(job)
    look, seen = claim_module._look_at, []

    def look_at(asking, wanted):
        seen.append(wanted)
        return look(asking, wanted) if len(seen) == 1 else instead()

    monkeypatch.setattr(claim_module, "_look_at", look_at)


def test_the_worker_knows_what_it_holds_before_the_claim_looks_further(worker, monkeypatch):
    held: list[str] = []

    def wait_for_a_lock():
        held.extend(job.slug for job in worker.holdings.jobs())
        return [], True

    second_look(monkeypatch, wait_for_a_lock)
    assert len(worker._claim("default", 2)) == 1
    assert held == ["report"]


def test_what_was_taken_is_executed_although_a_later_look_fails(worker, monkeypatch, caplog):
    def lose_the_database():
        raise OperationalError("server closed the connection unexpectedly")

    second_look(monkeypatch, lose_the_database)
    (taken,) = worker._claim("default", 2)
    assert taken.run.status == RunStatus.RUNNING
    assert "could not look further" in caplog.text


def test_a_claim_that_took_nothing_says_that_it_failed(worker, monkeypatch):
    def lose_the_database(*args):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(claim_module, "_look_at", lose_the_database)
    with pytest.raises(OperationalError):
        worker._claim("default", 2)
