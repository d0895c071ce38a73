"""Forms of calendars, blackout windows and freezes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from jobs.models import Blackout, Calendar, Freeze
from jobs.scheduling.zones import zone_names
from jobs.workcalendars import Day, days_of, days_text, parse_days
from portal.lib.fielderrors import FieldErrors

if TYPE_CHECKING:
    CalendarModelForm = forms.ModelForm[Calendar]
    BlackoutModelForm = forms.ModelForm[Blackout]
    FreezeModelForm = forms.ModelForm[Freeze]
else:
    CalendarModelForm = BlackoutModelForm = FreezeModelForm = forms.ModelForm

WEEKDAYS = [
    ("1", gettext_lazy("Monday")),
    ("2", gettext_lazy("Tuesday")),
    ("3", gettext_lazy("Wednesday")),
    ("4", gettext_lazy("Thursday")),
    ("5", gettext_lazy("Friday")),
    ("6", gettext_lazy("Saturday")),
    ("7", gettext_lazy("Sunday")),
]
MONDAY_TO_FRIDAY = "12345"
DAYS_HELP = gettext_lazy(
    "One day or range per line: 2026-10-01..2026-10-07 holiday National Day, or 2026-10-10 workday Make-up day. "
    "Paste a list as it is; without a word for the kind a day is a holiday."
)


class WeekdaysField(forms.MultipleChoiceField):
    """ISO weekdays as digits: "12345"."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=WEEKDAYS, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return list(value) if isinstance(value, str) else value

    def clean(self, value: Any) -> str:
        return "".join(sorted(super().clean(value)))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return "".join(sorted(initial or "")) != "".join(sorted(data or ""))


def zone_field(**kwargs: Any) -> forms.CharField:
    return forms.CharField(
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "portal-zones", "autocomplete": "off"}),
        **kwargs,
    )


def clean_zone(text: str) -> str:
    if text and text not in zone_names():
        words = _("“%(zone)s” is not a known time zone: use a name such as Asia/Shanghai, Europe/Berlin or UTC.")
        raise ValidationError(words % {"zone": text[:64]})
    return text


class CalendarForm(CalendarModelForm):
    """The calendar, and its days as lines of text."""

    slug = forms.SlugField(
        label=gettext_lazy("Slug"),
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Its short name in files and commands. Empty: made from the name."),
    )
    timezone = zone_field(
        label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("Where its days begin and end. Empty: the zone of each schedule."),
    )
    workdays = WeekdaysField(label=gettext_lazy("Working weekdays"), required=False, initial=MONDAY_TO_FRIDAY)
    days = forms.CharField(
        label=gettext_lazy("Holidays and make-up days"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14, "spellcheck": "false", "class": "p-mono"}),
        help_text=DAYS_HELP,
    )

    class Meta:
        model = Calendar
        fields = ["name", "slug", "description", "timezone", "workdays"]
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parsed_days: list[Day] = []
        if "days" in self.fields:
            self.initial.setdefault("days", days_text(days_of(self.instance)))

    def clean_timezone(self) -> str:
        return clean_zone(self.cleaned_data["timezone"])

    def clean_slug(self) -> str:
        made = self.cleaned_data["slug"] or slugify(self.cleaned_data.get("name", ""))
        if not made:
            raise ValidationError(_("Write a slug with letters, digits and “-”, such as germany."))
        return str(made)

    def clean_days(self) -> str:
        text = str(self.cleaned_data["days"])
        try:
            self.parsed_days = parse_days(text)
        except FieldErrors as refusal:
            raise ValidationError([error.message for error in refusal.errors]) from None
        return text


class BlackoutForm(BlackoutModelForm):
    """Either from–to, or weekly."""

    weekdays = WeekdaysField(label=gettext_lazy("Weekdays"), required=False)
    timezone = zone_field(label=gettext_lazy("Time zone"))

    class Meta:
        model = Blackout
        fields = [
            "name", "calendar", "datasource", "job",
            "weekdays", "start_time", "end_time", "timezone", "starts_at", "ends_at",
        ]  # fmt: skip
        help_texts = {
            "start_time": gettext_lazy("Weekly: together with the weekdays."),
            "end_time": gettext_lazy("An end that is not after the start is on the next day."),
            "starts_at": gettext_lazy("Once: instead of weekdays and times of day."),
        }

    def clean_timezone(self) -> str:
        return clean_zone(self.cleaned_data["timezone"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors or data.get("DELETE"):
            return data
        once: tuple[Any, Any] = (data.get("starts_at"), data.get("ends_at"))
        weekly = (data.get("weekdays"), data.get("start_time"), data.get("end_time"))
        if any(once) and any(each is not None and each != "" for each in weekly):
            raise ValidationError(_("Give either from and until, or weekdays with times of day; not both."))
        if any(once):
            if not all(once):
                raise ValidationError(_("A window that happens once needs both from and until."))
            if once[1] <= once[0]:
                raise ValidationError({"ends_at": _("The end must come after the beginning.")})
        elif not weekly[0] or weekly[1] is None or weekly[2] is None:
            raise ValidationError(_("Choose weekdays and write from and until what time of day."))
        self._check_target(data)
        return data

    def _check_target(self, data: dict[str, Any]) -> None:
        targets = [name for name in ("calendar", "datasource", "job") if name in self.fields]
        if targets and not any(data.get(name) for name in targets):
            raise ValidationError(_("Say what the window closes: a calendar, a datasource or a job."))


class FreezeForm(FreezeModelForm):
    """A platform admin may freeze every tenant."""

    every_tenant = forms.BooleanField(
        label=gettext_lazy("Every tenant"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=gettext_lazy("Freeze the whole platform, not this tenant alone."),
    )

    class Meta:
        model = Freeze
        fields = ["name", "reason", "starts_at", "ends_at", "after", "exempt_jobs"]
        help_texts = {
            "reason": gettext_lazy("Everybody who meets the freeze reads it."),
            "ends_at": gettext_lazy("Empty: until somebody ends it."),
            "exempt_jobs": gettext_lazy("These jobs go on as if there were no freeze."),
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        starts, ends = data.get("starts_at"), data.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", _("The end must come after the beginning."))
        return data
