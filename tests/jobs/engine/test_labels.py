"""Queued runs say why they wait, also those no claim has looked at."""

import pytest
from django.utils import timezone

from jobs import reasons
from jobs.engine.labels import PATIENCE, label_unserved, label_waiting
from jobs.engine.offer import Offer
from jobs.models import Run
from jobs.states import WaitReason
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


def look(at=None):
    Run.objects.filter(status="queued").update(not_before=timezone.now() - 2 * PATIENCE)
    return label_waiting(timezone.now(), offer=Offer(slot="h/w1", kinds=rows.KINDS), queues=["default"])


def test_every_run_behind_a_blocked_one_is_labelled():
    job = rows.job()
    running = rows.queued(job)
    rows.take(rows.node())
    waiting = [rows.queued(job) for _ in range(3)]
    assert look() == 3
    for run in waiting:
        run.refresh_from_db()
        assert run.wait_reason == WaitReason.OVERLAP
        assert f"#{running.pk}" in reasons.of(run)


def test_a_run_that_only_lacks_a_slot_says_so():
    run = rows.queued(rows.job())
    look()
    run.refresh_from_db()
    assert run.wait_reason == WaitReason.NODE_BUSY
    assert "default" in reasons.of(run)


def test_what_is_labelled_is_not_written_again():
    rows.queued(rows.job())
    assert (look(), look()) == (1, 0)


def test_a_queue_without_a_living_worker_is_named():
    rows.node(queues=["default"])
    served, unserved = rows.queued(rows.job("a")), rows.queued(rows.job("b", queue="nobody"))
    Run.objects.update(not_before=timezone.now() - 2 * PATIENCE)
    assert label_unserved(timezone.now()) == 1
    served.refresh_from_db()
    unserved.refresh_from_db()
    assert (served.wait_reason, unserved.wait_reason) == ("", WaitReason.NO_CAPABLE_WORKER)
    assert "nobody" in reasons.of(unserved)


def test_a_label_is_gone_once_the_run_is_claimed():
    run = rows.queued(rows.job())
    look()
    rows.take(rows.node())
    run.refresh_from_db()
    assert (run.wait_reason, run.reason, run.reason_args) == ("", "", {})


def test_a_label_that_is_no_longer_true_is_replaced():
    job = rows.job()
    first = rows.queued(job)
    rows.take(rows.node())
    second = rows.queued(job)
    look()
    Run.objects.filter(pk=first.pk).update(status="succeeded")
    assert look() == 1
    second.refresh_from_db()
    assert second.wait_reason == WaitReason.NODE_BUSY
