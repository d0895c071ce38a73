"""The page on which a backfill over a period is planned, previewed and made."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from accounts.admin_scope import user_of
from accounts.permissions import can
from jobs import backfills, dbclock, look
from jobs.admin.job_views import params_of
from jobs.admin.schedule_form import zones
from jobs.backfillplan import MOST_INSTANTS, MOST_PARALLEL, Direction
from jobs.backfills import BackfillRefusedError, Wish
from jobs.models import Job
from jobs.periods import PeriodError, read_moment
from jobs.runparams import RunParamsError
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.describe import describe
from jobs.scheduling.triggers import CRON, parse_trigger
from jobs.timetable import stored_trigger

if TYPE_CHECKING:
    from jobs.admin.fire_pages import FirePages

OWN = "cron"
SHOWN = 20
PARAM = "param_"


class BackfillForm(forms.Form):
    """The job's schedules or a cron expression of its own, a period, and how it runs."""

    rule = forms.ChoiceField(label=gettext_lazy("Fire times of"), widget=UnfoldAdminSelectWidget())
    cron = forms.CharField(
        label=gettext_lazy("Cron expression"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "placeholder": "0 9 * * *"}),
        help_text=gettext_lazy("Only for a rule of its own."),
    )
    timezone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "portal-zones", "autocomplete": "off"}),
        help_text=gettext_lazy("Only for a rule of its own; a schedule has its own zone."),
    )
    since = forms.CharField(
        label=gettext_lazy("From"), widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": "60"})
    )
    until = forms.CharField(
        label=gettext_lazy("To (not included)"),
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": "60"}),
    )
    direction = forms.ChoiceField(
        label=gettext_lazy("Order"), choices=Direction.choices, widget=UnfoldAdminSelectWidget()
    )
    limit = forms.IntegerField(
        label=gettext_lazy("At most"),
        min_value=1,
        max_value=MOST_INSTANTS,
        initial=500,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "number", "min": "1", "max": str(MOST_INSTANTS)}),
    )
    max_parallel = forms.IntegerField(
        label=gettext_lazy("At once"),
        min_value=1,
        max_value=MOST_PARALLEL,
        initial=1,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "number", "min": "1", "max": str(MOST_PARALLEL)}),
        help_text=gettext_lazy("As far as the job's own overlap rule allows."),
    )
    again = forms.BooleanField(
        label=gettext_lazy("Also what has succeeded already"), required=False, widget=UnfoldBooleanSwitchWidget()
    )

    def __init__(self, job: Job, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.schedules = {str(row.pk): row for row in job.schedules.order_by("pk")}
        rule: Any = self.fields["rule"]
        rule.choices = [
            *((pk, f"{words(row)} ({row.expression})") for pk, row in self.schedules.items()),
            (OWN, _("a cron expression of its own")),
        ]
        for param in params_of(job):
            self.fields[f"{PARAM}{param.name}"] = forms.CharField(
                label=param.title,
                required=False,
                initial="" if param.default is None else str(param.default),
                widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
                help_text=_("{date}, {time} and {datetime} stand for each fire time. %(help)s") % {"help": param.help},
            )

    def wish(self) -> Wish:
        """Raises TriggerError or PeriodError."""
        given = self.cleaned_data
        row = self.schedules.get(given["rule"])
        name = (row.timezone if row else given["timezone"].strip()) or settings.TIME_ZONE
        trigger = stored_trigger(row) if row else parse_trigger(CRON, given["cron"], name, dbclock.now())
        zone = look.zone_named(name)
        return Wish(
            since=read_moment(given["since"], zone),
            until=read_moment(given["until"], zone),
            trigger=trigger,
            schedule=row,
            expression=row.expression if row else given["cron"].strip(),
            timezone=name,
            direction=given["direction"],
            limit=given["limit"],
            max_parallel=given["max_parallel"],
            params={
                name.removeprefix(PARAM): value
                for name, value in given.items()
                if name.startswith(PARAM) and value not in (None, "")
            },
            again=given["again"],
        )


def words(row: Any) -> str:
    """A schedule in the reader's language; its expression when it can't be read."""
    language = "zh-hans" if (get_language() or "").startswith("zh") else "en"
    try:
        return describe(row.kind, row.expression, row.timezone or settings.TIME_ZONE, language)
    except TriggerError:
        return str(row.expression)


def backfill(request: HttpRequest, page: "FirePages", job: Job) -> HttpResponse:
    """A POST with _preview shows the instants; one with _confirm makes the backfill and goes to its page."""
    user = user_of(request)
    if not can(user, "run", job):
        raise PermissionDenied
    form = BackfillForm(job, request.POST or None, initial=_initial(dbclock.now()))
    plan = zone = None
    if request.method == "POST" and form.is_valid():
        try:
            wish = form.wish()
            zone = wish.zone
            if "_confirm" in request.POST:
                made = backfills.create_range(job, wish, actor=user)
                messages.success(request, _("Backfill %(backfill)s was created.") % {"backfill": made})
                return HttpResponseRedirect(reverse("admin:jobs_backfill_change", args=[made.pk]))
            plan = backfills.plan_range(job, wish)
        except RunParamsError as refusal:
            for error in refusal.errors:
                name = f"{PARAM}{error.path}"
                form.add_error(name if name in form.fields else None, error.message)
        except (BackfillRefusedError, PeriodError, TriggerError) as refusal:
            form.add_error(None, str(refusal))
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": _("Backfill"),
        "job": job,
        "original": job,
        "form": form,
        "plan": plan,
        "zone": zone,
        "shown": sorted(plan.instants)[:SHOWN] if plan else [],
        "hidden": max(len(plan.instants) - SHOWN, 0) if plan else 0,
        "zones": zones(),
    }
    return TemplateResponse(request, "admin/jobs/job/backfill.html", context)


def _initial(now: datetime) -> dict[str, Any]:
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    before = midnight.replace(day=1)
    return {"since": f"{before:%Y-%m-%dT%H:%M}", "until": f"{midnight:%Y-%m-%dT%H:%M}", "timezone": settings.TIME_ZONE}
