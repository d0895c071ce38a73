"""Every reason code and every wait reason is made to happen by the engine itself, and is told in both languages."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Tenant
from datasources.models import Secret
from jobs import queues
from jobs.engine import execute, fanout
from jobs.engine.execution import Interrupt
from jobs.engine.finish import Ending, finish
from jobs.engine.labels import label_waiting
from jobs.engine.offer import Offer
from jobs.engine.reaper import reap
from jobs.engine.worker import Worker
from jobs.executors import KINDS
from jobs.models import JobRevision, Queue
from jobs.reasons import say
from jobs.runs import cancel_run
from jobs.scheduling.tick import tick
from jobs.states import AttemptStatus, Origin, ReasonCode, WaitReason
from tests.jobs import rows as job_rows
from tests.jobs.engine import rows
from tests.jobs.reasoncases import brings_about

pytestmark = pytest.mark.django_db

R, W = ReasonCode, WaitReason


@pytest.fixture
def node():
    return rows.node()


@pytest.fixture
def worker(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.PORTAL_KILL_GRACE_SECONDS = 0.3
    made = Worker(name="t", queues=["default"], capacity=2)
    made.node = rows.node(capabilities=made.capabilities())
    yield made
    made.runners.close()


def executed(worker, **job):
    run = rows.queued(rows.job(**{"retry": {"max": 0}, **job}))
    execute.work(worker, "default")
    run.refresh_from_db()
    return run


def due(of, **fields):
    """A schedule of the job that is due now, once."""
    now = timezone.now()
    values = {"expression": "1h", "kind": "interval", "at": now - timedelta(minutes=30), **fields}
    made = job_rows.schedule(of, **values)
    made.next_fire_at = now
    made.anchor_at = now - timedelta(hours=9, seconds=1)
    made.save()
    return made


# --- why a fire time makes no run ------------------------------------------------------------------------------------


@brings_about(R.OVERLAP)
def test_a_fire_time_while_a_run_is_under_way_is_skipped():
    job = rows.job()
    rows.queued(job)
    due(job)
    tick(timezone.now())


@brings_about(R.OVERLAP)
def test_a_scheduled_run_meets_a_running_one(node):
    job = rows.job()
    rows.queued(job)
    rows.queued(job, origin=Origin.SCHEDULE)
    rows.take(node)
    rows.take(node)


@brings_about(R.OVERLAP_QUEUE_FULL)
def test_a_fire_time_behind_a_full_line_is_skipped():
    job = rows.job(overlap="queue", overlap_limit=1)
    for _ in range(2):
        rows.queued(job)
    due(job)
    tick(timezone.now())


@brings_about(R.TENANT_DISABLED)
def test_a_fire_time_of_a_disabled_tenant_is_skipped():
    job = rows.job()
    due(job)
    Tenant.objects.update(is_active=False)
    tick(timezone.now())


@brings_about(R.TENANT_DISABLED)
def test_a_queued_run_of_a_disabled_tenant_is_skipped(node):
    rows.queued(rows.job())
    Tenant.objects.update(is_active=False)
    rows.take(node)


@brings_about(R.JOB_DISABLED)
def test_a_scheduled_run_of_a_job_switched_off_meanwhile_is_skipped(node):
    job = rows.job()
    rows.queued(job, origin=Origin.SCHEDULE)
    job.is_enabled = False
    job.save()
    rows.take(node)


@brings_about(R.MISFIRE)
def test_fire_times_that_nobody_decided_in_time_are_missed():
    schedule = due(rows.job(), misfire="skip")
    schedule.cursor_at = timezone.now() - timedelta(hours=3, minutes=30)
    schedule.save()
    tick(timezone.now() + timedelta(minutes=20))


# --- cancelled -------------------------------------------------------------------------------------------------------


@brings_about(R.CANCELLED_BY_USER)
def test_a_person_cancels():
    cancel_run(rows.queued(rows.job()), actor=job_rows.user("olga", "operator"))


@brings_about(R.CANCELLED_BY_OVERLAP)
def test_a_newer_run_takes_the_place():
    job = rows.job(overlap="cancel_previous")
    rows.queued(job)
    rows.queued(job)


# --- workers ---------------------------------------------------------------------------------------------------------


@brings_about(R.WORKER_LOST)
def test_a_worker_stops_answering(node):
    rows.queued(rows.job())
    rows.take(node)
    reap(timezone.now() + rows.HOUR)


@brings_about(R.NOT_IDEMPOTENT)
def test_a_worker_dies_with_a_job_that_must_not_run_twice(node):
    rows.queued(rows.job(is_idempotent=False))
    rows.take(node)
    reap(timezone.now() + rows.HOUR)


@pytest.mark.django_db(transaction=True)
@brings_about(R.RELEASED)
def test_a_worker_that_is_shut_down_gives_the_run_back(worker):
    rows.queued(rows.job(script="sleep 30"))

    def release():
        while not worker.holdings.executions():
            time.sleep(0.01)
        worker.is_draining = True
        for execution in worker.holdings.executions():
            execution.interrupt(Interrupt.RELEASED)
        connection.close()

    thread = threading.Thread(target=release)
    thread.start()
    execute.work(worker, "default")
    thread.join()


@brings_about(R.SHARDS_FAILED)
def test_a_part_of_a_sharded_run_fails(node):
    rows.queued(rows.job(fan_out={"mode": "shards", "total": 2}))
    for status in (AttemptStatus.SUCCEEDED, AttemptStatus.BUSINESS_FAILURE):
        claimed = rows.take(node)
        finish(claimed.run, claimed.attempt, Ending(status=status, exit_code=0))


@brings_about(R.NO_TARGET)
def test_a_broadcast_finds_no_worker():
    container = rows.queued(rows.job(fan_out={"mode": "broadcast"}))
    fanout.expand(container, now=timezone.now())


# --- scripts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "job",
    [
        pytest.param({"script": "exit 2"}, id="exit code"),
    ],
)
@brings_about(R.SCRIPT_FAILED)
def test_a_script_ends_with_an_error(worker, job):
    executed(worker, **job)


@brings_about(R.BUSINESS)
def test_a_script_reports_a_business_failure(worker):
    executed(worker, script="exit 1")


@brings_about(R.SIGNAL)
def test_a_signal_ends_a_script(worker):
    executed(worker, script="kill -9 $$")


@brings_about(R.TIMEOUT)
def test_a_script_outlives_its_limit(worker):
    executed(worker, script="sleep 60", timeout="1s")


@brings_about(R.MISSING_DRIVER)
def test_an_interpreter_is_missing(worker):
    run = rows.queued(rows.job(retry={"max": 0}))
    run.revision.definition["params"]["interpreter"] = "no-such-shell"
    run.revision.save()
    execute.work(worker, "default")


@brings_about(R.BAD_DEFINITION)
def test_a_stored_definition_cannot_be_run(worker):
    run = rows.queued(rows.job(retry={"max": 0}))
    JobRevision.objects.filter(pk=run.revision_id).update(definition={"name": "x", "kind": "shell", "params": {"a": 1}})
    execute.work(worker, "default")


@brings_about(R.RIGHT_LOST)
def test_the_author_lost_the_right_to_a_secret(worker):
    job = rows.job(secrets=["API_KEY"], retry={"max": 0})
    Secret.objects.create(tenant=job.tenant, name="API_KEY", value_encrypted="x")
    author = job_rows.user("gone", role="")
    JobRevision.objects.filter(job=job).update(author=author)
    rows.queued(job)
    execute.work(worker, "default")


@brings_about(R.CONNECTION)
def test_the_other_side_cannot_be_reached(worker, settings):
    settings.PORTAL_HTTP_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    job = rows.job(retry={"max": 0})
    content = JobRevision.objects.get(job=job).definition | {
        "kind": "http",
        "params": {"method": "GET", "url": "http://127.0.0.1:9/"},
    }
    JobRevision.objects.filter(job=job).update(definition=content)
    rows.queued(job)
    execute.work(worker, "default")


@brings_about(R.INTERNAL)
def test_the_portal_itself_fails(worker, monkeypatch):
    def fail(context):
        raise RuntimeError("a defect")

    monkeypatch.setattr(KINDS.get("shell"), "run", fail)
    executed(worker)


# --- why a run waits -------------------------------------------------------------------------------------------------


@brings_about(W.RETRY_BACKOFF)
def test_a_run_waits_for_its_next_try(worker):
    executed(worker, script="exit 2", retry={"max": 3, "backoff": "fixed", "base": "1m", "cap": "10m"})


@brings_about(W.OVERLAP)
def test_a_run_waits_for_an_earlier_one(node):
    job = rows.job()
    rows.queued(job)
    rows.queued(job)
    rows.take(node)
    rows.take(node)


@brings_about(W.TENANT_QUOTA)
def test_a_run_waits_for_the_tenants_quota(node):
    Tenant.objects.filter(pk=rows.job().tenant_id).update(running_limit=1)
    rows.queued(rows.job("first"))
    rows.queued(rows.job("second"))
    rows.take(node)
    rows.take(node)


@brings_about(W.QUEUE_LIMIT)
def test_a_run_waits_for_its_queue(node):
    Queue.objects.create(name="default", running_limit=1)
    queues.forget()
    rows.queued(rows.job("first"))
    rows.queued(rows.job("second"))
    rows.take(node)
    rows.take(node)
    label_waiting(timezone.now() + rows.HOUR, offer=Offer(kinds=frozenset(rows.KINDS)), queues=["default"])


@brings_about(W.QUEUE_PAUSED)
def test_a_run_waits_in_a_paused_queue(node):
    Queue.objects.create(name="default", is_paused=True)
    queues.forget()
    rows.queued(rows.job())
    rows.take(node)
    label_waiting(timezone.now() + rows.HOUR, offer=Offer(kinds=frozenset(rows.KINDS)), queues=["default"])


@brings_about(W.NO_CAPABLE_WORKER)
def test_a_run_waits_for_a_worker_that_can(node):
    rows.queued(rows.job())
    rows.take(node, kinds=["http"])


@brings_about(W.NODE_BUSY)
def test_a_run_waits_for_a_busy_machine():
    rows.queued(rows.job())
    gate = say(W.NODE_BUSY, "node_busy.cpu", worker="w1", percent=97, limit=80)
    offer = Offer(kinds=frozenset(rows.KINDS), running=1, gate=gate, longest_wait=timedelta(hours=9))
    label_waiting(timezone.now() + timedelta(minutes=1), offer=offer, queues=["default"])


@brings_about(W.TARGET_NODE)
def test_a_part_waits_for_its_worker(node):
    container = rows.queued(rows.job(fan_out={"mode": "broadcast"}))
    fanout.expand(container, now=timezone.now())
    fanout.sweep(timezone.now() + timedelta(minutes=5))
