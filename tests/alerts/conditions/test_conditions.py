"""What each kind of condition says of each kind of result: a table per kind, bad input included."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.conditions import CONDITIONS, Condition, Observation, Summary, earlier, judge, verdict_of
from alerts.params import Params
from alerts.signals import Verdict

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GOOD, BAD, NO_DATA, BROKEN = Verdict.GOOD, Verdict.BAD, Verdict.NO_DATA, Verdict.BROKEN


def seen(*cells, columns=("x",), truncated=False, **known):
    """A result of one column, or of rows as they are given."""
    rows = [cell if isinstance(cell, list) else [cell] for cell in cells]
    return Observation(at=AT, columns=columns, rows=rows, is_truncated=truncated, **known)


def said(kind, params, observation):
    found = judge(kind, params, observation)
    return found.verdict, found.sentence.key


def count(operator, threshold):
    return {"operator": operator, "threshold": threshold}


@pytest.mark.parametrize(
    ("operator", "threshold", "expected"),
    [("=", 3, BAD), ("≠", 3, GOOD), ("<", 3, GOOD), ("<=", 3, BAD), (">", 2, BAD), (">=", 4, GOOD), ("!=", 0, BAD)],
)
def test_row_count_compares_the_number_of_rows(operator, threshold, expected):
    found = judge("row_count", count(operator, threshold), seen(1, 2, 3))
    assert (found.verdict, found.value) == (expected, 3.0)


@pytest.mark.parametrize(
    ("operator", "threshold", "expected"),
    [
        (">", 2, BAD),  # three were kept, so there are four at least
        (">", 3, BAD),
        (">", 4, BROKEN),
        ("≥", 4, BAD),
        ("≥", 5, BROKEN),
        ("<", 4, GOOD),
        ("<", 5, BROKEN),
        ("≤", 3, GOOD),
        ("≤", 4, BROKEN),
        ("=", 3, GOOD),
        ("=", 4, BROKEN),
        ("≠", 3, BAD),
        ("≠", 9, BROKEN),
    ],
)
def test_row_count_of_a_truncated_result_is_told_only_where_it_is_certain(operator, threshold, expected):
    assert judge("row_count", count(operator, threshold), seen(1, 2, 3, truncated=True)).verdict == expected


@given(st.sampled_from(["=", "≠", "<", "≤", ">", "≥"]), st.integers(0, 8), st.integers(0, 5), st.integers(1, 5))
def test_a_truncated_count_is_never_judged_otherwise_than_the_whole(operator, threshold, kept, more):
    cut = judge("row_count", count(operator, threshold), seen(*range(kept), truncated=True))
    whole = judge("row_count", count(operator, threshold), seen(*range(kept + more)))
    assert cut.verdict in (BROKEN, whole.verdict)


@pytest.mark.parametrize(
    ("kind", "observation", "expected"),
    [
        ("empty", seen(), (BAD, "empty.yes")),
        ("empty", seen(1), (GOOD, "empty.no")),
        ("empty", seen(truncated=True), (GOOD, "empty.no_more")),  # the first row was larger than may be kept
        ("not_empty", seen(), (GOOD, "empty.yes")),
        ("not_empty", seen(1, 2), (BAD, "empty.no")),
        ("not_empty", seen(1, truncated=True), (BAD, "empty.no_more")),
        ("not_empty", Observation(at=AT), (BROKEN, "any.no_result")),
    ],
)
def test_empty_and_not_empty(kind, observation, expected):
    assert said(kind, {}, observation) == expected


def value(quantifier, operator, threshold, **more):
    return {"column": "x", "quantifier": quantifier, "operator": operator, "threshold": threshold, **more}


@pytest.mark.parametrize(
    ("params", "observation", "expected"),
    [
        (value("any", ">", 5), seen(1, 6), (BAD, "column_value.met")),
        (value("any", ">", 6), seen(1, 6), (GOOD, "column_value.not_met")),
        (value("all", ">", 0), seen(1, 6), (BAD, "column_value.all_met")),
        (value("all", ">", 1), seen(1, 6), (GOOD, "column_value.one_not_met")),
        (value("first", "=", 1), seen(1, 6), (BAD, "column_value.met")),
        (value("last", "=", 1), seen(1, 6), (GOOD, "column_value.one_not_met")),
        (value("any", "=", "0.3"), seen("0.30"), (BAD, "column_value.met")),
        (value("any", "=", "0.3"), seen(0.3), (BAD, "column_value.met")),
        (value("any", ">", "9007199254740992"), seen("9007199254740993"), (BAD, "column_value.met")),
        (value("any", "=", 1), seen(True), (BAD, "column_value.met")),
        (value("any", ">", 5), seen(1, None), (NO_DATA, "any.some_null")),
        (value("any", ">", 5), seen(9, None), (BAD, "column_value.met")),
        (value("any", ">", 5, nulls="ignore"), seen(1, None), (GOOD, "column_value.not_met")),
        (value("all", ">", 5), seen(9, None), (NO_DATA, "any.some_null")),
        (value("all", ">", 5), seen(1, None), (GOOD, "column_value.one_not_met")),
        (value("first", ">", 5), seen(None, 9), (NO_DATA, "any.one_null")),
        (value("any", ">", 5), seen(None, None), (NO_DATA, "any.all_null")),
        (value("any", ">", 5), seen(), (NO_DATA, "any.no_rows")),
        (value("any", ">", 5), seen("abc", 9), (BROKEN, "any.not_a_number")),
        (value("any", ">", 5), seen("NaN"), (BROKEN, "any.not_a_number")),
        (value("any", ">", 5), seen([[1, 2]]), (BROKEN, "any.not_a_number")),
        (value("first", ">", 5), seen(9, "abc"), (BAD, "column_value.met")),
        (value("any", ">", 5), seen(9, truncated=True), (BAD, "column_value.met")),
        (value("any", ">", 5), seen(1, truncated=True), (BROKEN, "any.truncated")),
        (value("all", ">", 5), seen(9, truncated=True), (BROKEN, "any.truncated")),
        (value("all", ">", 5), seen(1, truncated=True), (GOOD, "column_value.one_not_met")),
        (value("last", ">", 5), seen(9, truncated=True), (BROKEN, "any.truncated")),
        (value("any", ">", 5), seen(truncated=True), (BROKEN, "any.truncated")),
        (value("any", "=", "no", compare_as="text"), seen("yes", "no"), (BAD, "column_value.met")),
        (value("all", "≠", "no", compare_as="text"), seen("yes", "no"), (GOOD, "column_value.one_not_met")),
        (value("any", "contains", "err", compare_as="text"), seen("an error"), (BAD, "column_value.met")),
        (value("any", "=", "5", compare_as="text"), seen(5), (BAD, "column_value.met")),
        (value("any", "=", True, compare_as="text"), seen(True), (BAD, "column_value.met")),
        (value("any", "<", "2026-01-31", compare_as="date"), seen("2026-01-30 23:59:59"), (BAD, "column_value.met")),
        (value("any", "<", "2026-01-31", compare_as="date"), seen("soon"), (BROKEN, "any.not_a_time")),
        ({**value("any", ">", 5), "column": "y"}, seen(1), (BROKEN, "any.no_column")),
        ({**value("any", ">", 5), "column": "X"}, seen(9), (BAD, "column_value.met")),
        (value("any", ">", 5), seen([1, 9], columns=("x", "x")), (BROKEN, "any.many_columns")),
        (value("any", ">", 5), Observation(at=AT), (BROKEN, "any.no_result")),
    ],
)
def test_column_value(params, observation, expected):
    assert said("column_value", params, observation) == expected


def test_a_date_without_a_zone_is_of_the_zone_that_was_chosen():
    params = value("any", ">", "2026-01-31T00:00+00:00", compare_as="date", timezone="Asia/Shanghai")
    assert judge("column_value", params, seen("2026-01-31 07:59")).verdict == GOOD
    assert judge("column_value", params, seen("2026-01-31 08:01")).verdict == BAD


def total(function, operator, threshold):
    return {"column": "x", "function": function, "operator": operator, "threshold": threshold}


@pytest.mark.parametrize(
    ("params", "observation", "expected"),
    [
        (total("sum", "=", "0.3"), seen("0.1", 0.2), BAD),  # as floats it would be 0.30000000000000004
        (total("min", "<", 2), seen(3, 1), BAD),
        (total("max", ">", 3), seen(3, 1), GOOD),
        (total("average", "=", "1.5"), seen(1, 2, None), BAD),
        (total("average", ">", "0.3333333333333333333333333333333333"), seen(1, 0, 0), BAD),
        (total("sum", ">", 0), seen("1e900", "-1e900", "1e-300"), BAD),
        (total("sum", ">", 0), seen(), NO_DATA),
        (total("sum", ">", 0), seen(None), NO_DATA),
        (total("sum", ">", 0), seen("many"), BROKEN),
        (total("sum", ">", 0), seen(1, truncated=True), BROKEN),
        (total("sum", ">", 0), seen(None, truncated=True), BROKEN),
    ],
)
def test_column_aggregate_is_exact(params, observation, expected):
    assert judge("column_aggregate", params, observation).verdict == expected


def summary(measure, number=None, digest="", ago=DAY):
    return Summary(at=AT - ago, measure=measure, number=number, digest=digest)


def after(kind, params, before, now):
    """The judgement of `now` when `before` was the last result."""
    first = judge(kind, params, before)
    last = first.summary(AT - HOUR)
    return judge(kind, params, Observation(at=AT, columns=now.columns, rows=now.rows, last=last))


@pytest.mark.parametrize(
    ("params", "before", "now", "expected"),
    [
        ({}, seen(1, 2), seen(2, 1), GOOD),  # the order of rows says nothing
        ({}, seen(1, 2), seen(1, 1, 2), BAD),
        ({}, seen(1), seen(1.0), GOOD),
        ({}, seen(1), seen("1"), BAD),
        ({}, seen(), seen(), GOOD),
        ({"bad_when": "same"}, seen(1), seen(1), BAD),
        ({"bad_when": "same"}, seen(1), seen(2), GOOD),
        ({"column": "x"}, seen([1, 5], columns=("x", "y")), seen([1, 6], columns=("x", "y")), GOOD),
        ({"column": "y"}, seen([1, 5], columns=("x", "y")), seen([1, 6], columns=("x", "y")), BAD),
        ({"column": "z"}, seen(1), seen(1), BROKEN),
    ],
)
def test_changed_compares_with_the_last_result(params, before, now, expected):
    assert after("changed", params, before, now).verdict == expected


def test_the_first_result_and_one_of_another_measure_are_nothing_to_compare_with():
    assert said("changed", {}, seen(1)) == (GOOD, "changed.first")
    assert said("changed", {}, seen(1, last=summary("column:x", digest="?"))) == (GOOD, "changed.first")
    assert said("changed", {}, seen(1, truncated=True)) == (BROKEN, "any.truncated")


def against(limit, **more):
    return {"measure": "sum", "column": "x", "against": "yesterday", "limit": limit, **more}


@pytest.mark.parametrize(
    ("params", "old", "new", "expected"),
    [
        (against(10), 100, 110, GOOD),
        (against(10), 100, "110.0000000000000000000001", BAD),
        (against(10), 100, 89, BAD),
        (against(10, direction="rise"), 100, 50, GOOD),
        (against(10, direction="fall"), 100, 50, BAD),
        (against(10, direction="fall"), 100, 150, GOOD),
        (against(10, unit="absolute"), 5, 15, GOOD),
        (against(10, unit="absolute"), 5, 16, BAD),
        (against(10), -100, -80, BAD),
        (against(10, direction="rise"), -100, -80, BAD),
        (against(10), 0, 0, GOOD),
        (against(10), 0, 1, BAD),
        (against(10, direction="fall"), 0, 1, GOOD),
        (against(10, direction="fall"), 0, -1, BAD),
    ],
)
def test_compared_with_yesterday(params, old, new, expected):
    known = summary("sum:x", Fraction(old))
    assert judge("compared", params, seen(new, yesterday=known)).verdict == expected


@pytest.mark.parametrize(
    ("params", "observation", "expected"),
    [
        (against(10), seen(1), (NO_DATA, "compared.no_earlier")),
        (against(10), seen(1, yesterday=summary("max:x", Fraction(1))), (NO_DATA, "compared.no_earlier")),
        (against(10), seen(), (NO_DATA, "any.no_rows")),
        (against(10), seen("abc"), (BROKEN, "any.not_a_number")),
        ({"measure": "row_count", "limit": 1}, seen(1, truncated=True), (BROKEN, "any.truncated")),
        ({"measure": "first", "column": "x", "limit": 1}, seen(None, 1), (NO_DATA, "any.one_null")),
    ],
)
def test_compared_without_something_to_compare(params, observation, expected):
    assert said("compared", params, observation) == expected


def test_a_number_is_kept_for_tomorrow_even_when_there_was_none_yesterday():
    today = judge("compared", against(10), seen(7)).summary(AT)
    assert today == Summary(at=AT, measure="sum:x", number=Fraction(7))
    tomorrow = judge("compared", against(10), seen(8, yesterday=today))
    assert (tomorrow.verdict, tomorrow.value) == (BAD, 8.0)


def test_a_summary_survives_json():
    for one in (summary("sum:x", Fraction(1, 3)), summary("result", digest="abc")):
        assert Summary.from_json(one.to_json()) == one


def test_the_same_hour_yesterday_is_the_nearest_check_within_half_an_hour():
    checks = [summary("m", ago=DAY + timedelta(minutes=m)) for m in (-40, -20, 10, 50)]
    assert earlier(checks, AT, DAY) == checks[2]
    assert earlier(checks[:1], AT, DAY) is None
    assert earlier(checks[:1], AT, DAY, interval=timedelta(hours=2)) == checks[0]
    assert earlier([summary("m", ago=timedelta(0))], AT, timedelta(0)) is None


@pytest.mark.parametrize(
    ("params", "cells", "known", "expected"),
    [
        ({"limit": "1h"}, ["2026-11-21T08:00:00+00:00"], {}, (GOOD, "freshness.age")),
        ({"limit": "1h"}, ["2026-11-21T07:59:59+00:00"], {}, (BAD, "freshness.age")),
        ({"limit": "1h"}, ["2026-11-20", "2026-11-21 08:30"], {}, (GOOD, "freshness.age")),
        ({"limit": "1h", "timezone": "Asia/Shanghai"}, ["2026-11-21 16:30"], {}, (GOOD, "freshness.age")),
        ({"limit": "1h"}, ["2026-11-21 16:30"], {}, (BROKEN, "freshness.future")),
        ({"limit": "1h"}, [int(AT.timestamp()) - 3601], {}, (BAD, "freshness.age")),
        ({"limit": "1h"}, [int(AT.timestamp() * 1000)], {}, (GOOD, "freshness.age")),
        ({"limit": "1h"}, [None, "2026-11-21 08:30"], {}, (GOOD, "freshness.age")),
        ({"limit": "1h"}, [None], {}, (NO_DATA, "any.all_null")),
        ({"limit": "1h"}, [], {}, (NO_DATA, "any.no_rows")),
        ({"limit": "1h"}, ["yesterday"], {}, (BROKEN, "any.not_a_time")),
        ({"limit": "1h"}, [10**30], {}, (BROKEN, "any.not_a_time")),
        ({"limit": "1h"}, ["2026-11-21 08:30"], {"truncated": True}, (GOOD, "freshness.age")),
        ({"limit": "1h"}, ["2026-11-21 07:30"], {"truncated": True}, (BROKEN, "any.truncated")),
        ({"limit": "1h"}, [None], {"truncated": True}, (BROKEN, "any.truncated")),
        ({}, ["2026-11-21 08:30"], {}, (BROKEN, "freshness.no_limit")),
        ({}, ["2026-11-21 08:30"], {"expected_interval": timedelta(minutes=15)}, (GOOD, "freshness.age")),
        ({}, ["2026-11-21 08:29"], {"expected_interval": timedelta(minutes=15)}, (BAD, "freshness.age")),
    ],
)
def test_freshness(params, cells, known, expected):
    assert said("freshness", {"column": "x", **params}, seen(*cells, **known)) == expected


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["1e999", "-0", "0x1", "٣", "2026-13-01", "inf", "9" * 500, "24:00"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
SETTINGS = {
    "row_count": count(">", 1),
    "empty": {},
    "not_empty": {},
    "column_value": value("any", ">", 5),
    "column_aggregate": total("average", ">", 5),
    "changed": {"column": "x"},
    "compared": against(10),
    "freshness": {"column": "x", "limit": "1h"},
}


def test_every_kind_is_in_the_tables_above():
    assert set(SETTINGS) == set(CONDITIONS.kinds())


@pytest.mark.parametrize("kind", SETTINGS)
@given(cells=st.lists(CELLS, max_size=4), truncated=st.booleans())
def test_no_result_makes_a_condition_fail(kind, cells, truncated):
    known = summary("sum:x", Fraction(1))
    observation = Observation(
        at=AT, columns=("x",), rows=[[cell] for cell in cells], is_truncated=truncated, last=known, yesterday=known
    )
    found = judge(kind, SETTINGS[kind], observation)
    assert found.sentence.text
    assert found.sentence.key not in ("any.crashed", "any.bad_params")
    assert found.value is None or isinstance(found.value, float)


def test_a_result_is_read_as_the_sql_executor_stores_it():
    stored = {"statement_count": 1, "columns": ["x"], "rows": [[1], ["2.5"]], "row_count": 2, "truncated": True}
    found = Observation.of_result(stored, AT)
    assert (found.columns, found.rows, found.row_count, found.is_truncated) == (("x",), ((1,), ("2.5",)), 2, True)
    for nothing in ({"statement_count": 1}, None, "text"):
        assert Observation.of_result(nothing, AT).columns is None


def test_a_condition_that_is_gone_or_does_not_fit_or_fails_is_broken_and_says_so():
    class Failing(Condition):
        kind = "failing"
        label = "Failing"
        Params = Params

        def look(self, params, observation):
            raise ZeroDivisionError("oops")

    assert said("gone", {}, seen()) == (BROKEN, "any.unknown_kind")
    assert said("row_count", {"operator": ">"}, seen()) == (BROKEN, "any.bad_params")
    found = Failing().judge(Params(), seen())
    assert (found.verdict, found.sentence.key) == (BROKEN, "any.crashed")


def test_recovery_is_judged_by_its_own_condition():
    alarm, recovered = value("any", ">", 90), value("all", "<", 80)

    def told(cell):
        observation = seen(cell)
        return verdict_of(judge("column_value", alarm, observation), judge("column_value", recovered, observation))

    assert [told(cell) for cell in (95, 85, 75)] == [BAD, Verdict.BETWEEN, GOOD]
    assert told(None) == NO_DATA
    assert verdict_of(judge("empty", {}, seen(1)), judge("column_value", alarm, seen("?"))) == BROKEN
    assert verdict_of(judge("empty", {}, seen(1))) == GOOD
