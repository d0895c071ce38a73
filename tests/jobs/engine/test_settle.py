"""What an attempt's end means for its run: a table."""

from datetime import timedelta

import pytest

from jobs.engine.settle import Counters, settle, status_of_exit
from jobs.policies import RetryPolicy
from jobs.states import AttemptStatus as A
from jobs.states import RunStatus as R

RETRY = RetryPolicy(max=2, backoff="fixed", base=timedelta(seconds=10), factor=2, cap=timedelta(minutes=1))


def counters(tries=0, lost=0, released=0):
    return Counters(tries_used=tries, lost_count=lost, released_count=released)


@pytest.mark.parametrize(
    ("ended", "before", "expected"),
    [
        (A.SUCCEEDED, counters(), R.SUCCEEDED),
        (A.BUSINESS_FAILURE, counters(), R.BUSINESS_FAILURE),
        (A.TECHNICAL_FAILURE, counters(), R.QUEUED),
        (A.TECHNICAL_FAILURE, counters(tries=1), R.QUEUED),
        (A.TECHNICAL_FAILURE, counters(tries=2), R.TECHNICAL_FAILURE),
        (A.TIMED_OUT, counters(), R.QUEUED),
        (A.TIMED_OUT, counters(tries=2), R.TIMED_OUT),
        (A.CANCELLED, counters(), R.CANCELLED),
        (A.LOST, counters(), R.QUEUED),
        (A.LOST, counters(lost=1), R.QUEUED),
        (A.LOST, counters(lost=2), R.LOST),
        (A.LOST, counters(tries=2), R.QUEUED),
        (A.RELEASED, counters(tries=2, lost=2), R.QUEUED),
    ],
)
def test_an_end_settles_the_run(ended, before, expected):
    assert settle(ended, before, retry=RETRY, is_idempotent=True, is_cancelled=False).status == expected


def test_a_job_that_is_not_idempotent_is_never_executed_twice():
    assert settle(A.LOST, counters(), retry=RETRY, is_idempotent=False, is_cancelled=False).status == R.LOST


@pytest.mark.parametrize("ended", [A.TECHNICAL_FAILURE, A.TIMED_OUT, A.LOST, A.RELEASED])
def test_a_cancelled_run_is_not_retried(ended):
    assert settle(ended, counters(), retry=RETRY, is_idempotent=True, is_cancelled=True).status == R.CANCELLED


def test_a_success_wins_over_a_cancel_that_came_too_late():
    assert settle(A.SUCCEEDED, counters(), retry=RETRY, is_idempotent=True, is_cancelled=True).status == R.SUCCEEDED


def test_a_lost_worker_burns_no_try():
    after = settle(A.LOST, counters(tries=1), retry=RETRY, is_idempotent=True, is_cancelled=False).counters
    assert (after.tries_used, after.lost_count) == (1, 1)


def test_only_a_retry_waits():
    retried = settle(A.TECHNICAL_FAILURE, counters(), retry=RETRY, is_idempotent=True, is_cancelled=False)
    released = settle(A.RELEASED, counters(), retry=RETRY, is_idempotent=True, is_cancelled=False)
    assert (retried.delay, released.delay) == (timedelta(seconds=10), timedelta(0))


@pytest.mark.parametrize(
    ("code", "exit_codes", "expected"),
    [
        (0, {}, A.SUCCEEDED),
        (1, {}, A.BUSINESS_FAILURE),
        (2, {}, A.TECHNICAL_FAILURE),
        (99, {}, A.TECHNICAL_FAILURE),
        (None, {}, A.TECHNICAL_FAILURE),
        (3, {"3": "succeeded"}, A.SUCCEEDED),
        (0, {"0": "business_failure"}, A.BUSINESS_FAILURE),
    ],
)
def test_exit_codes_mean_what_the_contract_says(code, exit_codes, expected):
    assert status_of_exit(code, exit_codes) == expected
