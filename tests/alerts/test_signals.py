"""Which signals a memory knows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.signals import KEPT, Seen, Signal, SignalKind, time_signal

EPOCH = datetime(2026, 11, 21, tzinfo=UTC)


def signal(name, seconds):
    return Signal(kind=SignalKind.RUN, subject="job:1", at=EPOCH + timedelta(seconds=seconds), id=str(name))


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=250))
def test_every_signal_that_was_had_is_known_for_ever(wobble):
    seen, had = Seen(), []
    for number, shake in enumerate(wobble):
        one = signal(number, number * 30 + shake)
        seen = seen.plus(one)
        had.append(one)
    assert all(seen.knows(one) for one in had)
    assert Seen.from_json(seen.to_json()) == seen
    assert len(seen.ids) <= KEPT + 5


def test_a_thousand_signals_of_one_moment_are_all_new_and_all_remembered():
    seen = Seen()
    for number in range(1000):
        one = signal(number, 0)
        assert not seen.knows(one)
        seen = seen.plus(one)
    assert all(seen.knows(signal(number, 0)) for number in range(1000))


def test_a_signal_that_is_a_minute_late_is_still_taken():
    seen = Seen()
    for number in range(500):
        seen = seen.plus(signal(number, number))
    assert not seen.knows(signal("late", 500 - 55))
    assert seen.knows(signal("far too late", 300))


def test_facts_name_the_cause_and_the_time_of_the_next_result():
    one = Signal(kind=SignalKind.CHECK, subject="rule:1", at=EPOCH, id="x")
    assert (one.cause, one.due_at) == ("rule:1", None)
    facts = {"cause": "datasource:7", "due_at": EPOCH.isoformat()}
    one = Signal(kind=SignalKind.CHECK, subject="rule:1", at=EPOCH, id="x", facts=facts)
    assert (one.cause, one.due_at) == ("datasource:7", EPOCH)


def test_only_the_passing_of_time_needs_no_id():
    assert time_signal("rule:1", EPOCH).id == ""
    with pytest.raises(ValueError, match="needs an id"):
        signal("", 0)
