"""What the home page shows to one user in the tenant they work in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.admin_scope import current_tenant, may_add, narrowed, user_of
from accounts.models import User
from accounts.permissions import visible_to
from jobs import look, queries
from jobs.fates import RAN, Fate
from jobs.fireledger import number
from jobs.models import Job, Run, Schedule
from jobs.queries import LastPruning, LogStorage, SystemState, TodaySummary
from jobs.queries.fireledger import fire_counts
from jobs.states import RunStatus
from portal.dashboard.alertcards import alert_cards, engine_part
from portal.dashboard.part import Part
from portal.waiting import waiting_approvals

S = RunStatus
BAR = (S.SUCCEEDED, S.BUSINESS_FAILURE, S.TECHNICAL_FAILURE, S.TIMED_OUT, S.LOST, S.RUNNING, S.QUEUED,
       S.SKIPPED, S.MISSED, S.CANCELLED)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One part of today's bar."""

    label: str
    tone: str
    count: int
    share: float


def dashboard_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK. With `_live` the page is only the part that keeps itself up to date."""
    layout = "portal/_bare.html" if "_live" in request.GET else "admin/base.html"
    return {**context, **home(request), "layout": layout}


def home(request: HttpRequest) -> dict[str, Any]:
    user = user_of(request)
    now, zone = timezone.now(), timezone.get_current_timezone()
    runs = narrowed(request, visible_to(user, Run.objects.all()))
    schedules = narrowed(request, visible_to(user, Schedule.objects.all()))
    jobs = narrowed(request, visible_to(user, Job.objects.filter(archived_at=None)))
    today = queries.today_summary(runs, now=now, zone=zone)
    state = queries.system_state(runs, schedules=schedules, now=now)
    return {
        "today": today,
        "day": last_day(runs, schedules, now=now),
        "slices": slices(today),
        "failures": queries.recent_failures(runs, now=now),
        "running": queries.running_now(runs),
        "fires": queries.next_fire_times(schedules),
        "parts": [*parts(state), engine_part(), *storage_parts(request)],
        "alerts": alert_cards(request),
        "has_jobs": jobs.exists(),
        "shows_tenant": getattr(request, "tenant", None) is None,
        "steps": first_steps(request, user),
        "waiting": waiting_approvals(request),
        "history_url": reverse("admin:jobs_run_changelist"),
    }


@dataclass(frozen=True, kw_only=True)
class LastDay:
    """What was due in the last 24 hours, and what became of it."""

    expected: str
    ran: str
    missed: str
    is_whole: bool


def last_day(runs: QuerySet[Run], schedules: QuerySet[Schedule], *, now: datetime) -> LastDay:
    counts = fire_counts(runs, schedules, since=now - timedelta(hours=24), now=now)
    missed = counts.get(Fate.MISSED, 0)
    return LastDay(
        expected=number(sum(counts.values())),
        ran=number(sum(counts.get(fate, 0) for fate in RAN)),
        missed=number(missed),
        is_whole=not missed,
    )


def slices(today: TodaySummary) -> list[Slice]:
    """Today's outcomes, those that happened."""
    return [
        Slice(
            label=str(status.label),
            tone=look.look_of(status).tone,
            count=today.by_status[status],
            share=100 * today.by_status[status] / today.total,
        )
        for status in BAR
        if today.by_status[status]
    ]


def parts(state: SystemState) -> list[Part]:
    return [_workers(state), _beat(state), _queue(state)]


def storage_parts(request: HttpRequest) -> list[Part]:
    """How much of its log quota the tenant has used, and for platform admins whether the pruner works."""
    found = []
    tenant = current_tenant(request)
    if tenant is not None and tenant.log_bytes_limit is not None:
        found.append(_logs(queries.log_storage(tenant)))
    if user_of(request).is_superuser:
        found.append(_pruning(queries.last_pruning()))
    return found


def _logs(storage: LogStorage) -> Part:
    value = _("%(stored)s of %(limit)s stored") % {
        "stored": look.bytes_text(storage.stored),
        "limit": look.bytes_text(storage.limit),
    }
    advice = _("The oldest logs are deleted, and new ones are cut short at 64 KiB.") if storage.is_full else ""
    icon = {"good": "check_circle", "warn": "database", "bad": "cancel"}[storage.tone]
    return Part(label=_("Logs"), value=value, tone=storage.tone, icon=icon, advice=advice, share=storage.share)


def _pruning(last: LastPruning) -> Part:
    if last.error:
        return Part(label=_("Old history"), value=_("Pruning failed"), tone="bad", icon="cancel", advice=last.error)
    if last.is_silent(timezone.now()):
        advice = _("Old runs and logs are not deleted while no worker does it: see that beat and a worker run.")
        return Part(label=_("Old history"), value=_("Not pruned lately"), tone="warn", icon="schedule", advice=advice)
    value = _("%(runs)d runs and %(logs)d logs deleted last time") % {"runs": last.runs, "logs": last.logs}
    return Part(label=_("Old history"), value=value, tone="good", icon="check_circle")


def _workers(state: SystemState) -> Part:
    if not state.workers:
        advice = _("No worker has been heard of lately: runs wait until one is started.")
        return Part(label=_("Workers"), value=_("None"), tone="bad", icon="cancel", advice=advice)
    busy = sum(worker.running_count for worker in state.workers)
    value = _("%(n)d alive, %(busy)d of %(capacity)d slots busy") % {
        "n": len(state.workers),
        "busy": busy,
        "capacity": state.capacity,
    }
    return Part(label=_("Workers"), value=value, tone="good", icon="check_circle")


def _beat(state: SystemState) -> Part:
    if not state.beats:
        advice = _("Nothing fires on time until beat is started; what is missed then follows each schedule's rule.")
        return Part(label=_("Scheduler"), value=_("Not running"), tone="bad", icon="cancel", advice=advice)
    if state.late_fires:
        value = _("%(n)d fire times are late") % {"n": state.late_fires}
        return Part(label=_("Scheduler"), value=value, tone="warn", icon="schedule")
    return Part(label=_("Scheduler"), value=_("On time"), tone="good", icon="check_circle")


def _queue(state: SystemState) -> Part:
    if not state.due:
        value = _("%(n)d wait for their time") % {"n": state.queued} if state.queued else _("Empty")
        return Part(label=_("Queue"), value=value, tone="good", icon="check_circle")
    waits = timezone.now() - state.oldest_due if state.oldest_due else None
    value = _("%(n)d runs are due, the oldest for %(time)s") % {"n": state.due, "time": look.seconds_text(waits)}
    slow = waits is not None and waits.total_seconds() > 60
    return Part(label=_("Queue"), value=value, tone="warn" if slow else "info", icon="hourglass_top")


def first_steps(request: HttpRequest, user: User) -> list[tuple[str, str]]:
    """(sentence, address) of what to do first; only what the user may do."""
    steps = []
    if may_add(request, Job):
        steps.append(
            (_("Make a job: a Python or shell script, a SQL statement or an HTTP request."), "admin:jobs_job_add")
        )
        steps.append((_("Run it by hand, and watch its log while it runs."), "admin:jobs_job_changelist"))
        steps.append((_("Give it a schedule, and see when it fires next."), "admin:jobs_job_changelist"))
    steps.append(
        (_("Look at the history: what ran, how long it took, and why it failed."), "admin:jobs_run_changelist")
    )
    if user.is_superuser:
        steps.append((_("See which workers are alive."), "admin:jobs_workernode_changelist"))
    return [(words, reverse(name)) for words, name in steps]
