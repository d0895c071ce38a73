"""The Why? pages of a job and of a run. The caller has checked that the user may see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.admin_scope import allows
from jobs import dbclock, look
from jobs.models import Job, Run
from jobs.why import Check, Explanation, Fix, Mark, Place, default_moment, explain, explain_run

if TYPE_CHECKING:
    from jobs.admin.job_admin import JobAdmin
    from jobs.admin.run_admin import RunAdmin

FURTHEST = timedelta(days=3660)
# How each outcome looks: an icon and a word, never a colour alone.
ICONS = {Mark.PASSED: "check_circle", Mark.FAILED: "cancel", Mark.UNKNOWN: "help", Mark.NOT_APPLICABLE: "remove"}
TONES = {Mark.PASSED: "good", Mark.FAILED: "bad", Mark.UNKNOWN: "warn", Mark.NOT_APPLICABLE: "plain"}
# Place → the page's name, and whether it takes the row's id.
PAGES: dict[Place, tuple[str, bool]] = {
    Place.JOB: ("jobs_job_change", True),
    Place.SCHEDULES: ("jobs_job_change", True),
    Place.RUN: ("jobs_run_change", True),
    Place.LOG: ("jobs_run_change", True),
    Place.RUN_AGAIN: ("jobs_run_again", True),
    Place.RUN_NOW: ("jobs_job_run", True),
    Place.TENANT: ("accounts_tenant_change", True),
    Place.HISTORY: ("jobs_run_changelist", False),
    Place.QUEUES: ("jobs_queue_changelist", False),
    Place.WORKERS: ("jobs_workernode_changelist", False),
    Place.CALENDARS: ("jobs_calendar_changelist", False),
    Place.FREEZES: ("jobs_freeze_changelist", False),
    Place.OUTAGES: ("jobs_outage_changelist", False),
    Place.BACKFILLS: ("jobs_backfill_changelist", False),
}
OF_THE_PLATFORM = frozenset({Place.TENANT, Place.QUEUES, Place.WORKERS, Place.OUTAGES})


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where it is put right."""

    url: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A check as the page shows it."""

    check: Check
    icon: str
    tone: str
    link: Link | None
    is_answer: bool


def of_run(request: HttpRequest, page: RunAdmin, run: Run) -> HttpResponse:
    found = explain_run(run, is_platform=is_platform(request))
    context = {"run": run, "job": run.job, "original": run, "run_badge": look.badge(run.status)}
    return _answer(request, page, found, run.job, title=_("Why? Run #%(number)d") % {"number": run.pk}, more=context)


def of_job(request: HttpRequest, page: JobAdmin, job: Job) -> HttpResponse:
    """`?at=` is a minute, in the page's zone unless it says another; else the last that did not run, or now."""
    moment, problem = asked_moment(request.GET.get("at", ""))
    at = moment or default_moment(job)
    found = explain(job, at, is_platform=is_platform(request))
    here = timezone.localtime(at)
    context = {
        "job": job,
        "original": job,
        "is_job": True,
        "at": at,
        "at_value": f"{here:%Y-%m-%dT%H:%M}",
        "zone": look.zone_label(timezone.get_current_timezone()),
        "problem": problem,
        "before": found.before,
        "after": found.after,
        "now": dbclock.now(),
    }
    return _answer(request, page, found, job, title=_("Why? %(job)s") % {"job": job.name}, more=context)


def asked_moment(text: str) -> tuple[datetime | None, str]:
    """The minute, or None with a sentence when the text is none."""
    if not text.strip():
        return None, ""
    words = _("“%(text)s” is not a time: choose a date and a time, such as 2026-11-21 09:00.") % {"text": text[:40]}
    try:
        at = parse_datetime(text.strip())
        if at is None:
            return None, words
        at = at if timezone.is_aware(at) else timezone.make_aware(at)
        is_near = abs(at - timezone.now()) <= FURTHEST
    except (ValueError, OverflowError):
        return None, words
    return (at, "") if is_near else (None, _("Choose a time within ten years from now."))


def is_platform(request: HttpRequest) -> bool:
    """Whether the reader may know about machines: only platform admins see workers and queues."""
    return bool(request.user.is_active and request.user.is_superuser)


def _answer(
    request: HttpRequest, page: Any, found: Explanation, job: Job, *, title: str, more: dict[str, Any]
) -> HttpResponse:
    rows = [
        (part.label, [_row(request, check, job, is_answer=check is found.decisive) for check in checks])
        for part, checks in found.parts()
    ]
    decisive = found.decisive
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": title,
        "found": found,
        "answer": _row(request, decisive, job, is_answer=True) if decisive else None,
        "parts": rows,
        **more,
    }
    request.current_app = page.admin_site.name
    return TemplateResponse(request, "admin/jobs/why.html", context)


def _row(request: HttpRequest, check: Check, job: Job, *, is_answer: bool) -> Row:
    mark = Mark(check.mark)
    link = link_of(request, check.fix, job) if check.fix else None
    return Row(check=check, icon=ICONS[mark], tone=TONES[mark], link=link, is_answer=is_answer)


def link_of(request: HttpRequest, fix: Fix, job: Job) -> Link | None:
    """The page where it is put right, if there is one and the reader may open it."""
    if fix.place in OF_THE_PLATFORM and not is_platform(request):
        return None
    if fix.place in (Place.RUN_AGAIN, Place.RUN_NOW) and not allows(request, "run", Job, job):
        return None
    name, takes_id = PAGES[fix.place]
    try:
        url = reverse(f"admin:{name}", args=[fix.pk] if takes_id else [])
    except NoReverseMatch:  # a page this installation does not have
        return None
    if fix.place == Place.HISTORY and fix.pk:
        url += f"?job__id__exact={fix.pk}"
    if fix.place == Place.LOG:
        url += "#log"
    return Link(url=url, label=_label(fix))


def _label(fix: Fix) -> str:
    labels = {
        Place.JOB: _("Open the job"),
        Place.SCHEDULES: _("Open the job's schedules"),
        Place.RUN: _("Open run #%(number)d") % {"number": fix.pk},
        Place.LOG: _("Read the log"),
        Place.RUN_AGAIN: _("Run it again"),
        Place.RUN_NOW: _("Run the job now"),
        Place.TENANT: _("Open the tenant"),
        Place.HISTORY: _("Open the history"),
        Place.QUEUES: _("Open the queues"),
        Place.WORKERS: _("Open the workers"),
        Place.CALENDARS: _("Open the calendars"),
        Place.FREEZES: _("Open the freezes"),
        Place.OUTAGES: _("Open the outages"),
        Place.BACKFILLS: _("Open the backfills"),
    }
    return labels[fix.place]
