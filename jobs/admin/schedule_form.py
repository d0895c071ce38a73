"""The schedules below a job's form, and the preview that speaks while somebody types."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.http import JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from accounts.models import Tenant
from jobs.calendars import work_calendar
from jobs.catalog import ScheduleSpec, spec_of
from jobs.models import Calendar, Job
from jobs.models.schedule import TriggerKind
from jobs.policies import CalendarPolicy, MisfirePolicy
from jobs.scheduling.closed import outcome_reason
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.describe import describe, next_fires
from jobs.scheduling.exclusions import MOVED, RUNS, Rule, outcome_of
from jobs.scheduling.natural import from_text
from jobs.scheduling.triggers import Trigger, parse_trigger
from jobs.scheduling.zones import zone_names
from portal.lib.durations import DurationError, parse_duration
from portal.lib.fielderrors import FieldError
from portal.lib.paramforms import DurationTextField

NEXT = 5
MOST_SHOWN = 12  # with those that a calendar excludes
NAMES = (
    *(
        "id",
        "kind",
        "expression",
        "timezone",
        "misfire",
        "grace",
        "jitter",
        "calendar",
        "calendar_policy",
        "is_enabled",
    ),
)
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
            "Interval: 15m. Once: 2027-01-01T09:00. "
            "Working days: 1 09:00 (first of the month), -1 18:00 (last), * 09:00 (each)."
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
    calendar = forms.ChoiceField(
        label=gettext_lazy("Calendar"), required=False, choices=(), widget=UnfoldAdminSelectWidget()
    )
    calendar_policy = forms.ChoiceField(
        label=gettext_lazy("On days off"),
        required=False,
        choices=CalendarPolicy.choices,
        widget=UnfoldAdminSelectWidget(),
    )
    is_enabled = forms.BooleanField(label=gettext_lazy("Enabled"), required=False, widget=UnfoldBooleanSwitchWidget())

    def __init__(self, *args: Any, calendars: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["calendar"].choices = [("", "–"), *calendars]  # type: ignore[attr-defined]

    def clean_calendar_policy(self) -> str:
        return str(self.cleaned_data["calendar_policy"] or CalendarPolicy.SKIP)

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
        return ScheduleSpec(**{name: self.cleaned_data[name] for name in NAMES})


ScheduleFormSet = forms.formset_factory(ScheduleForm, extra=0, can_delete=True, max_num=50)


def formset_for(data: Any, job: Job | None, tenant: Tenant | None) -> Any:
    """The job's schedules, and one empty row for a new one."""
    rows = [vars_of(spec_of(row)) for row in job.schedules.select_related("calendar").order_by("id")] if job else []
    calendars = Calendar.objects.filter(tenant=tenant).order_by("name").values_list("slug", "name") if tenant else []
    empty = vars_of(ScheduleSpec(timezone=settings.TIME_ZONE))
    choices = {"calendars": list(calendars)}
    return ScheduleFormSet(data, prefix=PREFIX, initial=[*rows, empty], form_kwargs=choices)


def vars_of(spec: ScheduleSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in NAMES}


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


def preview(query: Any, *, now: datetime, calendar: Calendar | None = None) -> JsonResponse:
    """What the trigger means in both languages and when it fires next; or, in words, what is wrong.

    With a calendar the fire times that it skips or moves are told among the next ones.
    """
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
        days = work_calendar(calendar, zone) if calendar is not None and zone in zone_names() else None
        trigger = parse_trigger(kind, expression, zone, now, now, days)
        words_by_language = {code: describe(kind, expression, zone, code) for code in ("zh-hans", "en")}
    except TriggerError as error:
        return _answer({"ok": False, "error": str(error)})
    policy = query.get("calendar_policy", "") or CalendarPolicy.SKIP
    rule = Rule(calendar=days, policy=policy, is_by_day=kind == TriggerKind.WORKDAY)
    fires = list(_fires_in_words(trigger, rule, now, zone))
    return _answer({"ok": True, "description": words_by_language, "next": fires, "expression": expression})


def _fires_in_words(trigger: Trigger, rule: Rule, now: datetime, zone: str) -> Iterator[str]:
    running = 0
    for place, at in enumerate(next_fires(trigger, now, MOST_SHOWN)):
        if running == NEXT or (rule.is_empty and place == NEXT):
            return
        outcome = outcome_of(trigger, rule, at)
        shown = at.astimezone(ZoneInfo(zone)).isoformat(" ", "seconds")
        running += outcome.what in (RUNS, MOVED)
        if outcome.what == MOVED and outcome.at is not None:
            moment = outcome.at.astimezone(ZoneInfo(zone)).isoformat(" ", "seconds")
            yield f"{shown} → {moment} ({outcome_reason(outcome, rule, is_known=True).text})"
        elif outcome.what == RUNS:
            yield shown
        else:
            yield f"{shown} ✕ {outcome_reason(outcome, rule).text}"


def _answer(content: dict[str, Any]) -> JsonResponse:
    return JsonResponse(content, headers={"Cache-Control": "no-store"}, json_dumps_params={"ensure_ascii": False})


def zones() -> list[str]:
    return sorted(zone_names())
