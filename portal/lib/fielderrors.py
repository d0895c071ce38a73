"""Refusals a person can act on: a place in the input and one sentence. pydantic's English never gets out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Ctx = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """`path` is where ("params.script", "run_params[0].name"; empty: the whole), `message` a sentence."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def under(self, prefix: str) -> FieldError:
        """The same refusal seen from further out: "script" under "params" is "params.script"."""
        glue = "" if not prefix or not self.path or self.path.startswith("[") else "."
        return FieldError(path=f"{prefix}{glue}{self.path}", message=self.message)


class FieldErrors(ValueError):
    """One or more refusals; nothing was saved."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = list(errors)

    @classmethod
    def of(cls, path: str, message: str) -> Self:
        return cls([FieldError(path=path, message=message)])


def refused(field: str, sentence: str) -> ValidationError:
    """What a model validator raises to blame one field rather than the whole model."""
    cause = PydanticCustomError("value_error", "{error}", {"error": sentence})
    return ValidationError.from_exception_data("refused", [InitErrorDetails(type=cause, loc=(field,), input=None)])


def path_of(location: Sequence[int | str]) -> str:
    """("run_params", 0, "name") → "run_params[0].name"."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]":  # pydantic marks a refused mapping key so; the key itself stands before it
            text += f".{part}" if text else part
    return text


def field_errors(exc: ValidationError) -> list[FieldError]:
    """Every refusal of a pydantic model, in the reader's language."""
    found = exc.errors()
    places = [error["loc"] for error in found]
    return [
        FieldError(path=path_of(error["loc"]), message=_sentence(error))
        for error in found
        if error["type"] != "too_short" or not any(_is_inside(place, error["loc"]) for place in places)
    ]


def _is_inside(place: Sequence[int | str], outer: Sequence[int | str]) -> bool:
    """Entries that are wrong are told themselves; pydantic counts them as missing besides."""
    return len(place) > len(outer) and tuple(place[: len(outer)]) == tuple(outer)


def _sentence(error: Any) -> str:
    name: str = error["type"]
    context: Ctx = error.get("ctx", {})
    if name == "value_error":  # raised by our own validators: a sentence already
        return str(context.get("error") or error["msg"])
    if name == "extra_forbidden":
        return _("There is no setting named “%(name)s” here: check the spelling, or remove it.") % {
            "name": str(error["loc"][-1])[:60]
        }
    for prefix, say in _BY_PREFIX:
        if name.startswith(prefix):
            return say(context)
    return _("This value can't be used here: check its type and its spelling.")


def _choices(context: Ctx) -> str:
    expected = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ")
    return _("Choose one of: %(choices)s.") % {"choices": expected}


def _at_least_characters(context: Ctx) -> str:
    count = int(context.get("min_length", 1))
    if count == 1:
        return _("This must not be empty.")
    return ngettext("Write at least %(count)d character.", "Write at least %(count)d characters.", count) % {
        "count": count
    }


def _at_most_characters(context: Ctx) -> str:
    count = int(context.get("max_length", 0))
    return ngettext("Write at most %(count)d character.", "Write at most %(count)d characters.", count) % {
        "count": count
    }


def _at_least_entries(context: Ctx) -> str:
    count = int(context.get("min_length", 1))
    return ngettext("Give at least %(count)d entry.", "Give at least %(count)d entries.", count) % {"count": count}


def _at_most_entries(context: Ctx) -> str:
    count = int(context.get("max_length", 0))
    return ngettext("Give at most %(count)d entry.", "Give at most %(count)d entries.", count) % {"count": count}


# The first prefix that fits decides, so longer ones stand first.
_BY_PREFIX: list[tuple[str, Callable[[Ctx], str]]] = [
    ("missing", lambda c: _("This is required: give it a value.")),
    ("string_too_short", _at_least_characters),
    ("string_too_long", _at_most_characters),
    ("string_pattern_mismatch", lambda c: _("This text does not have the form that is asked for.")),
    ("string", lambda c: _("This must be text: put it in quotes if it looks like a number or yes/no.")),
    ("int", lambda c: _("This must be a whole number.")),
    ("float", lambda c: _("This must be a number.")),
    ("finite_number", lambda c: _("This must be a number.")),
    ("decimal", lambda c: _("This must be a number.")),
    ("bool", lambda c: _("This must be true or false.")),
    ("greater_than_equal", lambda c: _("This must be %(limit)s or more.") % {"limit": c.get("ge")}),
    ("greater_than", lambda c: _("This must be more than %(limit)s.") % {"limit": c.get("gt")}),
    ("less_than_equal", lambda c: _("This must be %(limit)s or less.") % {"limit": c.get("le")}),
    ("less_than", lambda c: _("This must be less than %(limit)s.") % {"limit": c.get("lt")}),
    ("literal_error", _choices),
    ("enum", _choices),
    ("too_short", _at_least_entries),
    ("too_long", _at_most_entries),
    ("list", lambda c: _("This must be a list.")),
    ("tuple", lambda c: _("This must be a list.")),
    ("set", lambda c: _("This must be a list.")),
    ("frozen_set", lambda c: _("This must be a list.")),
    ("dict", lambda c: _("This must be a set of names with values.")),
    ("mapping", lambda c: _("This must be a set of names with values.")),
    ("model", lambda c: _("This must be a set of names with values.")),
    ("datetime", lambda c: _("This must be a date and time, such as 2026-01-31T09:00:00+08:00.")),
    ("date", lambda c: _("This must be a date, such as 2026-01-31.")),
    ("time_delta", lambda c: _("This must be a duration, such as 90s, 15m or 1h30m.")),
    ("url", lambda c: _("This is not a web address: write it whole, such as https://example.com/path.")),
]
