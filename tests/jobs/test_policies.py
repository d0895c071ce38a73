from datetime import timedelta

import pytest

from jobs.policies import BackoffPolicy, RetryPolicy


def delays(backoff, tries=5, jitter=0.0):
    policy = RetryPolicy(max=5, backoff=backoff, base=timedelta(seconds=10), factor=3.0, cap=timedelta(seconds=100))
    return [policy.delay(number, jitter).total_seconds() for number in range(1, tries + 1)]


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        (BackoffPolicy.FIXED, [10, 10, 10, 10, 10]),
        (BackoffPolicy.LINEAR, [10, 20, 30, 40, 50]),
        (BackoffPolicy.EXPONENTIAL, [10, 30, 90, 100, 100]),
    ],
)
def test_delay_grows_as_the_policy_says_up_to_the_cap(backoff, expected):
    assert delays(backoff) == expected


@pytest.mark.parametrize(("jitter", "expected"), [(-0.5, 5), (0.5, 15)])
def test_jitter_moves_the_delay_by_at_most_half(jitter, expected):
    assert delays(BackoffPolicy.FIXED, tries=1, jitter=jitter) == [expected]


def test_the_thousandth_try_still_has_a_delay():
    assert delays(BackoffPolicy.EXPONENTIAL, tries=1000)[-1] == 100
