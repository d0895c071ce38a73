"""Form fields for typed parameters; `portal.lib.runparams` judges the values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from portal.lib.runparams import RunParam

INPUT_TYPES = {"int": "number", "float": "number", "date": "date", "datetime": "datetime-local"}


class ParamsForm(forms.Form):
    """One field for each parameter."""

    def __init__(self, params: Sequence[RunParam], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = list(params)
        for param in params:
            self.fields[param.name] = field_for(param)

    def values(self) -> dict[str, Any]:
        """What was given, by name. Only after is_valid()."""
        return {
            param.name: value for param in self.params if (value := self.cleaned_data.get(param.name)) not in (None, "")
        }


def field_for(param: RunParam) -> forms.Field:
    common: dict[str, Any] = {
        "label": param.title,
        "help_text": param.help,
        "required": False,  # said in whole sentences by portal.lib.runparams
        "initial": param.default,
    }
    if param.type == "bool":
        return forms.BooleanField(widget=UnfoldBooleanSwitchWidget(), **common)
    if param.type == "choice":
        choices = [*([] if param.required and param.default else [("", "–")]), *((c, c) for c in param.choices)]
        return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget(), **common)
    attrs = {"type": INPUT_TYPES.get(param.type, "text"), "autocomplete": "off"}
    limits = {"min": param.min, "max": param.max, "step": "any" if param.type == "float" else None}
    attrs |= {name: str(value) for name, value in limits.items() if value is not None}
    return forms.CharField(widget=UnfoldAdminTextInputWidget(attrs=attrs), **common)
