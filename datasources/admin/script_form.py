"""The form of a SQL script: what it is, where it may run, and the text of its next version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from datasources import scripts
from datasources.models import SqlScript
from portal.lib.fielderrors import FieldError, FieldErrors
from portal.lib.paramforms import JsonTextField

if TYPE_CHECKING:
    SqlScriptModelForm = forms.ModelForm[SqlScript]
else:
    SqlScriptModelForm = forms.ModelForm

PARAMETERS_HELP = _(
    'A list, such as [{"name": "day", "type": "date", "label": "Day", "required": true}]; in the SQL it is :day. '
    "Types: text, int, float, bool, date, datetime, choice (with choices)."
)


class SqlScriptForm(SqlScriptModelForm):
    """`datasources.scripts` judges and saves; what it refuses is said at the field."""

    text = forms.CharField(
        label=_("SQL"),
        strip=False,
        required=False,  # said in a whole sentence by datasources.scripts
        help_text=_("Several statements end in “;”. :name takes a parameter's value; it is bound, never pasted."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14, "spellcheck": "false", "data-editor": "sql"}),
    )
    parameters = JsonTextField(
        label=_("Parameters"),
        required=False,
        help_text=PARAMETERS_HELP,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false", "data-editor": "json"}),
    )
    note = forms.CharField(
        label=_("What is new"),
        required=False,
        max_length=scripts.NOTE_LENGTH,
        help_text=_("A word for the list of versions. Another text or other parameters make a new version."),
        widget=UnfoldAdminTextInputWidget(),
    )

    class Meta:
        model = SqlScript
        fields = ["name", "slug", "description", "datasources"]
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "datasources": UnfoldAdminCheckboxSelectMultipleWidget(),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = self.instance.current if self.instance.pk else None
        if current is not None:
            self.initial.setdefault("text", current.text)
            self.initial.setdefault("parameters", current.parameters or "")

    def draft(self) -> scripts.Draft:
        """Only after is_valid()."""
        data = self.cleaned_data
        return scripts.Draft(
            text=data.get("text", ""),
            parameters=data.get("parameters") or [],
            note=data.get("note", ""),
            datasources=list(data["datasources"]) if "datasources" in data else None,
        )

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors or "text" not in self.fields:
            return
        given = self.cleaned_data.get("parameters") or []
        if not isinstance(given, list):
            self.add_error("parameters", _("Write a list, in square brackets."))
            return
        try:
            scripts.check(self.instance, self.draft(), actor=getattr(self, "portal_actor", None))
        except FieldErrors as refused:
            for error in refused.errors:
                self._blame(error)

    def _blame(self, error: FieldError) -> None:
        name = error.path.partition(".")[0].partition("[")[0]
        inner = error.path.removeprefix(name).lstrip(".")
        place = name if name in self.fields else None
        self.add_error(place, f"{inner}: {error.message}" if inner else error.message)
