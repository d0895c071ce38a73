"""Texts from elsewhere: cleaned, cut, on one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.lib.text import SIZES, cleaned, cut, one_line


@given(st.text(), st.integers(min_value=0, max_value=80), st.sampled_from(sorted(SIZES)))
def test_a_cut_text_fits_is_marked_and_begins_as_the_whole(text, longest, unit):
    text = cleaned(text)
    fitted = cut(text, longest, unit=unit)
    assert SIZES[unit](fitted.text) <= longest
    assert fitted.is_cut == (SIZES[unit](text) > longest)
    assert fitted.is_cut or fitted.text == text
    kept = fitted.text.split("…")[0].rstrip()
    assert text.startswith(kept)


def test_the_mark_says_how_long_it_was_in_the_language_of_the_message():
    assert cut("x" * 1000, 60).text.endswith("… (cut: it has 1000 characters)")
    assert "1000" in cut("x" * 1000, 60, language="zh-hans").text
    assert cut("x" * 1000, 60, language="zh-hans").text != cut("x" * 1000, 60).text


@pytest.mark.parametrize("letter", ["e\u0301", "👨\u200d👩\u200d👧"])
@pytest.mark.parametrize("longest", range(60, 70))
def test_no_letter_is_torn_from_what_belongs_to_it(letter, longest):
    kept = cut(letter * 100, longest).text.split("\n")[0]
    assert kept.replace(letter, "") == ""


def test_nothing_is_cut_without_a_limit():
    assert cut("x" * 10**6, None).text == "x" * 10**6


def test_control_characters_and_halves_of_letters_are_replaced():
    assert cleaned("a\x00b\x1b[31m\ud800\u202ec\r\nd\te") == "a�b�[31m��c\nd\te"
    cleaned("\ud800").encode()


def test_json_is_cleaned_to_a_depth():
    deep: dict[str, Any] = {}
    value = deep
    for _level in range(100):
        value["a\x00"] = value = {}
    assert json.dumps(cleaned(deep)).count("{") <= 22
    assert cleaned({"a": ["\x00", 1, None, ("b",)]}) == {"a": ["�", 1, None, ["b"]]}


def test_words_of_a_service_are_one_short_line():
    assert one_line(" a\r\n\tb\x00c ") == "a b c"
    assert one_line("x" * 500) == "x" * 199 + "…"
