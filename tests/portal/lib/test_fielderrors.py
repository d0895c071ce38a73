"""pydantic's refusals become sentences; none of its English gets out."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import pytest
from django.utils.translation import override
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError

from portal.lib.fielderrors import FieldError, field_errors, path_of


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(default="x", min_length=2, max_length=3)
    word: str = Field(default="a", pattern="^a$")
    whole: int = Field(default=1, gt=0, lt=10)
    part: float = Field(default=1, ge=0, le=10)
    money: Decimal = Decimal(0)
    yes: bool = True
    one: Literal["a", "b"] = "a"
    many: list[int] = Field(default_factory=list, min_length=1, max_length=2)
    names: dict[str, int] = Field(default_factory=dict)
    day: date | None = None
    moment: datetime | None = None
    wait: timedelta | None = None
    link: HttpUrl | None = None


WRONG = [
    {"text": 1}, {"text": ""}, {"text": "long text"}, {"word": "b"}, {"whole": "x"}, {"whole": 1.5}, {"whole": 0},
    {"whole": 99}, {"whole": "9" * 5000}, {"part": "x"}, {"part": -1}, {"part": 11}, {"money": "x"}, {"yes": "perhaps"},
    {"one": "c"}, {"many": 1}, {"many": []}, {"many": [1, 2, 3]}, {"many": ["x"]}, {"names": []}, {"names": {"a": "x"}},
    {"day": "x"}, {"moment": "x"}, {"wait": "x"}, {"link": "x"}, {"more": 1}, {"text": None},
]  # fmt: skip


def errors_of(values) -> list[FieldError]:
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate(values)
    return field_errors(caught.value)


@pytest.mark.parametrize("values", WRONG, ids=str)
def test_refusal_is_a_sentence_of_ours(values):
    with override("en"):
        error = errors_of(values)[0]
    assert error.message[0].isupper() or error.message[0] == "“"
    assert error.message.endswith(".")
    assert "Input" not in error.message
    assert "can't be used here" not in error.message


def test_place_is_told_inside_lists_and_names():
    assert errors_of({"many": [1, "x"]})[0].path == "many[1]"
    assert errors_of({"names": {"a": "x"}})[0].path == "names.a"
    assert path_of(("jobs", 2, "retry", "max")) == "jobs[2].retry.max"


def test_refusal_can_be_seen_from_further_out():
    assert FieldError(path="script", message="x").under("params").path == "params.script"
    assert FieldError(path="", message="x").under("jobs[1]").path == "jobs[1]"
    assert FieldError(path="[0]", message="x").under("secrets").path == "secrets[0]"
