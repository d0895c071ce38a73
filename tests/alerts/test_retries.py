"""When a message is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.retries import DELAYS, GIVE_UP, LAST_TRY, next_try, pause_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(("failures", "delay"), [(1, DELAYS[0]), (2, DELAYS[1]), (5, DELAYS[4]), (50, DELAYS[4])])
def test_the_waits_grow_to_an_hour(failures, delay):
    assert next_try(failures, now=NOW, first_failed_at=NOW, luck=0) == NOW + delay


def test_luck_spreads_what_failed_together():
    assert next_try(5, now=NOW, first_failed_at=NOW, luck=0.5) == NOW + timedelta(hours=1) * 1.1


def test_a_service_that_wants_rest_gets_it():
    pause = timedelta(minutes=3)
    assert next_try(1, now=NOW, first_failed_at=NOW, luck=0.9, retry_after=pause) == NOW + pause


@pytest.mark.parametrize(("age", "is_over"), [(timedelta(hours=22), False), (timedelta(hours=23), True)])
def test_after_a_day_it_is_given_up(age, is_over):
    assert (next_try(9, now=NOW, first_failed_at=NOW - age, luck=0) is None) is is_over


@pytest.mark.parametrize("pause", [GIVE_UP, GIVE_UP * 30])
def test_a_service_that_wants_rest_for_a_day_is_tried_once_more_within_it(pause):
    assert next_try(1, now=NOW, first_failed_at=NOW, luck=0, retry_after=pause) == NOW + GIVE_UP - LAST_TRY


def test_the_last_try_of_the_day_is_not_before_the_usual_one():
    first_failed_at = NOW - GIVE_UP + timedelta(seconds=40)
    found = next_try(2, now=NOW, first_failed_at=first_failed_at, luck=0, retry_after=timedelta(hours=1))
    assert found == NOW + DELAYS[1]


def test_a_usual_wait_beyond_the_day_is_no_try_whatever_the_service_wants():
    first_failed_at = NOW - GIVE_UP + timedelta(seconds=20)
    assert next_try(2, now=NOW, first_failed_at=first_failed_at, luck=0, retry_after=timedelta(hours=1)) is None


def test_a_failing_channel_is_left_alone_longer_and_longer_up_to_half_a_minute():
    assert [pause_of(failures).total_seconds() for failures in (0, 1, 2, 3, 99)] == [0, 2, 4, 8, 30]
