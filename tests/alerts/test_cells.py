"""Cells as what they mean."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.cells import cell_text, digest, moment, number, shown
from datasources.values import to_json


@given(
    st.one_of(st.integers(), st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**50), max_value=10**50))
)
def test_every_number_of_a_database_comes_back_exactly(value):
    assert number(to_json(value)) == Fraction(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_what_it_is_written_as(value):
    assert number(value) == Fraction(Decimal(repr(value)))


@pytest.mark.parametrize("cell", [None, "", "abc", "1,5", "1_000", "٣", "NaN", "inf", float("inf"), "1e9999", [1], {}])
def test_what_is_no_number_is_none(cell):
    assert number(cell) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(5), "5"),
        (Fraction(1, 2), "0.5"),
        (Fraction(1, 3), "0.333333"),
        (Fraction(-7, 4), "-1.75"),
        (Fraction(10**50), "1.000000e+50"),
        (Fraction(1, 10**9), "1.000000e-9"),
        (Fraction(10**50 + 1, 3), "3.333333e+49"),
    ],
)
def test_numbers_are_short_in_sentences(value, expected):
    assert shown(value) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-11-21T09:00:00+08:00", datetime(2026, 11, 21, 1, tzinfo=UTC)),
        ("2026-11-21 09:00:00.5", datetime(2026, 11, 21, 1, 0, 0, 500_000, tzinfo=UTC)),
        (" 2026-11-21 ", datetime(2026, 11, 20, 16, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_000_000_000_000, datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)),
        (True, None),
        ("soon", None),
        ("0001-01-01T00:00:00+14:00", None),
        (10**400, None),
        (None, None),
    ],
)
def test_moments(cell, expected):
    assert moment(cell, ZoneInfo("Asia/Shanghai")) == expected


def test_a_digest_does_not_mind_the_order_but_minds_how_often():
    assert digest([1, 2, {"a": 1.0}]) == digest([{"a": 1}, 2.0, 1])
    assert digest([1, 1]) != digest([1])
    assert digest(["1"]) != digest([1])


def test_cells_are_short_in_sentences():
    assert cell_text("x" * 99) == "x" * 39 + "…"
    assert [cell_text(one) for one in (True, None, 1.5, ["é"])] == ["true", "null", "1.5", '["é"]']
