"""What speaks against an alert rule, by column; what does not count is emptied, the rest kept as a row keeps it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts import rulechecks
from alerts.models import AlertRule
from alerts.states import Source
from jobs.models import Job
from tests.jobs import rows

pytestmark = pytest.mark.django_db
COUNTED = {"operator": ">", "threshold": 10}


def rule(**columns: Any) -> AlertRule:
    values = {"slug": "a", "name": "A", "source": Source.RESULT, "condition": "row_count", "condition_params": COUNTED}
    job = Job(tenant=rows.tenant(), slug="check", name="Check", kind="sql")
    return AlertRule(tenant=rows.tenant(), **{**values, "job": job, **columns})


OUTCOME = {"source": Source.OUTCOME, "outcomes": ["lost"]}
SUSPICIOUS = {"source": Source.OUTCOME, "outcomes": ["lost", "suspicious"]}


@pytest.mark.parametrize(
    ("columns", "path", "words"),
    [
        ({"condition": "cloudy"}, "condition", "There is no condition “cloudy” here: choose one of: column_value"),
        ({"condition": ""}, "condition", "Choose when it is bad"),
        ({"condition_params": {"operator": ">"}}, "condition_params.threshold", "required"),
        ({"condition_params": {**COUNTED, "x": 1}}, "condition_params.x", "no setting named “x”"),
        ({"recovery_params": {"operator": "<", "threshold": "x"}}, "recovery_params.threshold", "whole number"),
        ({"recovery_params": COUNTED}, "recovery_params", "This is what is bad"),
        ({"condition": "empty", "condition_params": {}, "recovery_params": {}}, "recovery_params", "no settings"),
        ({"policy": {"needed_count": 3}}, "policy.needed_count", "more than the 1 results"),
        ({"is_row_level": True, "key_columns": [str(n) for n in range(21)]}, "key_columns", "At most 20"),
        ({"is_row_level": True, "key_columns": [" "]}, "key_columns", "must not be empty"),
        ({"job": None, "selector": {"rules": ["b"]}}, "selector.rules", "watches jobs"),
        ({"job": None, "selector": {"labels": ["a b"]}}, "selector.labels", "no label"),
        ({"job": None, "selector": {"categories": ["x"]}}, "selector.categories[0]", "Choose one of: "),
        ({"source": Source.OUTCOME}, "outcomes", "at least one"),
        ({**OUTCOME, "contract": {"least_rows": -1}}, "contract.least_rows", "0 or more"),
        ({**OUTCOME, "contract": {"least_rows": 1}}, "outcomes", "Suspicious"),
        ({"source": Source.PORTAL}, "subjects", "at least one"),
        ({"source": Source.PORTAL, "subjects": ["beat", "moon"]}, "subjects[1]", "Choose one of: "),
        ({"source": Source.OUTCOME, "outcomes": ["success"]}, "outcomes[0]", "Choose one of: "),
    ],
)
def test_what_is_wrong_is_said_by_column(columns: dict[str, Any], path: str, words: str) -> None:
    (found,) = rulechecks.clean(rule(**columns))
    assert found.path == path
    assert words in found.message


def test_a_job_without_a_table_has_no_result_to_judge_but_outcomes() -> None:
    job = Job(tenant=rows.tenant(), slug="report", name="Report", kind="python")
    assert [one.path for one in rulechecks.clean(rule(job=job))] == ["job"]
    assert rulechecks.clean(rule(job=job, **OUTCOME)) == []


def test_what_equals_the_default_is_not_kept() -> None:
    made = rule(policy={"needed_count": 1, "repeat_every": "60m"}, recovery_params={"operator": "<", "threshold": 5})
    assert rulechecks.clean(made) == []
    assert made.policy == {"repeat_every": "1h"}
    assert made.recovery_params == {"operator": "<", "threshold": 5}


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        ({}, {"condition", "condition_params", "job"}),
        ({"is_row_level": True}, {"is_row_level", "key_columns", "job"}),
        (SUSPICIOUS, {"outcomes", "contract", "job"}),
        ({"source": Source.PORTAL, "subjects": ["beat"]}, {"subjects"}),
        ({**SUSPICIOUS, "job": None}, {"outcomes", "contract", "selector"}),
    ],
)
def test_what_does_not_count_is_emptied(columns: dict[str, Any], left: set[str]) -> None:
    full = {"key_columns": ["id"], "outcomes": ["lost", "suspicious"], "contract": {"least_rows": 1},
            "subjects": ["beat"], "selector": {"jobs": ["a"]}, **columns}  # fmt: skip
    made = rule(**full)
    assert rulechecks.clean(made) == []
    assert {name for name, empty in rulechecks.EMPTY.items() if getattr(made, name) != empty} == left
    assert made.result_grace == timedelta(minutes=5)


def test_an_emptied_column_shares_nothing_with_the_next_rule() -> None:
    first = rule(**OUTCOME)
    rulechecks.clean(first)
    first.key_columns.append("x")
    assert rulechecks.EMPTY["key_columns"] == []
