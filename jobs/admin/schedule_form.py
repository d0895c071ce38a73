"""The schedules below a job's form, and the preview that speaks while somebody types."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.http import JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from jobs.catalog import ScheduleSpec, spec_of
from jobs.models import Job
from jobs.models.schedule import TriggerKind
from jobs.policies import MisfirePolicy
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.describe import describe, next_fires
from jobs.scheduling.natural import from_text
from jobs.scheduling.triggers import parse_trigger
from jobs.scheduling.zones import zone_names
from portal.lib.durations import DurationError, parse_duration
from portal.lib.fielderrors import FieldError
from portal.lib.paramforms import DurationTextField

NEXT = 5
PREFIX = "schedules"


class ScheduleForm(forms.Form):
    """One trigger. An empty expression in a new row is no schedule."""

    id = forms.IntegerField(required=False, widget=forms.HiddenInput())
    kind = forms.ChoiceField(
        label=gettext_lazy("Trigger"), choices=TriggerKind.choices, widget=UnfoldAdminSelectWidget()
    )
    expression = forms.CharField(
        label=gettext_lazy("Expression"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "Cron: 0 9 * * * (5 fields; 6 with seconds first, 7 with the year last). "
            "Interval: 15m. Once: 2027-01-01T09:00."
        ),
    )
    timezone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "portal-zones", "autocomplete": "off"}),
    )
    misfire = forms.ChoiceField(
        label=gettext_lazy("When missed"), choices=MisfirePolicy.choices, widget=UnfoldAdminSelectWidget()
    )
    grace = DurationTextField(label=gettext_lazy("Grace period"), widget=UnfoldAdminTextInputWidget())
    jitter = DurationTextField(
        label=gettext_lazy("Spread"),
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy(
            "Each run starts up to so long after its fire time, so that what is due in the same minute does not start "
            "all at once. 0s: at once."
        ),
    )
    is_enabled = forms.BooleanField(label=gettext_lazy("Enabled"), required=False, widget=UnfoldBooleanSwitchWidget())

    def clean_grace(self) -> Any:
        try:
            return parse_duration(str(self.cleaned_data["grace"]))
        except DurationError as error:
            raise forms.ValidationError(str(error)) from None

    def clean_jitter(self) -> Any:
        try:
            return parse_duration(str(self.cleaned_data["jitter"] or "0s"))
        except DurationError as error:
            raise forms.ValidationError(str(error)) from None

    @property
    def is_unused(self) -> bool:
        """A row that was offered and left empty, or marked for removal."""
        data = getattr(self, "cleaned_data", {})
        return not data or bool(data.get("DELETE")) or (not data.get("id") and not data.get("expression", "").strip())

    def spec(self) -> ScheduleSpec:
        names = ("id", "kind", "expression", "timezone", "misfire", "grace", "jitter", "is_enabled")
        return ScheduleSpec(**{name: self.cleaned_data[name] for name in names})


ScheduleFormSet = forms.formset_factory(ScheduleForm, extra=0, can_delete=True, max_num=50)


def formset_for(data: Any, job: Job | None) -> Any:
    """The job's schedules, and one empty row for a new one."""
    rows = [vars_of(spec_of(row)) for row in job.schedules.order_by("id")] if job else []
    empty = vars_of(ScheduleSpec(timezone=settings.TIME_ZONE))
    return ScheduleFormSet(data, prefix=PREFIX, initial=[*rows, empty])


def vars_of(spec: ScheduleSpec) -> dict[str, Any]:
    names = ("id", "kind", "expression", "timezone", "misfire", "grace", "jitter", "is_enabled")
    return {name: getattr(spec, name) for name in names}


def specs_of(formset: Any) -> tuple[list[ScheduleSpec], list[ScheduleForm]]:
    """What is to be saved, and the form each came from."""
    used = [form for form in formset.forms if not form.is_unused]
    return [form.spec() for form in used], used


def blame(used: list[ScheduleForm], errors: Iterable[FieldError]) -> list[FieldError]:
    """Put "schedules[n].field" at its form; give back what belongs elsewhere."""
    elsewhere = []
    for error in errors:
        place, _bracket, field = error.path.removeprefix(f"{PREFIX}[").partition("]")
        if error.path.startswith(f"{PREFIX}[") and place.isdecimal() and int(place) < len(used):
            form = used[int(place)]
            name = field.lstrip(".")
            form.add_error(name if name in form.fields else None, error.message)
        else:
            elsewhere.append(error)
    return elsewhere


def preview(query: Any, *, now: datetime) -> JsonResponse:
    """What the trigger means in both languages and when it fires next; or, in words, what is wrong."""
    kind, expression = query.get("kind", "cron"), query.get("expression", "").strip()[:200]
    zone = query.get("timezone", "").strip()[:64] or settings.TIME_ZONE
    sentence = query.get("natural", "").strip()
    if sentence:
        expression = from_text(sentence) or ""
        kind = TriggerKind.CRON
        if not expression:
            words = _("These words were not understood. Try “every day at 9” or “每天上午9点”.")
            return _answer({"ok": False, "error": words})
    try:
        trigger = parse_trigger(kind, expression, zone, now, now)
        words_by_language = {code: describe(kind, expression, zone, code) for code in ("zh-hans", "en")}
    except TriggerError as error:
        return _answer({"ok": False, "error": str(error)})
    fires = [at.astimezone(ZoneInfo(zone)).isoformat(" ", "seconds") for at in next_fires(trigger, now, NEXT)]
    return _answer({"ok": True, "description": words_by_language, "next": fires, "expression": expression})


def _answer(content: dict[str, Any]) -> JsonResponse:
    return JsonResponse(content, headers={"Cache-Control": "no-store"}, json_dumps_params={"ensure_ascii": False})


def zones() -> list[str]:
    return sorted(zone_names())
