"""What a run is given fits what its job asks for, or is refused in words."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from jobs.runparams import RunParam, RunParamsError, validate_run_params


def value(given, **param):
    return validate_run_params([{"name": "x", **param}], {"x": given})["x"]


def refusal(given, **param) -> str:
    with override("en"), pytest.raises(RunParamsError) as caught:
        value(given, **param)
    return caught.value.errors[0].message


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("text", "hello", "hello"),
        ("int", "42", 42),
        ("int", 42, 42),
        ("int", "42.0", 42),
        ("float", "2.5", 2.5),
        ("bool", "yes", True),
        ("bool", False, False),
        ("date", "2026-01-31", "2026-01-31"),
        ("datetime", "2026-01-31T09:00:00+08:00", "2026-01-31T09:00:00+08:00"),
        ("datetime", "2026-01-31 09:00", "2026-01-31T09:00:00+08:00"),
    ],
)
def test_value_is_read_by_its_type(kind, given, expected):
    assert value(given, type=kind) == expected


@pytest.mark.parametrize(
    ("given", "param", "words"),
    [
        ("1.5", {"type": "int"}, "whole number"),
        ("1e400", {"type": "float"}, "must be a number"),
        ("nan", {"type": "float"}, "must be a number"),
        (True, {"type": "int"}, "whole number"),
        ("9" * 30, {"type": "int"}, "whole number"),
        ("maybe", {"type": "bool"}, "true or false"),
        ("2026-02-30", {"type": "date"}, "must be a date"),
        ("today", {"type": "datetime"}, "date and time"),
        ("c", {"type": "choice", "choices": ["a", "b"]}, "one of: a, b"),
        (5, {"type": "int", "max": 4}, "4 or less"),
        ("2026-01-01", {"type": "date", "min": "2026-02-01"}, "2026-02-01 or more"),
        ("abc", {"pattern": "[0-9]+"}, "does not have the form"),
        ("1\n", {"pattern": "[0-9]+"}, "does not have the form"),
        (["a"], {}, "must be text"),
        ("", {"required": True}, "required"),
        (None, {"required": True, "label": "Day"}, "“Day” is required"),
    ],
)
def test_unfit_value_is_refused_in_words(given, param, words):
    assert words in refusal(given, **param)


def test_default_stands_in_and_nothing_is_none():
    assert value(None, type="int", default=3) == 3
    assert value(None) is None


def test_unknown_name_is_refused():
    with override("en"), pytest.raises(RunParamsError, match="takes no parameters"):
        validate_run_params([], {"day": "x"})


def test_hostile_pattern_does_not_hang():
    assert "form" in refusal("a" * 5000 + "!", pattern="(a+)+")


@pytest.mark.parametrize(
    "param",
    [
        {"type": "choice"},
        {"type": "int", "choices": ["1"]},
        {"type": "int", "default": "x"},
        {"type": "int", "min": 5, "max": 1},
        {"type": "text", "min": 5},
        {"pattern": "("},
        {"pattern": r"(a)\1"},
        {"name": "1a"},
        {"name": "A"},
        {"name": ""},
    ],
)
def test_parameter_that_makes_no_sense_is_refused(param):
    with pytest.raises(ValueError):
        RunParam.model_validate({"name": "x", **param})
