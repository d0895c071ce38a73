"""By when the next result of a job must be there: its schedules, calendars and freezes say so."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts.memory import Memory
from alerts.models import AlertRule
from jobs.models import Job, Outage, Run, RunEvent, Schedule
from jobs.outages import Subject
from jobs.queries.activity import next_starts
from jobs.states import ACTIVE, TERMINAL, Origin, ReasonCode, RunStatus

# What the calendar or people have left out is not awaited.
LEFT_OUT = frozenset({ReasonCode.CALENDAR, ReasonCode.FROZEN, ReasonCode.JOB_DISABLED, ReasonCode.TENANT_DISABLED})
SLACK = timedelta(seconds=1)
# Why nothing comes, the likeliest first; each is one incident, however many alerts it makes stale.
CAUSES = (Subject.PORTAL, Subject.DATABASE, Subject.BEAT, Subject.WORKERS, Subject.BROKER)


def due_at_of(rule: AlertRule, job: Job) -> datetime | None:
    """When the next result must be there: after the next fire time that nothing excludes; None without a schedule."""
    start = _next_start(job)
    return start + rule.result_grace if start else None


def moved_due_at(rule: AlertRule, job: Job, memory: Memory, now: datetime) -> datetime | None:
    """`memory.due_at` as it is now that its moment has come: the schedule may have been changed, paused or excluded.

    The same moment when the result is really overdue.
    """
    if memory.due_at is None:
        return None
    awaited = memory.due_at - rule.result_grace
    if not is_awaited(job):
        return None
    runs = Run.objects.filter(job=job, origin=Origin.SCHEDULE, parent=None, scheduled_for__gte=awaited - SLACK)
    run = runs.order_by("scheduled_for", "pk").first()
    if run is not None and not _is_left_out(run):
        return memory.due_at
    start = _next_start(job)
    if run is None and start is not None and start <= now:
        return memory.due_at  # nobody has decided it yet: beat is away
    return start + rule.result_grace if start else None


def has_unread_end(job: Job) -> bool:
    """Whether a run of the job has ended and nobody has looked at it yet."""
    unread = RunEvent.objects.filter(processed_at=None, new__in=TERMINAL, run__job=job, run__parent=None)
    return unread.order_by().exists()


def is_awaited(job: Job) -> bool:
    """Whether anything can come of the job at all."""
    return job.archived_at is None and job.is_enabled and job.tenant.is_active


def cause_of_silence(job: Job | None, subject: str) -> str:
    """What an overdue result is grouped by: the part of the portal that is silent, else the alert itself."""
    wanted = [*CAUSES, f"queue:{job.queue}"] if job else list(CAUSES)
    silent = set(Outage.objects.filter(ended_at=None, subject__in=wanted).values_list("subject", flat=True))
    return next((f"portal:{each}" for each in wanted if each in silent), subject)


def _is_left_out(run: Run) -> bool:
    if run.status in ACTIVE or run.status == RunStatus.SUCCEEDED:
        return False
    return run.reason_code in LEFT_OUT


def _next_start(job: Job) -> datetime | None:
    rows = Schedule.objects.filter(job=job, is_enabled=True, next_fire_at__isnull=False)
    return next((at for at, _schedule in next_starts(rows.select_related("job", "calendar"))), None)
