"""A definition is refused in words, at the place that is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from jobs.definitions import DefinitionErrors, JobDefinition, digest, parse_definition, plain

SCRIPT = {"kind": "python", "params": {"script": "print('hello')"}}


def refusals(**changes) -> dict[str, str]:
    with override("en"), pytest.raises(DefinitionErrors) as caught:
        parse_definition({**SCRIPT, **changes})
    return {error.path: error.message for error in caught.value.errors}


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"kind": "cobol"}, "kind", "Choose one of: http, python, shell"),
        ({"params": {}}, "params.script", "required"),
        ({"params": {"script": "  \n"}}, "params.script", "empty"),
        ({"params": {"script": "x = (\n"}}, "params.script", "line 1, column 5"),
        ({"params": {"script": "a\0b"}}, "params.script", "NUL"),
        ({"params": {"script": "x", "scirpt": "y"}}, "params.scirpt", "no setting named “scirpt”"),
        ({"params": "print()"}, "params", "names with values"),
        ({"params": {"script": 5}}, "params.script", "must be text"),
        ({"timeout": "soon"}, "timeout", "not a duration"),
        ({"timeout": [1]}, "timeout", "must be a duration"),
        ({"timeout": "0s"}, "timeout", "between 1s and 30 days"),
        ({"retry": {"max": -1}}, "retry.max", "0 or more"),
        ({"retry": {"backoff": "random"}}, "retry.backoff", "fixed, linear, exponential"),
        ({"retry": {"base": "8d"}}, "retry.base", "between 0s and 7 days"),
        ({"overlap": "maybe"}, "overlap", "skip, queue, allow, cancel_previous"),
        ({"priority": "high"}, "priority", "whole number"),
        ({"queue": "My Queue"}, "queue", "small letters"),
        ({"environment": {"PORTAL_RUN_ID": "1"}}, "environment", "belong to the portal"),
        ({"environment": {"A B": "1"}}, "environment", "can't be the name"),
        ({"environment": {"LD_PRELOAD": "/x.so"}}, "environment", "changes which code runs"),
        ({"environment": {"N": 1}}, "environment.N", "must be text"),
        ({"secrets": ["lower"]}, "secrets", "capital letters"),
        ({"secrets": ["A", "A"]}, "secrets", "twice"),
        ({"secrets": ["A"], "environment": {"A": "1"}}, "environment", "both a variable and a secret"),
        ({"exit_codes": {"300": "succeeded"}}, "exit_codes", "0 to 255"),
        ({"exit_codes": {"3": "great"}}, "exit_codes.3", "Choose one of"),
        ({"run_params": [{"name": "Day"}]}, "run_params[0]", "small letters"),
        ({"run_params": [{"name": "a"}, {"name": "a"}]}, "run_params", "twice"),
        ({"unknown": 1}, "unknown", "no setting named"),
    ],
)
def test_bad_value_is_refused_at_its_place(changes, path, words):
    assert words in refusals(**changes)[path]


def test_huge_script_is_refused(settings):
    settings.PORTAL_SCRIPT_MAX_BYTES = 1024
    assert "at most 1 KB" in refusals(params={"script": "#" * 2000})["params.script"]


def test_script_for_another_interpreter_is_not_judged_by_our_python():
    parse_definition({"kind": "python", "params": {"script": "print 'old'", "interpreter": "python2"}})


def test_secret_used_in_a_request_must_be_listed():
    request = {"kind": "http", "params": {"url": "https://example.com/?k=${secret:API_KEY}"}}
    assert "API_KEY" in refusals(**request)["secrets"]
    assert parse_definition({**request, "secrets": ["API_KEY"]}).secrets == ("API_KEY",)


def test_all_refusals_come_at_once():
    assert set(refusals(kind="python", timeout="x", priority=1000, queue="?")) == {"timeout", "priority", "queue"}


def test_refusals_follow_the_language_and_never_quote_pydantic():
    for message in refusals(priority=None, timeout=None, retry=3, secrets=3, environment=[], name=1).values():
        assert "Input" not in message
        assert message.endswith(".")


def test_durations_are_text_or_seconds():
    assert parse_definition({**SCRIPT, "timeout": "1h30m"}).timeout == timedelta(minutes=90)
    assert parse_definition({**SCRIPT, "timeout": 90}).timeout == timedelta(seconds=90)


@given(seconds=st.floats(1, 86400), priority=st.integers(-100, 100), value=st.text(max_size=50))
def test_what_is_stored_reads_back_equal(seconds, priority, value):
    environment = {"TEXT": value.replace("\0", "")}
    definition = parse_definition(
        {**SCRIPT, "timeout": round(seconds, 6), "priority": priority, "environment": environment}
    )
    again = JobDefinition.model_validate(plain(definition))
    assert again == definition
    assert digest(again) == digest(definition)


def test_digest_ignores_the_order_of_names():
    one = parse_definition({**SCRIPT, "environment": {"A": "1", "B": "2"}})
    two = parse_definition({**SCRIPT, "environment": {"B": "2", "A": "1"}})
    assert digest(one) == digest(two)
