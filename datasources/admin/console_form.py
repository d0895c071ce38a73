"""What the query console is told: where, what, with which values, how much and how long."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from datasources import console, scripts
from datasources.models import DataSource, SqlScriptVersion
from datasources.states import QueryMode
from portal.lib.fielderrors import FieldErrors
from portal.lib.paramforms import JsonTextField
from portal.lib.runparamforms import field_for
from portal.lib.runparams import LONGEST_TEXT, validate_run_params
from portal.lib.text import UNSTORABLE

NAME = re.compile(r"[^\W\d]\w{0,39}\Z")
MOST_VALUES = 50


if TYPE_CHECKING:
    SourceField = forms.ModelChoiceField[DataSource]
else:
    SourceField = forms.ModelChoiceField


class SourceChoice(SourceField):
    """Its name, and whether something may be changed there."""

    def label_from_instance(self, obj: DataSource) -> str:
        how = _("read-only") if obj.is_read_only else _("writable")
        return f"{obj.name} ({obj.kind}, {how})"


class AskForm(forms.Form):
    """What every query is told. `sources` are the datasources that the user may use."""

    datasource = SourceChoice(
        queryset=DataSource.objects.none(), label=gettext_lazy("Datasource"), widget=UnfoldAdminSelectWidget()
    )
    max_rows = forms.IntegerField(
        label=gettext_lazy("Rows at most"),
        required=False,
        min_value=1,
        max_value=console.MOST_ROWS,
        initial=console.DEFAULT_ROWS,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    timeout = forms.IntegerField(
        label=gettext_lazy("Seconds at most"),
        required=False,
        min_value=1,
        initial=console.DEFAULT_SECONDS,
        widget=UnfoldAdminIntegerFieldWidget(),
    )

    def __init__(self, *args: Any, sources: QuerySet[DataSource], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["datasource"].queryset = sources  # type: ignore[attr-defined]
        first = list(sources[:2])
        if len(first) == 1:
            self.initial.setdefault("datasource", first[0].pk)

    def clean_timeout(self) -> float:
        most = settings.PORTAL_SQL_TIMEOUT_SECONDS
        given = self.cleaned_data["timeout"] or min(console.DEFAULT_SECONDS, most)
        if given > most:
            raise ValidationError(_("At most %(most)d seconds are possible.") % {"most": most})
        return float(given)

    def clean_max_rows(self) -> int:
        return int(self.cleaned_data["max_rows"] or console.DEFAULT_ROWS)

    def question(self, posted: Mapping[str, Any], mode: QueryMode) -> console.Question:
        """Only after is_valid(). `posted` has what is not the person's to fill in."""
        data = self.cleaned_data
        return console.Question(
            source=data["datasource"],
            text=self.text(),
            values=self.values(),
            mode=mode,
            key=_key(posted.get("key", "")),
            max_rows=data["max_rows"],
            timeout=data["timeout"],
            purpose=self.purpose(),
            rehearsed=str(posted.get("rehearsed", "")),
        )

    def text(self) -> str:
        raise NotImplementedError

    def values(self) -> dict[str, Any]:
        raise NotImplementedError

    def purpose(self) -> str:
        return _("query console")


class ConsoleForm(AskForm):
    """Any SQL."""

    sql = forms.CharField(
        label=gettext_lazy("SQL"),
        strip=False,
        max_length=console.LONGEST_SQL,
        error_messages={"required": gettext_lazy("The SQL is empty: write at least one statement.")},
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 10, "spellcheck": "false", "data-editor": "sql", "class": "p-mono"}
        ),
    )
    values_json = JsonTextField(
        label=gettext_lazy("Parameters"),
        required=False,
        help_text=gettext_lazy("In the SQL they are :name; their values are bound, never pasted."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "spellcheck": "false", "data-params-json": ""}),
    )
    field_order = ("datasource", "sql", "values_json", "max_rows", "timeout")

    def clean_sql(self) -> str:
        text: str = self.cleaned_data["sql"].replace("\r\n", "\n")
        if not text.strip():
            raise ValidationError(_("The SQL is empty: write at least one statement."))
        if "\0" in text:
            raise ValidationError(_("The SQL contains a NUL character: remove it."))
        return text

    def clean_values_json(self) -> dict[str, Any]:
        return check_values(self.cleaned_data["values_json"])

    def text(self) -> str:
        return str(self.cleaned_data["sql"])

    def values(self) -> dict[str, Any]:
        return dict(self.cleaned_data["values_json"])


class RunOnceForm(AskForm):
    """A version of a script, with a field for each of its parameters."""

    def __init__(self, *args: Any, version: SqlScriptVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version = version
        self.params = scripts.params_of(version)
        for param in self.params:
            self.fields[f"p-{param.name}"] = field_for(param)
        self.order_fields(["datasource", *(f"p-{param.name}" for param in self.params)])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        given = {param.name: data.get(f"p-{param.name}") for param in self.params}
        try:
            self._values = validate_run_params(self.params, {n: v for n, v in given.items() if v not in (None, "")})
        except FieldErrors as refused:
            for error in refused.errors:
                self.add_error(f"p-{error.path}", error.message)
        return data

    def text(self) -> str:
        return self.version.text

    def values(self) -> dict[str, Any]:
        return dict(self._values)

    def purpose(self) -> str:
        return f"{self.version.script.slug} #{self.version.number}"


class SaveForm(forms.Form):
    """*Save as script*: under which name."""

    script_name = forms.CharField(
        label=gettext_lazy("Name of the script"), max_length=100, widget=UnfoldAdminTextInputWidget()
    )


def guessed(values: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """Typed parameters that take these values: what a script made of a query asks for."""
    return [{"name": name, "type": _type_of(value), "default": value} for name, value in values.items()]


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return {int: "int", float: "float"}.get(type(value), "text")


def check_values(given: Any) -> dict[str, Any]:
    """Names with plain values; ValidationError otherwise."""
    given = given or {}
    if not isinstance(given, dict):
        raise ValidationError(_('Write names with values, such as {"day": "2026-01-31"}.'))
    if len(given) > MOST_VALUES:
        raise ValidationError(_("There are too many parameters: at most %(most)d.") % {"most": MOST_VALUES})
    for name, value in given.items():
        _check_value(name, value)
    return given


def _check_value(name: str, value: Any) -> None:
    if not NAME.match(name):
        words = _("“%(name)s” can't be a parameter's name: use letters, digits and underscores, such as first_day.")
        raise ValidationError(words % {"name": name[:60]})
    if isinstance(value, dict | list):
        words = _("The value of “%(name)s” must be a text, a number, true, false or null.")
        raise ValidationError(words % {"name": name})
    if isinstance(value, str) and (len(value) > LONGEST_TEXT or UNSTORABLE.search(value)):
        words = _("The value of “%(name)s” is too long or holds a character that no database stores.")
        raise ValidationError(words % {"name": name})


def _key(text: Any) -> UUID:
    try:
        return UUID(str(text))
    except ValueError:
        return uuid4()
