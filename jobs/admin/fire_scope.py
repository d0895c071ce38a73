"""What a fire ledger page is about: the rows its reader may see, and the period in the address."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_scope import allows, narrowed, user_of
from accounts.permissions import visible_to
from jobs import dbclock
from jobs.models import Job, Run, Schedule
from jobs.periods import PRESETS, PeriodError, check_period, preset, read_moment
from jobs.queries.fireledger import Period

LABELS = {
    "today": _("Today"),
    "yesterday": _("Yesterday"),
    "day": _("Last 24 hours"),
    "week": _("Last 7 days"),
}


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A job's ledger, or (without a job) that of all jobs the reader may see in the current tenant."""

    job: Job | None
    runs: QuerySet[Run]
    schedules: QuerySet[Schedule]
    jobs: QuerySet[Job]


def scope_of(request: HttpRequest, job: Job | None) -> Scope:
    """The caller has checked that the reader may see the job; without one, that they may see any is checked here."""
    if job is not None:
        jobs = Job.objects.filter(pk=job.pk)
        return Scope(job=job, runs=Run.objects.filter(job=job), schedules=job.schedules.all(), jobs=jobs)
    if not allows(request, "view", Job):
        raise PermissionDenied
    user = user_of(request)
    return Scope(
        job=None,
        runs=narrowed(request, visible_to(user, Run.objects.all())),
        schedules=narrowed(request, visible_to(user, Schedule.objects.all())),
        jobs=narrowed(request, visible_to(user, Job.objects.all())),
    )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The period of a page. `name` is a preset's or "custom"; `error` says what is wrong with what was asked for."""

    period: Period
    name: str
    now: datetime
    error: str = ""

    @property
    def query(self) -> dict[str, str]:
        """How the address says it."""
        if self.name in PRESETS:
            return {"period": self.name}
        return self.exact

    @property
    def exact(self) -> dict[str, str]:
        """By its two ends, so that it stays the same while time passes."""
        return {"from": self.period.since.isoformat(), "to": self.period.until.isoformat()}


def chosen_period(request: HttpRequest) -> Chosen:
    """From ?period=today or ?from=…&to=…; the last 24 hours when nothing, or nothing sensible, is asked for."""
    now, zone = dbclock.now(), timezone.get_current_timezone()
    since, until = request.GET.get("from", ""), request.GET.get("to", "")
    error = ""
    if since and until:
        try:
            first, last = read_moment(since, zone), read_moment(until, zone, is_end=True)
            check_period(first, last)
            return Chosen(period=Period(since=first, until=last), name="custom", now=now)
        except PeriodError as problem:
            error = str(problem)
    name = request.GET.get("period", "day")
    name = name if name in PRESETS else "day"
    first, last = preset(name, now, zone)
    return Chosen(period=Period(since=first, until=last), name=name, now=now, error=error)


def choices(chosen: Chosen) -> list[dict[str, Any]]:
    """The presets, for the page."""
    return [
        {"label": LABELS[name], "query": urlencode({"period": name}), "is_on": name == chosen.name} for name in PRESETS
    ]


def local_input(at: datetime) -> str:
    """As a datetime-local field wants it."""
    return f"{timezone.localtime(at):%Y-%m-%dT%H:%M}"
