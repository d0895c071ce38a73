"""SIGTERM: finish what ends in time, give the rest back, burn no try; a second one: at once."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.witness import living
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.faults]


def term(stack, name: str) -> None:
    stack.processes[name].send_signal(signal.SIGTERM)


@pytest.mark.environ(PORTAL_DRAIN_SECONDS="5")
def test_a_draining_worker_finishes_what_ends_in_time_and_gives_the_rest_back(stack, witness):
    stack.add_jobs(witness.job("short", 2), witness.job("long", 15), witness.job("late"))
    worker = stack.start_worker()
    short, long = stack.request("short")[0], stack.request("long")[0]
    wait_for(lambda: len(witness.starts()) == 2, "both scripts")
    term(stack, "w1")
    [late] = stack.request("late")
    assert worker.wait(timeout=60) == 0
    assert stack.status_of(short) == "succeeded"
    assert [stack.status_of(run) for run in (long, late)] == ["queued"] * 2
    assert stack.rows(f"SELECT tries_used, lost_count, released_count FROM jobs_run WHERE id = {long}") == [(0, 0, 1)]
    assert not list(living(stack.folder))


@pytest.mark.environ(PORTAL_DRAIN_SECONDS="300")
def test_a_second_term_ends_the_drain_at_once_and_the_run_is_not_lost(stack, witness):
    stack.add_jobs(witness.job("long", 20))
    worker = stack.start_worker()
    [run] = stack.request("long")
    wait_for(witness.starts, "the script")
    began = time.monotonic()
    term(stack, "w1")
    wait_for(lambda: is_draining(stack), "the drain")
    term(stack, "w1")
    worker.wait(timeout=60)
    assert time.monotonic() - began < 60
    wait_for(lambda: not list(living(stack.folder)), "the end of the script")
    stack.start_worker()
    wait_for(lambda: stack.status_of(run) == "succeeded", "the second attempt", seconds=90)
    assert stack.value(f"SELECT tries_used FROM jobs_run WHERE id = {run}") == 1


def is_draining(stack) -> bool:
    """Whether a worker said so with its heartbeat."""
    return bool(stack.value("SELECT count(*) FROM jobs_workernode WHERE is_draining"))
