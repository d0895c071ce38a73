"""A form made from a model: labels and widgets there, values and refusals back."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import override
from pydantic import BaseModel, ConfigDict, Field

from jobs.executors import KINDS
from portal.lib.paramforms import form_fields, parse
from portal.lib.paramtypes import Duration, Shown


class Sample(BaseModel):
    model_config = ConfigDict(extra="forbid")

    host: Annotated[str, Shown(label="Host name", help="Where it is.")]
    port: int = Field(default=5432, ge=1, le=65535)
    ratio: float | None = None
    mode: Annotated[Literal["a", "b"], Shown(choices={"a": "First"})] = "a"
    is_fast: bool = True
    wait: Duration = timedelta(seconds=90)
    lines: list[str] = Field(default_factory=list)
    pairs: dict[str, str] = Field(default_factory=dict)
    anything: Any = None
    script: Annotated[str, Shown(editor="python", upload=".py")] = ""
    password: Annotated[str, Shown(secret=True)] = ""


def form_of(data=None, **options):
    fields = form_fields(Sample, **options)
    return type("SampleForm", (forms.Form,), dict(fields))(data)


def parsed(**data):
    form = form_of({"host": "db", "mode": "a", "is_fast": "on", **data})
    assert form.is_valid(), form.errors
    return parse(Sample, form.cleaned_data)


def test_labels_help_and_order_come_from_the_model():
    fields = form_fields(Sample)
    assert list(fields) == list(Sample.model_fields)
    assert (fields["host"].label, fields["host"].help_text) == ("Host name", "Where it is.")
    assert fields["host"].required
    assert not fields["port"].required


def test_defaults_and_given_values_are_shown():
    page = form_of(initial={"host": "db", "lines": ["x", "y"], "pairs": {"K": "v"}}).as_p()
    assert 'value="db"' in page
    assert "1m30s" in page
    assert "x\ny" in page
    assert "&quot;K&quot;: &quot;v&quot;" in page
    assert "First" in page


def test_secret_is_never_given_back_to_the_page():
    page = form_of(initial={"host": "db", "password": "hunter2"}).as_p()
    assert "hunter2" not in page
    assert 'type="password"' in page
    assert "hunter2" not in form_of({"host": "", "password": "hunter2"}).as_p()


def test_editor_and_upload_are_marked_for_the_page_script():
    page = str(form_of()["script"])
    assert 'data-editor="python"' in page


def test_typed_text_becomes_the_model():
    found = parsed(port="1", ratio="0.5", wait="2m", lines=" a \n\nb", pairs='{"N": 12}', anything="[1]", is_fast="")
    assert (found.port, found.ratio, found.wait) == (1, 0.5, timedelta(minutes=2))
    assert (found.lines, found.anything, found.is_fast) == (["a", "b"], [1], False)
    assert list(found.pairs) == ["N"]


def test_empty_fields_take_their_defaults():
    assert parsed(port="", ratio="", wait="") == Sample(host="db")


def test_refusals_stand_at_their_fields():
    form = form_of({"host": "db", "mode": "a", "port": "70000", "wait": "soon"})
    assert form.is_valid()
    with override("en"), pytest.raises(ValidationError) as caught:
        parse(Sample, form.cleaned_data)
    assert set(caught.value.message_dict) == {"port", "wait"}
    assert caught.value.message_dict["port"] == ["This must be 65535 or less."]


@pytest.mark.parametrize("text", ["{", "[1,]", "{'a': 1}", "[" * 5000])
def test_text_that_is_no_json_is_refused_with_its_place(text):
    form = form_of({"host": "db", "mode": "a", "anything": text})
    with override("en"):
        assert not form.is_valid()
        assert "line 1" in form.errors["anything"][0]


@pytest.mark.parametrize("text", ['["a"]', '{"a": {"b": 1}}', "3"])
def test_pairs_are_names_with_texts(text):
    assert not form_of({"host": "db", "mode": "a", "pairs": text}).is_valid()


@pytest.mark.parametrize("kind", KINDS.kinds())
def test_every_kind_of_job_has_a_form_with_labels(kind):
    fields = form_fields(KINDS.get(kind).Params)
    page = type("KindForm", (forms.Form,), dict(fields))().as_p()
    assert page
    assert all(field.label for field in fields.values())
