"""Beat was away for ten minutes: each misfire policy does what it promises, with real processes."""

from __future__ import annotations

import pytest

from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.faults]
AWAY = """
from datetime import timedelta
from jobs import dbclock
from jobs.models import Schedule
then = dbclock.now() - timedelta(minutes=10)
Schedule.objects.update(anchor_at=then, cursor_at=then, counted_from_at=then, next_fire_at=then + timedelta(seconds=20))
"""


def make(stack, witness, policy: str) -> None:
    """A schedule every 20 s with a grace of 30 s, whose cursor stands where it stood ten minutes ago."""
    stack.add_jobs(witness.job("due", every="20s", misfire=policy, grace=30, overlap="allow", overlap_limit=100))
    stack.shell(AWAY)
    stack.start_worker()
    stack.start_beat()
    wait_for(lambda: stack.value("SELECT count(*) FROM jobs_run") > 0 and stack.is_quiet(), "the decision")


def fates(stack) -> dict[str, int]:
    """How many fire times have which fate."""
    rows = stack.rows("SELECT status, sum(coalesced) FROM jobs_run GROUP BY status")
    return {status: int(count) for status, count in rows}


def test_skip_writes_down_what_was_missed_and_runs_what_is_in_time(stack, witness):
    make(stack, witness, "skip")
    assert 28 <= fates(stack)["missed"] <= 29
    assert 1 <= fates(stack)["succeeded"] <= 4


def test_run_once_runs_the_newest_for_all_of_them(stack, witness):
    make(stack, witness, "run_once")
    newest = "SELECT max(coalesced) FROM jobs_run WHERE status = 'succeeded'"
    assert 29 <= stack.value(newest) <= 31
    assert len(witness.starts()) <= 3


def test_catch_up_runs_all_of_them_once(stack, witness):
    make(stack, witness, "catch_up")
    assert set(fates(stack)) == {"succeeded"}
    assert 30 <= len(witness.starts()) <= 33
    assert len(witness.starts()) == len(set(witness.starts()))
