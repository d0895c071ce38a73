"""Which rules and silences concern what."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerts.routing import LabelTerm, Router, Selector, Silence, Target, is_above, silence_of
from alerts.states import Severity

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAYMENTS = Target(job="invoices", category="report", labels={"team": "payments", "urgent": ""})


@pytest.mark.parametrize(
    ("term", "fits"),
    [
        ("team=payments", True),
        ("team=shop", False),
        ("team!=shop", True),
        ("team!=payments", False),
        ("region!=eu", True),  # a label that is not there has no such value
        ("region=eu", False),
        ("urgent", True),
        ("!urgent", False),
        ("!region", True),
        ("urgent=", True),
        ("region=", False),
    ],
)
def test_a_term_fits_labels(term, fits):
    assert LabelTerm.parse(term).fits(PAYMENTS.labels) is fits
    assert Selector(labels=(term,)).fits(PAYMENTS) is fits


@pytest.mark.parametrize("text", ["", "=x", "a==b", "!a=b", "a b", "!", "a\n"])
def test_what_is_no_term_is_refused_with_a_sentence(text):
    with pytest.raises(ValidationError, match="no label") if text != "a\n" else pytest.raises(ValidationError):
        Selector(labels=(text.replace("\n", "\n!"),))


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({}, True),
        ({"jobs": ["invoices", "x"]}, True),
        ({"jobs": ["x"]}, False),
        ({"rules": ["x"]}, False),
        ({"categories": ["report"], "labels": ["team=payments"]}, True),
        ({"categories": ["report"], "labels": ["team=shop"]}, False),
        ({"categories": ["sync"], "labels": ["team=payments"]}, False),
        ({"labels": ["team=payments", "!urgent"]}, False),
    ],
)
def test_all_criteria_must_fit_each_by_any_value(selector, fits):
    assert Selector(**selector).fits(PAYMENTS) is fits


def silence(number, selector, start, end):
    return Silence(id=number, selector=Selector(**selector), starts_at=NOON + start * HOUR, ends_at=NOON + end * HOUR)


def test_a_silence_covers_its_time_and_the_longest_one_is_named():
    silences = [silence(1, {}, 0, 1), silence(2, {"jobs": ["invoices"]}, 0, 2), silence(3, {"jobs": ["x"]}, 0, 9)]
    found = [silence_of(silences, PAYMENTS, NOON + hours * HOUR) for hours in (-0.1, 0, 1, 2)]
    assert [one and one.id for one in found] == [None, 2, 2, None]


def test_a_floor_lets_pass_what_is_as_urgent():
    passed = [is_above(one, Severity.WARNING) for one in Severity]
    assert passed == [False, True, True]
    assert is_above(Severity.INFO, None)


NAMES = st.sampled_from(["a", "b", "c"])
LABELS = st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["x", "y", ""]), max_size=2)
TERMS = st.sampled_from(["team=x", "team!=x", "tier", "!tier", "tier=y", "team="])
SELECTORS = st.builds(
    Selector,
    jobs=st.lists(NAMES, max_size=2).map(tuple),
    rules=st.lists(NAMES, max_size=1).map(tuple),
    categories=st.lists(NAMES, max_size=2).map(tuple),
    labels=st.lists(TERMS, max_size=2).map(tuple),
)
TARGETS = st.builds(Target, job=st.just("") | NAMES, category=NAMES, rule=st.just("") | NAMES, labels=LABELS)


@given(st.lists(SELECTORS, max_size=12), TARGETS)
def test_the_router_finds_what_asking_every_rule_finds(selectors, target):
    rules = list(enumerate(selectors))
    router = Router((selector, number) for number, selector in rules)
    assert router.route(target) == [number for number, selector in rules if selector.fits(target)]


def test_ten_thousand_rules_of_other_jobs_are_not_looked_at():
    selectors = [Selector(jobs=(f"job-{number}",)) for number in range(10_000)]
    router = Router((selector, number) for number, selector in enumerate(selectors))
    assert max(len(numbers) for numbers in router._by_place.values()) == 1
    assert router.route(Target(job="job-77")) == [77]
