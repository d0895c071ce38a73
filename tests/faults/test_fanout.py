"""Runs in parts under faults: a worker killed with parts running loses none of them. The checker runs after each."""

from __future__ import annotations

import pytest

from tests.stack import wait_for

pytestmark = pytest.mark.stack


def shards(folder) -> list[str]:
    """What the parts said at their ends: number, total, attempt."""
    path = folder / "shards.txt"
    return sorted(path.read_text().splitlines()) if path.exists() else []


def say(folder) -> str:
    return f'echo "$SHARD_INDEX/$SHARD_TOTAL $PORTAL_ATTEMPT" >>{folder / "shards.txt"}'


def test_a_worker_killed_with_two_of_four_shards_running_loses_none(stack, witness):
    stack.add_jobs(witness.job("wide", 3, body=say(stack.folder), fan_out={"mode": "shards", "total": 4}))
    stack.start_worker("w1", slots=2)
    [run] = stack.request("wide")
    wait_for(lambda: len(witness.starts()) == 2, "two of the four shards")
    stack.kill("w1")
    stack.start_worker("w1", slots=2)
    wait_for(lambda: stack.status_of(run) == "succeeded", "the end of all shards")
    assert shards(stack.folder) == ["0/4 2", "1/4 2", "2/4 1", "3/4 1"]
    assert stack.value(f"SELECT count(*) FROM jobs_run WHERE parent_id = {run}") == 4


def test_a_broadcast_runs_once_on_each_of_two_workers(stack, witness):
    stack.add_jobs(witness.job("all", body=say(stack.folder), fan_out={"mode": "broadcast"}))
    stack.start_worker("w1")
    stack.start_worker("w2")
    wait_for(lambda: stack.value("SELECT count(*) FROM jobs_workernode") == 2, "both workers")
    code, facts = stack.run_job("demo/all", "--wait")
    assert (code, facts["status"]) == (0, "succeeded")
    assert shards(stack.folder) == ["0/2 1", "1/2 1"]
    parts = f"SELECT id FROM jobs_run WHERE parent_id = {facts['run']}"
    assert stack.value(f"SELECT count(DISTINCT worker_id) FROM jobs_attempt WHERE run_id IN ({parts})") == 2


def test_a_drained_worker_finishes_takes_nothing_more_and_works_again_when_resumed(stack, witness):
    stack.add_jobs(witness.job("long", 5), witness.job("later"))
    stack.start_worker()
    [first] = stack.request("long")
    wait_for(witness.starts, "the script's first line")
    stack.shell("from jobs import nodes\nnodes.request_drain(nodes.WorkerNode.objects.get(), actor=None)")
    wait_for(lambda: stack.value("SELECT count(*) FROM jobs_workernode WHERE is_draining"), "the worker's obedience")
    [second] = stack.request("later")
    wait_for(lambda: stack.status_of(first) == "succeeded", "the end of what ran")
    assert (stack.status_of(second), witness.starts()) == ("queued", [first])
    stack.shell("from jobs import nodes\nnodes.resume(nodes.WorkerNode.objects.get(), actor=None)")
    wait_for(lambda: stack.status_of(second) == "succeeded", "the run that waited")
