"""What a worker offers, from its machine and from what it holds; and what is said when patience opens its gate."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.engine.labels import label_waiting, warn_of_long_waits
from jobs.engine.offer import Offer
from jobs.engine.offers import forced_by_patience, offer_of
from jobs.engine.worker import Worker
from jobs.models import Job, Run
from jobs.reasons import say
from jobs.states import WaitReason
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
BUSY = say(WaitReason.NODE_BUSY, "node_busy.cpu", worker="w1", percent=95, limit=80)


@pytest.fixture
def worker(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    made = Worker(name="w1", queues=["default"], capacity=4)
    made.node = rows.node(capabilities=["shell", "driver:sqlite"], cpu_count=2, memory_bytes=1024 * 1024 * 1024)
    return made


def waiting(slug="report", minutes=0, **needs):
    job = rows.job(slug)
    Job.objects.filter(pk=job.pk).update(**needs)
    return rows.queued(job, not_before=timezone.now() - timedelta(minutes=minutes))


def test_what_it_holds_is_taken_off(worker):
    waiting(needs_memory=300, needs_cpu=0.5)
    (claimed,) = worker._claim("default", 1)
    offer = offer_of(worker)
    assert (offer.free_memory, offer.free_cpu, offer.running) == (724, 1.5, 1)
    assert (set(offer.kinds), offer.name) == ({"shell"}, "w1")
    assert claimed.run.job.needs_memory == 300


def test_one_claim_takes_no_more_than_fits_and_says_what_is_missing(worker):
    for number in range(3):
        waiting(f"job{number}", needs_memory=400)
    assert len(worker._claim("default", 3)) == 2
    left = Run.objects.get(status="queued")
    assert (left.wait_reason, left.reason_args["free"]) == (WaitReason.NODE_BUSY, 224)


def test_a_busy_machine_runs_one_at_a_time(worker):
    worker.gate.reason = BUSY
    waiting("first")
    waiting("second")
    assert [len(worker._claim("default", 2)), len(worker._claim("default", 2))] == [1, 0]


def test_patience_opens_the_gate_and_the_run_says_so(worker, caplog):
    worker.gate.reason = BUSY
    waiting("first")
    (first,) = worker._claim("default", 1)
    assert forced_by_patience(worker, first) is None
    waiting("second", minutes=11)
    (second,) = worker._claim("default", 1)
    said = forced_by_patience(worker, second)
    assert said is not None
    assert "had waited for room since" in said.text
    assert "CPU at 95 %" in said.text
    assert "A busy machine took a run" in caplog.text


def test_a_run_whose_retry_is_due_says_that_the_machine_is_busy(worker):
    run = waiting(minutes=1)
    Run.objects.filter(pk=run.pk).update(wait_reason=WaitReason.RETRY_BACKOFF)
    offer = Offer(slot=worker.node.slot, kinds={"shell"}, gate=BUSY, running=1)
    label_waiting(timezone.now(), offer=offer, queues=["default"])
    run.refresh_from_db()
    assert run.wait_reason == WaitReason.NODE_BUSY


def test_a_long_wait_for_room_is_warned_about_once(caplog):
    run = waiting(minutes=11)
    Run.objects.filter(pk=run.pk).update(wait_reason=WaitReason.NODE_BUSY, reason=BUSY.text)
    warned: set[int] = set()
    for _ in range(2):
        warn_of_long_waits(timezone.now(), queues=["default"], warned=warned)
    assert caplog.text.count("waited too long for a machine") == 1
    assert warned == {run.pk}
