"""What the forms of conditions refuse, and in which field."""

import pytest
from django import forms
from django.core.exceptions import ValidationError

from alerts.conditions import CONDITIONS
from alerts.policies import Policy
from portal.lib.paramforms import form_fields, parse

VALUE = {"column": "x", "operator": ">", "threshold": "5"}


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        ("row_count", {"operator": ">", "threshold": -1}, "threshold"),
        ("row_count", {"operator": "~", "threshold": 1}, "operator"),
        ("row_count", {"operator": "contains", "threshold": 1}, "operator"),
        ("column_value", {**VALUE, "threshold": "many"}, "threshold"),
        ("column_value", {**VALUE, "threshold": "NaN"}, "threshold"),
        ("column_value", {**VALUE, "column": ""}, "column"),
        ("column_value", {**VALUE, "operator": "contains"}, "operator"),
        ("column_value", {**VALUE, "compare_as": "text"}, "operator"),
        ("column_value", {**VALUE, "compare_as": "date"}, "threshold"),
        ("column_value", {**VALUE, "operator": "contains", "compare_as": "text", "threshold": ""}, "threshold"),
        ("column_value", {**VALUE, "timezone": "Mars"}, "timezone"),
        ("column_aggregate", {**VALUE, "threshold": "1/3"}, "threshold"),
        ("column_aggregate", {**VALUE, "function": "mode"}, "function"),
        ("compared", {"measure": "sum", "limit": "1"}, "column"),
        ("compared", {"measure": "row_count", "column": "x", "limit": "1"}, "column"),
        ("compared", {"limit": "0"}, "limit"),
        ("freshness", {"column": "x", "limit": "0s"}, "limit"),
        ("freshness", {"column": "x", "limit": "soon"}, "limit"),
        ("changed", {"bad_when": "never"}, "bad_when"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(kind, values, field):
    with pytest.raises(ValidationError) as refused:
        parse(CONDITIONS.get(kind).Params, values)
    assert list(refused.value.message_dict) == [field]


@pytest.mark.parametrize("kind", CONDITIONS.kinds())
def test_the_admin_can_build_a_form_of_every_condition(kind):
    made = form_fields(CONDITIONS.get(kind).Params)
    assert all(field.label for field in made.values())
    assert not any(type(field).__name__ == "JsonTextField" for field in made.values())
    assert str(CONDITIONS.get(kind).label)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"needed_count": 3, "window_count": 2}, "needed_count"),
        ({"needed_count": 0}, "needed_count"),
        ({"hold_for": -60}, "hold_for"),
        ({"stale_after": "0s"}, "stale_after"),
        ({"repeat_every": "30s"}, "repeat_every"),
        ({"flap_changes": 2}, "flap_changes"),
    ],
)
def test_a_policy_that_does_not_fit_together_is_refused(values, field):
    with pytest.raises(ValidationError) as refused:
        parse(Policy, values)
    assert list(refused.value.message_dict) == [field]


def test_a_policy_has_a_form_whose_defaults_are_a_policy():
    fields = form_fields(Policy)
    assert isinstance(fields["needed_count"], forms.IntegerField)
    assert parse(Policy, {name: field.initial for name, field in fields.items()}) == Policy()
