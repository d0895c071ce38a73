"""The form field of a column that holds a length of time, as people write it: 15m, 1h30m, 2d."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from alerts.lengths import ANY, Limits
from portal.lib.durations import format_duration, parse_duration


class DurationField(forms.CharField):
    """Gives a timedelta; None when it is empty and need not be given."""

    def __init__(self, *, limits: Limits = ANY, **kwargs: Any) -> None:
        self.limits = limits
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget(attrs={"placeholder": "1h30m"}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return format_duration(value) if isinstance(value, timedelta) else value

    def clean(self, value: Any) -> Any:
        text = str(super().clean(format_duration(value) if isinstance(value, timedelta) else value) or "")
        if not text:
            return None
        try:
            return self.limits.check(parse_duration(text))
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(initial) != self.clean(data))
        except ValidationError:
            return True
