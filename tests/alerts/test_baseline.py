"""Suspicious successes: seeded histories say how often a normal run is called so, and which anomalies are caught."""

import random

import pytest
from django.utils import translation

from alerts.baseline import LEARNED_FROM, Contract, Figures, is_too_long, learn, short_count, suspicion

HISTORIES, RUNS = 400, 60


def steady(rng):
    return rng.gauss(50, 4)


def skewed(rng):
    return 30 * rng.lognormvariate(0, 0.6)


def growing_tail(rng):
    return 5 * rng.paretovariate(1.5)


def two_ways(rng):
    """Weekdays and weekends."""
    return rng.gauss(50, 5) if rng.random() < 5 / 7 else rng.gauss(1, 0.1)


def constant(rng):
    return 20.0


SHAPES = [steady, skewed, growing_tail, two_ways, constant]


def histories(shape, seed):
    """Seconds and rows that go with them, as many runs as the baseline may look at and ten more to judge."""
    rng = random.Random(seed)
    for _ in range(HISTORIES):
        yield [
            Figures(
                seconds=max(seconds, 0.01), row_count=int(max(seconds, 0) * 240), output_bytes=rng.randint(200, 400)
            )
            for seconds in (shape(rng) for _ in range(RUNS))
        ]


@pytest.mark.parametrize("shape", SHAPES)
def test_fewer_than_one_normal_run_in_a_thousand_is_called_suspicious(shape):
    judged = alarms = 0
    for history in histories(shape, seed=20261121):
        for number in range(50, RUNS):
            judged += 1
            alarms += suspicion(history[:number], history[number]) is not None
    assert judged == HISTORIES * 10
    assert alarms / judged < 0.001, f"{alarms} of {judged}"


@pytest.mark.parametrize("shape", SHAPES)
def test_fewer_than_one_normal_run_in_two_hundred_is_called_so_when_little_is_known(shape):
    judged = alarms = 0
    for history in histories(shape, seed=7):
        for number in range(LEARNED_FROM, LEARNED_FROM + 10):
            judged += 1
            alarms += suspicion(history[:number], history[number]) is not None
    assert alarms / judged < 0.005, f"{alarms} of {judged}"


@pytest.mark.parametrize("shape", [steady, skewed, constant])
@pytest.mark.parametrize(
    "anomaly",
    [{"row_count": 0}, {"output_bytes": 0}, {"seconds": 0.2, "row_count": 0}],
)
def test_no_rows_and_no_output_are_caught_in_every_history_that_knows_rows_and_output(shape, anomaly):
    caught = 0
    for history in histories(shape, seed=3):
        now = Figures(**{"seconds": 40.0, "row_count": 10_000, "output_bytes": 300, **anomaly})
        caught += suspicion(history[:50], now) is not None
    assert caught / HISTORIES > 0.99


def usual(count=20, **figures):
    return [
        Figures(**{name: low + (high - low) * n // (count - 1) for name, (low, high) in figures.items()})
        for n in range(count)
    ]


def test_the_sentence_says_what_is_usual_and_what_it_is_now():
    history = usual(seconds=(40, 59), row_count=(12_000, 12_400))
    found = suspicion(history, Figures(seconds=1, row_count=0))
    assert found is not None
    assert found.text == "usual 42–57 s, 12 k rows; now 1 s, 0 rows"
    with translation.override("zh-hans"):
        assert found.text == "通常 42–57 秒，12 k 行；这次 1 秒，0 行"


def test_only_low_figures_are_suspicious_and_only_high_ones_too_long():
    history = usual(seconds=(40, 59))
    assert suspicion(history, Figures(seconds=4000)) is None
    assert is_too_long(history, 4000)
    assert not is_too_long(history, 70)
    assert not is_too_long(history, 1)


def test_nothing_is_called_unusual_before_enough_is_known():
    history = [Figures(seconds=50)] * (LEARNED_FROM - 1)
    assert suspicion(history, Figures(seconds=0.1)) is None
    assert suspicion([*history, Figures(seconds=50)], Figures(seconds=0.1))


@pytest.mark.parametrize(("seconds", "is_odd"), [(50, False), (48, False), (30, False), (19, True), (1, True)])
def test_a_history_without_any_spread_allows_for_some(seconds, is_odd):
    assert (suspicion([Figures(seconds=50)] * 20, Figures(seconds=seconds)) is not None) is is_odd


def test_jobs_that_take_no_time_are_never_too_fast():
    assert suspicion([Figures(seconds=0.3)] * 20, Figures(seconds=0.01)) is None


def test_what_happened_a_few_times_before_is_normal():
    history = [Figures(row_count=5000)] * 46 + [Figures(row_count=0)] * 4
    assert suspicion(history, Figures(row_count=0)) is None
    assert suspicion(history[:47], Figures(row_count=0))


def test_a_figure_that_a_run_does_not_have_is_not_learned_and_not_judged():
    assert learn([Figures(seconds=1)]).keys() == {"seconds"}
    assert suspicion(usual(row_count=(5000, 5100)), Figures(seconds=1)) is None


@pytest.mark.parametrize(
    ("contract", "now", "key"),
    [
        (Contract(least_rows=1), Figures(row_count=0), "contract.rows"),
        (Contract(least_rows=1), Figures(row_count=1), None),
        (Contract(least_rows=1), Figures(), "contract.no_row_count"),
        (Contract(least_seconds=5), Figures(seconds=4.9), "contract.seconds"),
        (Contract(least_seconds=5), Figures(seconds=5), None),
        (Contract(needs_output=True), Figures(output_bytes=0), "contract.output"),
        (Contract(needs_output=True), Figures(output_bytes=1), None),
        (Contract(), Figures(), None),
    ],
)
def test_what_was_agreed_on_needs_no_history(contract, now, key):
    found = suspicion([], now, contract)
    assert (found.key if found else None) == key
    assert found is None or found.text


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0"), (980, "980"), (1000, "1 k"), (3400, "3.4 k"), (12_400, "12 k"), (3_400_000, "3.4 M")],
)
def test_counts_are_short(count, expected):
    assert short_count(count) == expected
