"""The form field of labels: one name=value or name per line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from portal.lib.labels import Labels, label_lines, parse_labels

HELP = _("One per line: a name and a value, such as team=payments, or a name alone, such as urgent.")


class LabelsField(forms.CharField):
    """Gives {name: text}."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", HELP)
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": 2, "spellcheck": "false"}))
        super().__init__(required=False, max_length=20_000, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(label_lines(value)) if isinstance(value, Mapping) else value

    def clean(self, value: Any) -> Any:
        text = str(super().clean("\n".join(label_lines(value)) if isinstance(value, Mapping) else value) or "")
        try:
            return parse_labels(line for line in text.splitlines() if line.strip())
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            before: Labels = dict(initial) if isinstance(initial, Mapping) else self.clean(initial)
            return bool(before != self.clean(data))
        except ValidationError:
            return True
