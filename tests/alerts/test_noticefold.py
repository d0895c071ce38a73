"""The fold of a notification rule over the runs of one job."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerts.noticefold import NoticeMemory, NoticePolicy, step
from alerts.signals import Signal, SignalKind
from alerts.states import RUN_FAILURES, Trigger

T = Trigger
EPOCH = datetime(2026, 11, 21, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAILED, TIMEOUT = T.TECHNICAL_FAILURE, T.TIMEOUT
RUNS = {
    "s": {T.SUCCESS},
    "f": {FAILED},
    "t": {TIMEOUT},
    "b": {T.BUSINESS_FAILURE},
    "l": {T.LOST},
    "m": {T.MISSED},
    "k": {T.SKIPPED},
    "?": {T.SUCCESS, T.SUSPICIOUS},
    "L": {T.SUCCESS, T.LATE},
    "x": set(),  # cancelled
}


def run(minute, letter):
    """A capital F is a try that will be repeated."""
    triggers = frozenset(RUNS["f" if letter == "F" else letter])
    at = EPOCH + minute * MINUTE
    return Signal(
        kind=SignalKind.RUN, subject="job:1", at=at, id=f"run:{minute}", triggers=triggers, will_retry=letter == "F"
    )


def fold(policy, letters, memory=None, start=1):
    memory, tells = memory or NoticeMemory(), []
    for minute, letter in enumerate(letters, start=start):
        memory, found = step(policy, memory, run(minute, letter))
        tells += found
    return memory, tells


def told(policy, letters):
    """What is told at which minute: "f3" is the technical failure of minute 3."""
    names = {T.SUCCESS: "s", FAILED: "f", TIMEOUT: "t", T.RECOVERED: "R", T.SUSPICIOUS: "?", T.MISSED: "m", T.LATE: "L"}
    return " ".join(f"{names[one.trigger]}{(one.at - EPOCH) // MINUTE}" for one in fold(policy, letters)[1])


def rule(*triggers, **more):
    return NoticePolicy(triggers=frozenset(triggers), **more)


@pytest.mark.parametrize(
    ("policy", "letters", "expected"),
    [
        (rule(FAILED), "sfsf", "f2 f4"),
        (rule(FAILED), "fff", "f1 f2 f3"),
        (rule(FAILED, threshold=3), "ffsfff", "f6"),
        (rule(FAILED, threshold=2), "ffff", "f2 f3 f4"),
        (rule(FAILED, threshold=2, repeat="threshold"), "fffff", "f2 f4"),
        (rule(FAILED, threshold=2, repeat="once"), "ffffsff", "f2 f7"),
        # neutral: lost, missed, skipped, cancelled
        (rule(FAILED, threshold=2), "flmkxf", "f6"),
        # another executed outcome ends the chain
        (rule(TIMEOUT, threshold=2), "tbt", ""),
        (rule(TIMEOUT, FAILED, threshold=2), "tf", "f2"),
        (rule(T.MISSED, threshold=2), "msmm", "m4"),
        # recovery: the first success after a told failure, once
        (rule(FAILED, T.RECOVERED), "sffss", "f2 f3 R4"),
        (rule(FAILED, T.RECOVERED, threshold=2), "fsffs", "f4 R5"),
        (rule(TIMEOUT, T.RECOVERED), "tbs", "t1 R3"),
        (rule(T.RECOVERED), "fs", ""),
        # successes are a chain too; a recovery is told instead
        (rule(T.SUCCESS), "ss", "s1 s2"),
        (rule(T.SUCCESS, threshold=2), "sfss", "s4"),
        (rule(T.SUCCESS, FAILED, T.RECOVERED), "sfss", "s1 f2 R3 s4"),
        (rule(T.SUCCESS, FAILED, threshold=2), "sfsffs", "f5"),
        # remarks
        (rule(T.SUSPICIOUS), "s?", "?2"),
        (rule(T.SUSPICIOUS, FAILED, T.RECOVERED, threshold=2), "f?s", "?2 R3"),
        (rule(FAILED, T.RECOVERED), "f?", "f1 R2"),
        (rule(T.LATE, T.SUCCESS), "L", "L1"),
        # tries
        (rule(FAILED), "FFf", "f3"),
        (rule(FAILED, only_last_try=False), "FFf", "f1 f2 f3"),
        # spacing
        (rule(FAILED, at_most_every=3 * MINUTE), "ffffff", "f1 f4"),
        (rule(FAILED, at_most_every=3 * MINUTE), "fsfsf", "f1 f5"),
        (rule(FAILED, T.RECOVERED, at_most_every=9 * MINUTE), "fsfs", "f1 R2"),
        (rule(FAILED, repeat="once", at_most_every=3 * MINUTE), "fsfff", "f1 f4"),
    ],
)
def test_what_is_told(policy, letters, expected):
    assert told(policy, letters) == expected


def test_a_tell_says_how_many_came_in_a_row():
    _, tells = fold(rule(FAILED, threshold=2), "fff")
    assert [(one.count, one.key) for one in tells] == [
        (2, "technical_failure:run:2"),
        (3, "technical_failure:run:3"),
    ]


@pytest.mark.parametrize("triggers", [frozenset(), frozenset({T.FIRING}), frozenset({T.SUCCESS, T.OUTAGE})])
def test_a_rule_of_runs_names_at_least_one_trigger_and_only_those_of_runs(triggers):
    with pytest.raises(ValidationError):
        NoticePolicy(triggers=triggers)


POLICIES = st.builds(
    NoticePolicy,
    triggers=st.frozensets(
        st.sampled_from([T.SUCCESS, *sorted(RUN_FAILURES), T.MISSED, T.SUSPICIOUS, T.RECOVERED])
    ).filter(bool),
    threshold=st.integers(1, 4),
    repeat=st.sampled_from(["every", "threshold", "once"]),
    at_most_every=st.sampled_from([None, 3 * MINUTE]),
    only_last_try=st.booleans(),
)
LETTERS = st.text(alphabet="sftblmk?LxF", max_size=25)


@given(POLICIES, LETTERS)
def test_nothing_is_told_before_the_threshold_but_a_recovery(policy, letters):
    owed = False
    for one in fold(policy, letters)[1]:
        if one.trigger == T.RECOVERED:
            assert owed
            owed = False
        else:
            assert one.count >= policy.threshold
            assert one.triggers <= policy.triggers
            owed = one.triggers != {T.SUCCESS}


@given(POLICIES, LETTERS, st.data())
def test_a_signal_that_comes_again_changes_nothing(policy, letters, data):
    memory, _ = fold(policy, letters)
    if letters:
        minute = data.draw(st.integers(1, len(letters)))
        assert step(policy, memory, run(minute, letters[minute - 1])) == (memory, [])


@given(POLICIES, LETTERS, LETTERS)
def test_a_memory_that_went_through_json_has_the_same_future(policy, before, after):
    memory, _ = fold(policy, before)
    restored = NoticeMemory.from_json(json.loads(json.dumps(memory.to_json())))
    assert restored == memory
    assert fold(policy, after, restored, 100) == fold(policy, after, memory, 100)


def test_an_empty_row_is_an_empty_memory():
    assert NoticeMemory.from_json({}) == NoticeMemory()
