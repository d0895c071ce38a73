"""Workers as rows: states, drains, the command, and what is forgotten."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs import nodes
from jobs.engine.worker import Worker
from jobs.models import WorkerNode
from jobs.nodes import NodeState
from tests.jobs import rows
from tests.jobs.engine.rows import node

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)


def test_a_state_and_its_filter_agree_at_every_edge(settings):
    now = timezone.now()
    lease = timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    facts = [
        {"last_seen_at": now - age, "running_count": running, "is_draining": draining, "drain_requested_at": asked,
         "stopped_at": stopped}
        for age in (timedelta(0), lease, lease + timedelta(microseconds=1))
        for running in (0, 1)
        for draining in (False, True)
        for asked in (None, now)
        for stopped in (None, now)
    ]  # fmt: skip
    made = [node(f"w{number}", **fields) for number, fields in enumerate(facts)]
    for state in NodeState:
        found = set(WorkerNode.objects.filter(nodes.in_state(state, now=now)).values_list("pk", flat=True))
        assert found == {row.pk for row in made if nodes.state_of(row, now=now) == state}


def test_a_silent_worker_is_offline_after_one_lease(settings):
    now = timezone.now()
    worker = node(last_seen_at=now)
    assert nodes.state_of(worker, now=now + timedelta(seconds=settings.PORTAL_LEASE_SECONDS + 1)) == NodeState.OFFLINE


def test_a_drain_outlives_a_restart_of_the_worker_and_of_no_other():
    first = node(drain_requested_at=timezone.now())
    again = nodes.register(**columns(first.slot))
    other = nodes.register(**columns("h/w2"))
    assert (again.drain_requested_at, other.drain_requested_at) == (first.drain_requested_at, None)
    assert again.is_draining


def columns(slot):
    now = timezone.now()
    return {"name": slot, "slot": slot, "host": "h", "pid": 2, "capacity": 1, "started_at": now, "last_seen_at": now}


def test_a_worker_learns_of_a_drain_and_of_its_end_with_its_heartbeat(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    worker = Worker(name="w1", queues=["default"], capacity=2)
    worker.node = node()
    nodes.request_drain(worker.node, actor=None)
    worker._beat()
    assert not worker.is_claiming
    assert WorkerNode.objects.get().is_draining
    nodes.resume(worker.node, actor=None)
    worker._beat()
    assert worker.is_claiming
    assert not WorkerNode.objects.get().is_draining


def test_a_heartbeat_keeps_a_short_history(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    worker = Worker(name="w1", queues=["default"], capacity=2)
    worker.node = node()
    for _ in range(50):
        worker._beat()
    history = WorkerNode.objects.get().history
    assert len(history) == 40
    assert all(len(sample) == 4 for sample in history)


def test_asking_twice_changes_nothing():
    worker = node()
    assert [nodes.request_drain(worker, actor=None) for _ in range(2)] == [True, False]
    assert [nodes.resume(worker, actor=None) for _ in range(2)] == [True, False]


def test_rows_of_workers_long_gone_are_forgotten_unless_a_run_points_at_them():
    long_ago = timezone.now() - timedelta(days=8)
    node("gone", last_seen_at=long_ago, stopped_at=long_ago)
    node("silent", last_seen_at=long_ago)
    used = node("used", last_seen_at=long_ago, stopped_at=long_ago)
    rows.attempt(rows.run(rows.job()), worker=used)
    node("fresh", stopped_at=timezone.now())
    assert nodes.forget_old(now=timezone.now(), keep=WEEK) == 2
    assert set(WorkerNode.objects.values_list("name", flat=True)) == {"used", "fresh"}


def test_a_living_worker_is_never_forgotten_however_short_the_keeping():
    node()
    assert nodes.forget_old(now=timezone.now(), keep=timedelta(0)) == 0


def said(*args):
    out = StringIO()
    call_command("nodes", *args, stdout=out)
    return out.getvalue()


def test_the_command_lists_drains_and_resumes():
    node("w1", running_count=3)
    node("gone", stopped_at=timezone.now())
    assert said().splitlines() == ["active        3/4  w1  [default]"]
    assert "gone" in said("--all")
    said("drain", "w1")
    assert "draining" in said()
    assert "already" in said("drain", "w1")
    said("resume", "w1")
    assert "active" in said()


def test_the_command_speaks_json():
    node("w1")
    (found,) = json.loads(said("list", "--json"))["workers"]
    assert (found["name"], found["state"], found["drain_requested"]) == ("w1", "idle", False)
    assert json.loads(said("drain", "w1", "--json")) == {"worker": "w1", "drain": True, "changed": True}


@pytest.mark.parametrize("name", ["", "nobody"])
def test_an_unknown_worker_is_named_in_the_refusal(name):
    with pytest.raises(CommandError, match="There is no worker"):
        call_command("nodes", "drain", name)


def test_queues_with_a_live_worker_are_known():
    node("w1", queues=["default", "slow"])
    node("gone", queues=["old"], stopped_at=timezone.now())
    assert nodes.served_queues(now=timezone.now()) == {"default", "slow"}
