"""What is decided about queues."""

import pytest

from jobs import queues
from jobs.models import Queue, Run
from jobs.states import RunStatus, WaitReason
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh():
    queues.forget()
    yield
    queues.forget()


def test_a_queue_without_a_row_has_no_limit():
    assert queues.limits_of(["default"]) == {}
    assert queues.refusal(None, running=10**6) is None


def test_rows_are_read_once_a_second_however_often_a_claim_asks(django_assert_num_queries):
    Queue.objects.create(name="slow", running_limit=1)
    with django_assert_num_queries(1):
        for _ in range(100):
            assert set(queues.limits_of(["slow", "default"])) == {"slow"}


def test_a_limit_and_a_pause_say_why():
    limited, paused = Queue(name="slow", running_limit=2), Queue(name="slow", is_paused=True)
    assert queues.refusal(limited, running=1) is None
    full, held = queues.refusal(limited, running=2), queues.refusal(paused, running=0)
    assert full is not None
    assert held is not None
    assert (full.code, full.text) == (
        WaitReason.QUEUE_LIMIT,
        "The queue “slow” already runs 2 of at most 2 runs.",
    )
    assert (held.code, held.text) == (WaitReason.QUEUE_PAUSED, "The queue “slow” is paused.")


def test_a_queue_runs_as_many_as_it_may_over_all_tenants():
    Queue.objects.create(name="default", running_limit=2)
    node = rows.node()
    for number in range(3):
        rows.queued(rows.job(f"job{number}"))
    assert [rows.take(node) is None for _ in range(3)] == [False, False, True]
    assert Run.objects.get(status=RunStatus.QUEUED).wait_reason == WaitReason.QUEUE_LIMIT


def test_a_paused_queue_starts_nothing_and_says_so():
    Queue.objects.create(name="default", is_paused=True)
    run = rows.queued(rows.job())
    assert rows.take(rows.node()) is None
    run.refresh_from_db()
    assert run.wait_reason == WaitReason.QUEUE_PAUSED


def test_a_limit_counts_the_parts_of_a_run_and_not_the_whole():
    Queue.objects.create(name="default", running_limit=2)
    node = rows.node()
    rows.queued(rows.job(fan_out={"mode": "shards", "total": 4}))
    assert [rows.take(node) is None for _ in range(3)] == [False, False, True]
