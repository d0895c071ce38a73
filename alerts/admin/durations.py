"""The form field of a column that holds a length of time, as people write it: 15m, 1h30m, 2d."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminTextInputWidget

from portal.lib.durations import DurationError, format_duration, parse_duration

LONGEST = timedelta(days=366)


class DurationField(forms.CharField):
    """Gives a timedelta; None when it is empty and need not be given."""

    def __init__(self, *, least: timedelta = timedelta(0), most: timedelta = LONGEST, **kwargs: Any) -> None:
        self.least, self.most = least, most
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget(attrs={"placeholder": "1h30m"}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return format_duration(value) if isinstance(value, timedelta) else value

    def clean(self, value: Any) -> Any:
        text = str(super().clean(format_duration(value) if isinstance(value, timedelta) else value) or "")
        if not text:
            return None
        try:
            found = parse_duration(text)
        except DurationError as error:
            raise ValidationError(str(error)) from None
        if not self.least <= found <= self.most:
            words = _("This must be between %(least)s and %(most)s.")
            limits = {"least": format_duration(self.least), "most": format_duration(self.most)}
            raise ValidationError(words % limits)
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(initial) != self.clean(data))
        except ValidationError:
            return True
