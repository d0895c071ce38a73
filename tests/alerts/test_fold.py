"""The fold of an alert rule: stories first, laws after them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.effects import Changed, Flapping, Joined, Opened, Reminded, Resolved, Settled, trigger_of
from alerts.fold import step, wakes_at
from alerts.memory import Memory, UnknownVersionError
from alerts.policies import Policy
from alerts.signals import Signal, SignalKind, Verdict, time_signal
from alerts.states import AlertState, Trigger

EPOCH = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LETTERS = {"g": Verdict.GOOD, "b": Verdict.BAD, "-": Verdict.BETWEEN, "n": Verdict.NO_DATA, "e": Verdict.BROKEN}
S = AlertState


def at(minute):
    return EPOCH + minute * MINUTE


def check(minute, letter, **facts):
    verdict = LETTERS[letter]
    return Signal(
        kind=SignalKind.CHECK, subject="rule:1", at=at(minute), id=f"run:{minute}", verdict=verdict, facts=facts
    )


def fold(policy, signals, memory=None):
    memory = memory or Memory.new(EPOCH)
    effects = []
    for signal in signals:
        memory, found = step(policy, memory, signal)
        effects += found
    return memory, effects


def told(effects):
    """Each effect as a word, its state and its minute: "opened firing 3"."""
    words = []
    for one in effects:
        state = getattr(one, "new", None) or getattr(one, "state", "")
        quiet = "(" if one.is_quiet else ""
        words.append(f"{quiet}{type(one).__name__.lower()} {state} {(one.at - EPOCH) / MINUTE:g}".replace("  ", " "))
    return words


def story(policy, letters, until=None):
    """A check a minute, from minute 1; "." is a minute without one, told by a signal of time."""
    signals = [
        time_signal("rule:1", at(minute)) if letter == "." else check(minute, letter)
        for minute, letter in enumerate(letters, start=1)
    ]
    return fold(policy, [*signals, *([time_signal("rule:1", at(until))] if until else [])])


def states(policy, letters):
    """The state after each minute."""
    memory, found = Memory.new(EPOCH), []
    for minute, letter in enumerate(letters, start=1):
        signal = time_signal("rule:1", at(minute)) if letter == "." else check(minute, letter)
        memory, _ = step(policy, memory, signal)
        found.append(
            {"ok": "O", "pending": "P", "firing": "F", "error": "E", "stale": "S", "no_data": "N"}[memory.state]
        )
    return "".join(found)


def minutes(**values):
    return {name: value * MINUTE for name, value in values.items()}


@pytest.mark.parametrize(
    ("policy", "letters", "expected"),
    [
        ({}, "gbbgb", "OFFOF"),
        ({"needed_count": 2, "window_count": 3}, "bgbgggbb", "POFOOOPF"),
        ({"needed_count": 2, "window_count": 3}, "bbgbb", "PFOPF"),  # as many as the first time
        ({"needed_count": 3, "window_count": 3}, "bbgbbb", "PPOPPF"),
        ({"good_count": 2}, "bgbgg", "FFFFO"),
        ({}, "b-g", "FFO"),
        ({}, "-b", "OF"),
        ({"good_count": 2}, "bg-gg", "FFFFO"),
        ({"needed_count": 2, "window_count": 2}, "b-b", "POP"),
        (minutes(hold_for=3), "bbbb", "PPPF"),
        (minutes(hold_for=3), "bbgbbbb", "PPOPPPF"),
        (minutes(hold_for=3), "b...", "PPPF"),
        ({"good_count": 2, **minutes(hold_for=2), "needed_count": 2, "window_count": 4}, "bbgbg", "PPPFF"),
        ({}, "eeg", "EEO"),
        ({}, "beg", "FEO"),
        ({}, "bebg", "FEFO"),
        ({}, "n", "N"),
        ({"good_count": 2}, "bgeg", "FFEF"),
        (minutes(hold_for=2), "be...b", "PEEEEF"),
        (minutes(stale_after=2), "g...g", "OOSSO"),
        (minutes(stale_after=2), "b...bg", "FFSSFO"),
        (minutes(stale_after=2), "e..g", "EESO"),
        # silence is no result: the two good ones follow each other
        ({"good_count": 2, **minutes(stale_after=2)}, "bg..g", "FFFSO"),
    ],
)
def test_states(policy, letters, expected):
    assert states(Policy(flap_changes=0, **policy), letters) == expected


def test_an_alert_opens_one_incident_joins_it_and_resolves_it():
    _, effects = story(Policy(), "gbbgg")
    assert told(effects) == [
        "changed firing 2",
        "opened firing 2",
        "joined firing 3",
        "changed ok 4",
        "resolved firing 4",
    ]
    assert [one.signal_id for one in effects] == ["run:2", "run:2", "run:3", "run:4", "run:4"]


def test_a_failing_check_has_an_incident_of_its_own_and_leaves_the_other_open():
    memory, effects = fold(Policy(), [check(1, "b"), check(2, "e", cause="datasource:7"), check(3, "g")])
    assert told(effects)[2:] == [
        "changed error 2",
        "opened error 2",
        "changed ok 3",
        "resolved firing 3",
        "resolved error 3",
    ]
    assert effects[3].cause == "datasource:7"
    assert not memory.incidents


def test_an_alert_does_not_begin_to_fire_while_its_check_fails():
    memory, effects = story(Policy(hold_for=2 * MINUTE), "be....g")
    assert [one.state for one in effects if isinstance(one, Opened)] == [S.ERROR]
    assert memory.state == S.OK


def test_a_check_that_fails_for_another_cause_changes_its_incident():
    _, effects = fold(Policy(), [check(1, "e", cause="table"), check(2, "e", cause="table"), check(3, "e", cause="db")])
    kinds = [(type(one), getattr(one, "cause", "")) for one in effects]
    assert kinds == [(Changed, ""), (Opened, "table"), (Joined, "table"), (Resolved, "table"), (Opened, "db")]
    assert trigger_of(effects[3]) is None  # it has not recovered


def test_time_alone_brings_stale_reminders_and_the_end_of_a_hold():
    policy = Policy(flap_changes=0, **minutes(hold_for=3, repeat_every=10, stale_after=15))
    memory, effects = story(policy, "b")
    assert (wakes_at(policy, memory), effects[0].new) == (at(4), S.PENDING)
    memory, effects = fold(policy, [time_signal("rule:1", at(minute)) for minute in range(2, 40)], memory)
    assert told(effects) == [
        "changed firing 4",
        "opened firing 4",
        "reminded firing 14",
        "changed stale 16",
        "opened stale 16",
        "reminded stale 26",
        "reminded stale 36",
    ]
    assert wakes_at(policy, memory) == at(46)


def test_the_schedules_own_next_time_goes_before_the_fixed_one():
    due = at(90).isoformat()
    policy = Policy(**minutes(stale_after=5))
    memory, effects = fold(policy, [check(1, "g", due_at=due), time_signal("rule:1", at(89))])
    assert (memory.state, effects, wakes_at(policy, memory)) == (S.OK, [], at(90))
    assert step(policy, memory, time_signal("rule:1", at(90)))[0].state == S.STALE


def test_a_rule_that_never_had_a_result_is_stale_too():
    assert fold(Policy(**minutes(stale_after=5)), [time_signal("rule:1", at(6))])[0].state == S.STALE


def test_a_result_that_comes_at_the_last_moment_is_in_time():
    _, effects = fold(Policy(**minutes(stale_after=5)), [check(5, "g")])
    assert effects == []
    _, effects = fold(Policy(**minutes(stale_after=5)), [check(6, "g")])
    assert told(effects) == ["changed stale 5", "opened stale 5", "changed ok 6", "resolved stale 6"]


def test_reminders_that_nobody_was_there_to_send_are_one():
    policy = Policy(**minutes(repeat_every=10))
    memory, effects = fold(policy, [check(1, "b"), time_signal("rule:1", at(45))])
    assert told(effects)[2:] == ["reminded firing 41"]
    assert (effects[-1].count, wakes_at(policy, memory)) == (4, at(51))


def test_flapping_is_told_once_and_then_nothing_until_it_is_calm():
    policy = Policy(flap_changes=3, flap_period=10 * MINUTE)
    memory, effects = story(policy, "bgbgbg", until=30)
    assert told(effects) == [
        "changed firing 1",
        "opened firing 1",
        "changed ok 2",
        "resolved firing 2",
        "flapping 3",
        "(changed firing 3",
        "(opened firing 3",
        "(changed ok 4",
        "(changed firing 5",
        "(joined firing 5",
        "(changed ok 6",
        "settled ok 16",
        "resolved firing 16",
    ]
    assert (memory.incidents, memory.flapping_at) == ({}, None)


def test_what_settles_while_it_fires_keeps_its_incident_and_is_told():
    policy = Policy(flap_changes=3, flap_period=10 * MINUTE, repeat_every=5 * MINUTE)
    memory, effects = story(policy, "bgb", until=14)
    assert told(effects)[-1] == "settled firing 13"
    assert [trigger_of(one) for one in effects[-1:]] == [Trigger.FIRING]
    assert memory.incidents
    assert wakes_at(policy, memory) == at(18)


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (Opened(at=EPOCH, state=S.FIRING, cause="x"), Trigger.FIRING),
        (Opened(at=EPOCH, state=S.NO_DATA, cause="x"), Trigger.NO_DATA),
        (Opened(at=EPOCH, state=S.FIRING, cause="x", is_quiet=True), None),
        (Joined(at=EPOCH, state=S.FIRING, cause="x"), None),
        (Reminded(at=EPOCH, state=S.FIRING, cause="x", count=1), Trigger.STILL_FIRING),
        (Resolved(at=EPOCH, state=S.FIRING, cause="x", now_is=S.OK), Trigger.RECOVERED),
        (Resolved(at=EPOCH, state=S.ERROR, cause="x", now_is=S.FIRING), Trigger.RECOVERED),
        (Resolved(at=EPOCH, state=S.ERROR, cause="x", now_is=S.STALE), None),
        (Flapping(at=EPOCH, count=6), Trigger.FIRING),
        (Settled(at=EPOCH, state=S.OK), None),
        (Changed(at=EPOCH, old=S.OK, new=S.FIRING), None),
    ],
)
def test_what_notification_rules_call_an_effect(effect, expected):
    assert trigger_of(effect) == expected


def test_a_memory_of_a_newer_portal_is_refused():
    with pytest.raises(UnknownVersionError):
        Memory.from_json({**Memory.new(EPOCH).to_json(), "version": 2})


# --- laws ---

POLICIES = st.builds(
    lambda window, needed, **more: Policy(window_count=window, needed_count=min(window, needed), **more),
    window=st.integers(1, 4),
    needed=st.integers(1, 4),
    hold_for=st.sampled_from([0, 3, 7]).map(lambda m: m * MINUTE),
    good_count=st.integers(1, 3),
    repeat_every=st.sampled_from([None, 5 * MINUTE]),
    stale_after=st.sampled_from([None, 4 * MINUTE]),
    flap_changes=st.sampled_from([0, 3]),
    flap_period=st.just(10 * MINUTE),
)
# A gap of whole minutes and a half, so that no result meets the very moment at which something is due.
STEPS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("gb-ne.")), max_size=25)


def signals_of(steps):
    """Whole minutes are the rules', half a second past them the signals'."""
    found, minute = [], 0
    for number, (gap, letter) in enumerate(steps):
        minute += gap
        moment = at(minute) + timedelta(milliseconds=500 + number)
        if letter == ".":
            found.append(time_signal("rule:1", moment))
        else:
            found.append(
                Signal(kind=SignalKind.CHECK, subject="rule:1", at=moment, id=f"run:{number}", verdict=LETTERS[letter])
            )
    return found


@given(POLICIES, STEPS)
def test_it_never_fires_without_n_of_m_bad_results(policy, steps):
    memory, verdicts = Memory.new(EPOCH), []
    for signal in signals_of(steps):
        just_before = time_signal("rule:1", signal.at - timedelta(microseconds=1))
        for one in (just_before, signal):  # so that it is known which of them made it fire
            was_firing = memory.is_firing
            memory, _ = step(policy, memory, one)
            if one.verdict in (Verdict.GOOD, Verdict.BAD, Verdict.BETWEEN):
                verdicts.append(one.verdict)
            if memory.is_firing and not was_firing:
                assert verdicts[-policy.window_count :].count(Verdict.BAD) >= policy.needed_count


@given(POLICIES, STEPS)
def test_it_recovers_exactly_when_told(policy, steps):
    memory, goods = Memory.new(EPOCH), 0
    for signal in signals_of(steps):
        was_firing = memory.is_firing
        memory, _ = step(policy, memory, signal)
        if signal.verdict:
            goods = goods + 1 if signal.verdict == Verdict.GOOD else 0
        if was_firing:
            assert memory.is_firing == (goods < policy.good_count or signal.verdict is None)


@given(POLICIES, STEPS, st.data())
def test_a_signal_that_comes_again_changes_nothing(policy, steps, data):
    signals = [one for one in signals_of(steps) if one.id]
    memory, had = Memory.new(EPOCH), []
    for signal in signals:
        memory, _ = step(policy, memory, signal)
        had.append(signal)
        again = data.draw(st.sampled_from(had))
        assert step(policy, memory, again) == (memory, [])


@given(POLICIES, STEPS, STEPS)
def test_a_memory_that_went_through_json_has_the_same_future(policy, before, after):
    memory, _ = fold(policy, signals_of(before))
    restored = Memory.from_json(json.loads(json.dumps(memory.to_json())))
    assert restored == memory
    later = [check(10_000 + number, letter) for number, (_, letter) in enumerate(after) if letter != "."]
    assert fold(policy, later, restored) == fold(policy, later, memory)


@given(POLICIES, STEPS)
def test_a_run_of_good_signals_always_ends_in_ok(policy, steps):
    memory, _ = fold(policy, signals_of(steps))
    start = int((memory.clock - EPOCH) / MINUTE) + 1
    calm = [check(start + number, "g") for number in range(policy.good_count + 12)]
    memory, effects = fold(policy, calm, memory)
    assert (memory.state, dict(memory.incidents)) == (S.OK, {})
    assert not any(isinstance(one, Opened) for one in effects[policy.good_count * 4 + 8 :])


@settings(max_examples=60)
@given(POLICIES, STEPS, st.lists(st.integers(0, 9000), max_size=20))
def test_it_makes_no_difference_how_often_time_is_told(policy, steps, seconds):
    checks = signals_of(steps)
    end = (checks[-1].at if checks else EPOCH) + MINUTE
    ticks = [time_signal("rule:1", EPOCH + timedelta(seconds=s, microseconds=7)) for s in seconds]
    often = sorted([*checks, *(one for one in ticks if one.at < end)], key=lambda one: one.at)
    (first, one), (second, other) = (
        fold(policy, [*checks, time_signal("", end)]),
        fold(policy, [*often, time_signal("", end)]),
    )
    assert first == second

    def without_reminders(effects):
        return [effect for effect in effects if not isinstance(effect, Reminded)]

    assert without_reminders(one) == without_reminders(other)
    # Reminders that are late together are one; nobody loses the last.
    assert [e for e in one if isinstance(e, Reminded)][-1:] == [e for e in other if isinstance(e, Reminded)][-1:]


@given(POLICIES, STEPS)
def test_what_is_opened_is_resolved_before_it_is_opened_again(policy, steps):
    _, effects = fold(policy, signals_of(steps))
    is_open: set[bool] = set()
    for one in effects:
        if isinstance(one, Opened | Resolved | Joined | Reminded):
            slot = one.state == S.FIRING
            assert (slot in is_open) != isinstance(one, Opened)
            is_open ^= {slot} if isinstance(one, Opened | Resolved) else set()
