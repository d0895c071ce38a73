"""Typed parameters that a run is given: what a job asks for, and what somebody gave. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Any, Literal

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import SchemaError

from portal.lib.fielderrors import FieldError, FieldErrors, field_errors
from portal.lib.text import UNSTORABLE

ParamType = Literal["text", "int", "float", "bool", "date", "datetime", "choice"]
ParamName = Annotated[str, Field(min_length=1, max_length=40)]
Value = str | int | float | bool | None
LONGEST_TEXT = 10_000
MOST_PARAMS = 50
LARGEST_INT = 2**63 - 1  # what a script and a database column can hold


class RunParam(BaseModel):
    """One parameter a run may be given: `min` and `max` are for numbers and dates, `pattern` for text.

    A parameter is never a secret: values are shown in the history. Name a secret in `secrets` instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ParamName
    type: ParamType = "text"
    label: str = Field(default="", max_length=100)
    help: str = Field(default="", max_length=300)
    required: bool = False
    default: Value = None
    choices: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(default=(), max_length=200)
    min: int | float | str | None = None
    max: int | float | str | None = None
    pattern: str = Field(default="", max_length=300)

    @model_validator(mode="after")
    def _hangs_together(self) -> RunParam:
        _check_name(self.name)
        if self.type == "choice" and not self.choices:
            raise ValueError(_("A choice needs its choices: list them."))
        if self.type != "choice" and self.choices:
            raise ValueError(_("Only a parameter of type choice has choices: change the type, or remove them."))
        _check_pattern(self)
        _check_limits(self)
        if self.default is not None:
            _check_default(self)
        return self

    @property
    def title(self) -> str:
        return self.label or self.name


class RunParamsError(FieldErrors):
    """The given values don't fit; `errors` has one sentence per parameter."""


class _Unfit(Exception):
    """This value doesn't fit; the text is the sentence."""


def validate_run_params(schema: Sequence[RunParam | Mapping[str, Any]], given: Mapping[str, Any]) -> dict[str, Value]:
    """The run's values, JSON-ready: numbers and booleans as such, dates and times as ISO 8601 text.

    `schema` holds RunParams or their JSON, as a revision keeps it. A parameter that was not given takes its
    default; without one it is None. Raises RunParamsError with every refusal.
    """
    known = {param.name: param for param in map(RunParam.model_validate, schema)}
    errors = [FieldError(path=str(name), message=_unknown(str(name), known)) for name in given if name not in known]
    values: dict[str, Value] = {}
    for name, param in known.items():
        try:
            values[name] = _value(param, given.get(name))
        except _Unfit as unfit:
            errors.append(FieldError(path=name, message=str(unfit)))
    if errors:
        raise RunParamsError(errors)
    return values


def _unknown(name: str, known: Mapping[str, RunParam]) -> str:
    if not known:
        return _("This job takes no parameters, so “%(name)s” can't be given.") % {"name": name[:60]}
    return _("This job has no parameter “%(name)s”: it takes %(known)s.") % {
        "name": name[:60],
        "known": ", ".join(known),
    }


def _value(param: RunParam, raw: Any) -> Value:
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        if param.default is not None:
            return _READ[param.type](param, param.default)
        if param.required:
            raise _Unfit(_("“%(title)s” is required: give it a value.") % {"title": param.title})
        return None
    return _READ[param.type](param, raw)


def _read_text(param: RunParam, raw: Any) -> str:
    if not isinstance(raw, str):
        raise _Unfit(_("“%(title)s” must be text.") % {"title": param.title})
    if len(raw) > LONGEST_TEXT:
        raise _Unfit(
            _("“%(title)s” is too long: at most %(limit)d characters.") % {"title": param.title, "limit": LONGEST_TEXT}
        )
    if "\0" in raw:
        raise _Unfit(_("“%(title)s” must not contain a NUL character.") % {"title": param.title})
    if UNSTORABLE.search(raw):
        raise _Unfit(_("“%(title)s” holds half a character, which no database stores.") % {"title": param.title})
    if param.pattern and not _matches(param.pattern, raw):
        raise _Unfit(
            _("“%(title)s” does not have the form %(pattern)s.") % {"title": param.title, "pattern": param.pattern}
        )
    return raw


def _read_int(param: RunParam, raw: Any) -> int:
    sentence = _("“%(title)s” must be a whole number.") % {"title": param.title}
    number = _decimal(raw, sentence)
    if number != number.to_integral_value() or abs(number) > LARGEST_INT:
        raise _Unfit(sentence)
    value = int(number)
    _within(param, value)
    return value


def _read_float(param: RunParam, raw: Any) -> float:
    value = float(_decimal(raw, _("“%(title)s” must be a number.") % {"title": param.title}))
    _within(param, value)
    return value


def _decimal(raw: Any, sentence: str) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str | Decimal) or len(str(raw)) > 40:
        raise _Unfit(sentence)
    try:
        number = Decimal(str(raw).strip())
    except InvalidOperation:
        raise _Unfit(sentence) from None
    if not number.is_finite() or abs(number.adjusted()) > 300:
        raise _Unfit(sentence)
    return number


_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _read_bool(param: RunParam, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    value = _BOOLEANS.get(str(raw).strip().lower())
    if value is None:
        raise _Unfit(_("“%(title)s” must be true or false.") % {"title": param.title})
    return value


def _read_date(param: RunParam, raw: Any) -> str:
    value = _date(raw)
    if value is None:
        raise _Unfit(_("“%(title)s” must be a date, such as 2026-01-31.") % {"title": param.title})
    _within(param, value)
    return value.isoformat()


def _read_datetime(param: RunParam, raw: Any) -> str:
    value = _datetime(raw)
    if value is None:
        raise _Unfit(
            _("“%(title)s” must be a date and time, such as 2026-01-31T09:00:00+08:00.") % {"title": param.title}
        )
    _within(param, value)
    return value.isoformat()


def _read_choice(param: RunParam, raw: Any) -> str:
    if not isinstance(raw, str) or raw not in param.choices:
        raise _Unfit(
            _("“%(title)s” must be one of: %(choices)s.") % {"title": param.title, "choices": ", ".join(param.choices)}
        )
    return raw


_READ: dict[str, Callable[[RunParam, Any], Value]] = {
    "text": _read_text,
    "int": _read_int,
    "float": _read_float,
    "bool": _read_bool,
    "date": _read_date,
    "datetime": _read_datetime,
    "choice": _read_choice,
}


def _date(raw: Any) -> date | None:
    if isinstance(raw, datetime):
        return None
    if isinstance(raw, date):
        return raw
    try:
        return parse_date(raw.strip()) if isinstance(raw, str) else None
    except ValueError:
        return None


def _datetime(raw: Any) -> datetime | None:
    """A time without an offset is read in the portal's zone."""
    try:
        value = raw if isinstance(raw, datetime) else parse_datetime(raw.strip()) if isinstance(raw, str) else None
    except ValueError:
        return None
    return timezone.make_aware(value) if value is not None and timezone.is_naive(value) else value


def _limit(param: RunParam, bound: int | float | str | None) -> Any:
    """The bound in the type of the values; None when there is none or it doesn't fit."""
    if bound is None:
        return None
    if param.type == "date":
        return _date(bound)
    if param.type == "datetime":
        return _datetime(bound)
    return bound if isinstance(bound, int | float) and not isinstance(bound, bool) else None


def _within(param: RunParam, value: Any) -> None:
    low, high = _limit(param, param.min), _limit(param, param.max)
    if low is not None and value < low:
        raise _Unfit(_("“%(title)s” must be %(limit)s or more.") % {"title": param.title, "limit": param.min})
    if high is not None and value > high:
        raise _Unfit(_("“%(title)s” must be %(limit)s or less.") % {"title": param.title, "limit": param.max})


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> TypeAdapter[str]:
    # pydantic's engine is Rust's: linear time, so that no pattern of a user can hang a worker.
    return TypeAdapter(Annotated[str, StringConstraints(pattern=rf"\A(?:{pattern})\z")])


def _matches(pattern: str, text: str) -> bool:
    try:
        _pattern(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


def _check_name(name: str) -> None:
    if not (name.isascii() and name.islower() and name.replace("_", "a").isalnum() and not name[0].isdigit()):
        raise ValueError(
            _("“%(name)s” can't be a parameter's name: use small letters, digits and underscores, such as first_day.")
            % {"name": name}
        )


def _check_pattern(param: RunParam) -> None:
    if not param.pattern:
        return
    if param.type != "text":
        raise ValueError(_("Only a parameter of type text has a pattern: change the type, or remove it."))
    try:
        _pattern(param.pattern)
    except SchemaError:
        raise ValueError(
            _("The pattern is not a regular expression this portal can use (no look-around, no back-references).")
        ) from None


def _check_limits(param: RunParam) -> None:
    if param.min is None and param.max is None:
        return
    if param.type not in ("int", "float", "date", "datetime"):
        raise ValueError(_("Only numbers and dates have a smallest and a largest value."))
    low, high = _limit(param, param.min), _limit(param, param.max)
    if (param.min is not None and low is None) or (param.max is not None and high is None):
        raise ValueError(_("The smallest and the largest value must be of the parameter's type."))
    if low is not None and high is not None and low > high:
        raise ValueError(_("The smallest value is larger than the largest."))


def _check_default(param: RunParam) -> None:
    try:
        _READ[param.type](param, param.default)
    except _Unfit as unfit:
        raise ValueError(_("The default does not fit: %(reason)s") % {"reason": unfit}) from None


def parse_params(given: Any) -> list[RunParam]:
    """A list of parameters as people write it; `FieldErrors` with the place of each refusal ("[0].name") otherwise."""
    if not isinstance(given, list | tuple):
        raise FieldErrors.of("", _("Write a list, in square brackets."))
    if len(given) > MOST_PARAMS:
        raise FieldErrors.of("", _("There are too many parameters: at most %(most)d.") % {"most": MOST_PARAMS})
    found: list[RunParam] = []
    errors: list[FieldError] = []
    for place, each in enumerate(given):
        try:
            found.append(RunParam.model_validate(each))
        except ValidationError as exc:
            errors += [error.under(f"[{place}]") for error in field_errors(exc)]
    names = [param.name for param in found]
    errors += [
        FieldError(path="", message=_("“%(name)s” appears twice: every name can be used once.") % {"name": name})
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if errors:
        raise FieldErrors(errors)
    return found
