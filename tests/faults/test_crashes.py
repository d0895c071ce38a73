"""kill -9 at the worst moments, which the failpoints name."""

from __future__ import annotations

import signal
from functools import partial

import pytest

from tests.stack import wait_for

pytestmark = [pytest.mark.stack]
faults = pytest.mark.faults
# Where a worker dies, and how often the script has started by the end.
WORKER_POINTS = {
    "claim.before_commit": 1,
    "claim.after_commit": 1,
    "finish.before_commit": 2,
    "finish.after_commit": 1,
}


def died(stack, name: str) -> bool:
    """Whether a process killed itself, as its failpoint says."""
    return bool(stack.processes[name].poll() == -signal.SIGKILL)


def started(witness, run: int, attempt: int) -> bool:
    return ("start", attempt) in witness.words(run)


@faults
@pytest.mark.parametrize("point", WORKER_POINTS)
def test_a_worker_that_dies_around_a_commit_loses_and_repeats_nothing(stack, witness, point):
    stack.add_jobs(witness.job("short"))
    stack.start_worker("w1", PORTAL_FAILPOINTS=f"{point}=kill")
    [run] = stack.request("short")
    wait_for(lambda: died(stack, "w1"), "the worker's death")
    stack.start_worker("w1")
    wait_for(lambda: stack.status_of(run) == "succeeded", "its end")
    assert len(witness.starts()) == WORKER_POINTS[point]


@faults
@pytest.mark.parametrize("point", ["claim.after_commit", "finish.before_commit"])
def test_a_job_that_must_not_run_twice_is_lost_with_its_worker(stack, witness, point):
    stack.add_jobs(witness.job("once", is_idempotent=False))
    stack.start_worker("w1", PORTAL_FAILPOINTS=f"{point}=kill")
    [run] = stack.request("once")
    wait_for(lambda: died(stack, "w1"), "the worker's death")
    stack.start_worker("w1")
    wait_for(lambda: stack.status_of(run) == "lost", "its end")
    assert witness.starts().count(run) <= 1


@faults
@pytest.mark.environ(PORTAL_LEASE_SECONDS="12", PORTAL_HEARTBEAT_SECONDS="2", PORTAL_SWEEP_SECONDS="1")
def test_a_run_that_kills_every_worker_is_lost_after_three(stack, witness):
    stack.add_jobs(witness.job("poison", 1, body="sleep 60"))
    [run] = stack.request("poison")
    for number in (1, 2, 3):
        stack.start_worker("w1")
        wait_for(partial(started, witness, run, number), "the script")
        stack.kill("w1")
    stack.start_worker("w1")
    wait_for(lambda: stack.status_of(run) == "lost", "its end")
    assert witness.words(run) == [("start", 1), ("start", 2), ("start", 3)]


@faults
@pytest.mark.parametrize("point", ["beat.before_tick", "tick.before_commit", "tick.after_commit"])
def test_a_beat_that_dies_around_its_commit_leaves_every_moment_to_the_next_one(stack, witness, point):
    stack.add_jobs(witness.job("often", every="1s", overlap="allow", overlap_limit=50))
    stack.start_worker()
    stack.start_beat("beat1", PORTAL_FAILPOINTS=f"{point}=kill@3")
    wait_for(lambda: died(stack, "beat1"), "beat's death")
    stack.start_beat("beat2")
    before = len(witness.starts())
    wait_for(lambda: len(witness.starts()) >= before + 3, "more fire times")
    assert len(witness.starts()) == len(set(witness.starts()))


@faults
def test_five_beats_of_which_some_die_fire_every_moment_once(stack, witness):
    stack.add_jobs(*(witness.job(f"often-{n}", every="1s", overlap="allow", overlap_limit=50) for n in range(3)))
    stack.start_worker()
    for number in range(5):
        armed = {"PORTAL_FAILPOINTS": f"tick.before_commit=kill@{number}"} if number in (2, 3) else {}
        stack.start_beat(f"beat{number}", **armed)
    wait_for(lambda: len(witness.starts()) >= 30, "fire times")
    assert len(witness.starts()) == len(set(witness.starts()))


@faults
@pytest.mark.environ(PORTAL_LEASE_SECONDS="12", PORTAL_HEARTBEAT_SECONDS="2", PORTAL_SWEEP_SECONDS="1")
def test_a_frozen_worker_is_replaced_and_its_late_result_is_thrown_away(stack, witness):
    stack.add_jobs(witness.job("long", 4))
    stack.start_worker("w1")
    [run] = stack.request("long")
    wait_for(witness.starts, "the script")
    stack.pause("w1")
    stack.start_worker("w2")
    wait_for(lambda: stack.status_of(run) == "succeeded", "the second attempt", seconds=90)
    stack.resume("w1")
    [again] = stack.request("long")
    wait_for(lambda: stack.status_of(again) == "succeeded", "another run")
    assert stack.value(f"SELECT count(*) FROM jobs_attempt WHERE run_id = {run} AND status = 'succeeded'") == 1
