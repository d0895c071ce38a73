"""From a pydantic model to form fields and back: what a kind's or a driver's Params ask for, a form shows."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from pydantic import BaseModel
from pydantic import ValidationError as ModelError
from pydantic.fields import FieldInfo
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from portal.lib import plainjson
from portal.lib.durations import format_duration
from portal.lib.fielderrors import FieldError, field_errors
from portal.lib.paramtypes import Shown

P = TypeVar("P", bound=BaseModel)


class LinesField(forms.CharField):
    """A list of texts, one per line."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(str(item) for item in value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return list(value)
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))

    def run_validators(self, value: Any) -> None:
        """The model checks the entries."""


class JsonTextField(forms.CharField):
    """JSON; empty text is None. With `is_pairs` an object whose values are texts."""

    def __init__(self, *, is_pairs: bool = False, **kwargs: Any) -> None:
        self.is_pairs = is_pairs
        super().__init__(strip=True, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if value in (None, "", {}) or isinstance(value, str):
            return value or ""
        return json.dumps(value, ensure_ascii=False, indent=2)

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not value.strip():
            return {} if self.is_pairs else None
        try:
            parsed = plainjson.read(value)
        except (ValueError, RecursionError) as error:
            line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
            raise ValidationError(
                _("This is not JSON: look at line %(line)d, column %(column)d.") % {"line": line, "column": column}
            ) from None
        return _pairs(parsed) if self.is_pairs else parsed

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except ValidationError:
            return True

    def run_validators(self, value: Any) -> None:
        """The model checks the content."""


def _pairs(parsed: Any) -> dict[str, str]:
    """The editor of rows writes 12 and true for what was typed as text."""
    if not isinstance(parsed, dict) or any(isinstance(value, dict | list) for value in parsed.values()):
        raise ValidationError(_('Write names with texts, such as {"Accept": "text/html"}.'))
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in parsed.items()}


class DurationTextField(forms.CharField):
    """A duration as text; the model reads it."""

    def prepare_value(self, value: Any) -> Any:
        return format_duration(value) if isinstance(value, timedelta) else value


def form_fields(
    params_cls: type[BaseModel], *, initial: Mapping[str, Any] | BaseModel | None = None
) -> dict[str, forms.Field]:
    """One form field per field of the model, in its order, with labels, help and widgets of its `Shown`.

    A secret is never given back to the page, and is not required: empty means "keep".
    """
    given = dict(initial) if isinstance(initial, Mapping) else initial.model_dump() if initial else {}
    return {name: _field(name, info, given.get(name)) for name, info in params_cls.model_fields.items()}


def parse(params_cls: type[P], cleaned: Mapping[str, Any]) -> P:
    """The model of a form's cleaned data; Django's ValidationError keyed by field otherwise."""
    try:
        return params_cls.model_validate(given(params_cls, cleaned))
    except ModelError as exc:
        raise ValidationError(by_field(field_errors(exc))) from None


def given(params_cls: type[BaseModel], cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Without names that the model does not know, and without empty values of fields that have a default."""
    return {
        name: cleaned[name]
        for name, info in params_cls.model_fields.items()
        if name in cleaned and not _is_left_out(info, cleaned[name])
    }


def by_field(errors: list[FieldError]) -> dict[str, list[str]]:
    """The refusals by their outermost field; what lies deeper is said in the sentence: "Entry 2: …"."""
    found: dict[str, list[str]] = {}
    for error in errors:
        field, rest = _split(error.path)
        found.setdefault(field or "__all__", []).append(f"{rest}: {error.message}" if rest else error.message)
    return found


def _split(path: str) -> tuple[str, str]:
    end = min((i for i in (path.find("."), path.find("[")) if i >= 0), default=len(path))
    return path[:end], path[end:].lstrip(".")


def _is_left_out(info: FieldInfo, value: Any) -> bool:
    """Nothing at all is missing; an empty text is the model's to judge where there is no default."""
    return value is None or (value == "" and not info.is_required())


def shown(info: FieldInfo) -> Shown:
    """The field's `Shown`, or one made of its title and description."""
    for item in info.metadata:
        if isinstance(item, Shown):
            return item
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return Shown(
        label=info.title or "",
        help=info.description or "",
        editor=str(extra.get("editor", "")),
        secret=bool(extra.get("secret", False)),
        is_datasource=bool(extra.get("datasource", False)),
    )


def _field(name: str, info: FieldInfo, value: Any) -> forms.Field:
    look = shown(info)
    kind = _bare(info.annotation)
    default = info.get_default(call_default_factory=True) if not info.is_required() else None
    common = {
        "label": look.label or name.replace("_", " ").capitalize(),
        "help_text": look.help,
        "required": info.is_required() and not look.secret,
        "initial": None if look.secret else (default if value is None else value),
    }
    return _of_kind(kind, look, common)


def _of_kind(kind: Any, look: Shown, common: dict[str, Any]) -> forms.Field:
    if look.secret:
        widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False)
        return forms.CharField(strip=False, widget=widget, **common)
    if kind is bool:
        return forms.BooleanField(widget=UnfoldBooleanSwitchWidget(), **{**common, "required": False})
    choices = _choices(kind, look)
    if choices:
        return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget(), **common)
    if kind is int:
        return forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget(), **common)
    if kind is float:
        return forms.FloatField(widget=UnfoldAdminIntegerFieldWidget(attrs={"step": "any"}), **common)
    if kind is timedelta:
        return DurationTextField(widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "1h30m"}), **common)
    return _of_text(kind, look, common)


def _of_text(kind: Any, look: Shown, common: dict[str, Any]) -> forms.Field:
    origin = get_origin(kind) or kind
    if origin in (list, tuple, set, frozenset):
        choices = _choices(_bare(next(iter(get_args(kind)), str)), look)
        if choices:
            return forms.MultipleChoiceField(
                choices=choices, widget=UnfoldAdminCheckboxSelectMultipleWidget(), **common
            )
        return LinesField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **common)
    if origin is dict and get_args(kind)[1:] == (str,):
        pairs = UnfoldAdminTextareaWidget(attrs={"rows": 3, "data-params-json": "texts"})
        return JsonTextField(is_pairs=True, widget=pairs, **common)
    if kind is str:
        widget = _editor(look) if look.editor else UnfoldAdminTextInputWidget()
        return forms.CharField(strip=not look.editor, widget=widget, **common)
    return JsonTextField(widget=_editor(look, "json"), **common)


def _editor(look: Shown, language: str = "text") -> forms.Widget:
    attrs = {"rows": 12, "spellcheck": "false", "data-editor": look.editor or language}
    if look.upload:
        attrs["data-upload"] = look.upload
    area: forms.Widget = UnfoldAdminTextareaWidget(attrs=attrs)
    return area


def _bare(annotation: Any) -> Any:
    """The type without Annotated and without "or None"; several alternatives stay a union."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [item for item in get_args(annotation) if item is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _choices(kind: Any, look: Shown) -> list[tuple[str, Any]]:
    if get_origin(kind) is Literal:
        return [(str(value), look.choices.get(str(value), str(value))) for value in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [(str(item.value), getattr(item, "label", item.name)) for item in kind]
    return []
