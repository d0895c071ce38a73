"""The tick: turns due schedules into runs. Any number of beats may tick at once; a crash leaves nothing or all of it.

A schedule's runs, its cursor and its next fire time are written in one transaction, under the schedule's row lock
(SKIP LOCKED: two beats share the work). Nominal instants come from the cursor only, never from now.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.bells import ring_on_commit
from jobs.models import Job, Run, RunEvent, Schedule
from jobs.policies import OverlapPolicy
from jobs.queries.fireledger import rule_args
from jobs.runs import fire_key, make_way, row_values
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.misfire import Decision, decide
from jobs.scheduling.triggers import Trigger, parse_trigger
from jobs.states import ACTIVE, Origin, ReasonCode, RunStatus
from portal.lib.failpoints import failpoint

log = logging.getLogger(__name__)
BATCH = 200


@dataclass(kw_only=True)
class Ticked:
    """What one tick did. `has_more`: schedules are still due, tick again at once."""

    schedules: int = 0
    runs: int = 0
    has_more: bool = False


@dataclass(kw_only=True)
class _Batch:
    """Rows to write for one batch of due schedules."""

    now: datetime
    active: dict[int, list[int | None]]  # job → ids of its active runs; None for one born in this batch
    runs: list[Run] = field(default_factory=list)


def trigger_of(schedule: Schedule) -> Trigger:
    """The pure rule of a stored schedule."""
    zone = schedule.timezone or settings.TIME_ZONE
    return parse_trigger(schedule.kind, schedule.expression, zone, schedule.anchor_at)


def tick(now: datetime, *, batch: int = BATCH) -> Ticked:
    """Decide every fire time due at `now` of up to `batch` schedules."""
    with transaction.atomic():
        due = list(_due(now, batch))
        if not due:
            return Ticked()
        work = _Batch(now=now, active=_active_runs([schedule.job_id for schedule in due]))
        has_more = len(due) == batch
        for schedule in due:
            has_more |= _fire(schedule, work)
        created = _insert(work)
        Schedule.objects.bulk_update(due, ["cursor_at", "next_fire_at"])
        transaction.on_commit(lambda: failpoint("tick.after_commit"))
        ring_on_commit([run.queue for run in created if run.status == RunStatus.QUEUED])
        failpoint("tick.before_commit")
    return Ticked(schedules=len(due), runs=len(created), has_more=has_more)


def _due(now: datetime, batch: int) -> Any:
    rows = (
        Schedule.objects.filter(next_fire_at__lte=now)
        .select_related("job__revision", "job__tenant")
        .order_by("next_fire_at")[:batch]
    )
    features = connection.features
    if not features.has_select_for_update:
        return rows
    if features.has_select_for_update_of:
        return rows.select_for_update(of=("self",), skip_locked=True)
    # MariaDB locks every joined table; take the keys first, so that jobs and tenants stay free.
    keys = list(
        Schedule.objects.filter(next_fire_at__lte=now)
        .order_by("next_fire_at")
        .select_for_update(skip_locked=features.has_select_for_update_skip_locked)
        .values_list("pk", flat=True)[:batch]
    )
    return Schedule.objects.filter(pk__in=keys).select_related("job__revision", "job__tenant").order_by("next_fire_at")


def _active_runs(job_ids: list[int]) -> dict[int, list[int | None]]:
    """A backfill's runs are of other instants and go behind: they are in nobody's way."""
    active: dict[int, list[int | None]] = {}
    rows = Run.objects.filter(job_id__in=job_ids, status__in=ACTIVE).exclude(origin=Origin.BACKFILL)
    for job_id, pk in rows.order_by("pk").values_list("job_id", "pk"):
        active.setdefault(job_id, []).append(pk)
    return active


def _fire(schedule: Schedule, work: _Batch) -> bool:
    """Decide one schedule; True when more of its fire times are due than one decision may hold."""
    job = schedule.job
    if not schedule.is_enabled or not job.is_enabled or job.revision is None or job.archived_at is not None:
        schedule.next_fire_at = None
        return False
    try:
        trigger = trigger_of(schedule)
    except TriggerError as error:
        log.error(
            "A stored schedule can't be read; it is stopped.", extra={"schedule": schedule.pk, "error": str(error)}
        )
        schedule.next_fire_at = None
        return False
    decision = decide(
        trigger, cursor_at=schedule.cursor_at, now=work.now, grace=schedule.grace, policy=schedule.misfire
    )
    _missed_rows(schedule, decision, work)
    for fire in decision.runs:
        work.runs.append(_run_for(schedule, fire.at, fire.coalesced, work))
    schedule.cursor_at = decision.cursor_at
    schedule.next_fire_at = trigger.next_after(decision.cursor_at)
    return decision.has_more


def _missed_rows(schedule: Schedule, decision: Decision, work: _Batch) -> None:
    for missed in decision.missed:
        words = _("%(count)s fire times until %(last)s were missed by more than the grace period.")
        run = _row(schedule, missed.first, work)
        run.status = RunStatus.MISSED
        run.coalesced = missed.count
        if missed.count > 1:
            run.reason_args = {**run.reason_args, "rule": rule_args(schedule)}
        run.reason_code = ReasonCode.MISFIRE
        run.reason = words % {"count": missed.count, "last": timezone.localtime(missed.last).isoformat(" ", "seconds")}
        run.ended_at = work.now
        work.runs.append(run)


def _run_for(schedule: Schedule, instant: datetime, coalesced: int, work: _Batch) -> Run:
    run = _row(schedule, instant, work)
    run.coalesced = coalesced
    job = schedule.job
    waiting = work.active.setdefault(job.pk, [])
    code, words = _refusal(job, waiting)
    if code:
        run.status, run.reason_code, run.reason, run.ended_at = RunStatus.SKIPPED, code, words, work.now
    else:
        waiting.append(None)
    return run


def _refusal(job: Job, waiting: list[int | None]) -> tuple[str, str]:
    """Why a fire time of this job is skipped right away, or two empty strings."""
    if not job.tenant.is_active:
        return ReasonCode.TENANT_DISABLED, _("The tenant is disabled.")
    if job.overlap == OverlapPolicy.SKIP and waiting:
        if waiting[0] is None:
            return ReasonCode.OVERLAP, _("Another run of this job came due at the same moment.")
        return ReasonCode.OVERLAP, _("Run #%(run)s of this job has not ended.") % {"run": waiting[0]}
    if job.overlap == OverlapPolicy.QUEUE and len(waiting) > job.overlap_limit:
        words = _("%(count)s runs of this job wait already; at most %(limit)s may.")
        return ReasonCode.OVERLAP_QUEUE_FULL, words % {"count": len(waiting) - 1, "limit": job.overlap_limit}
    return ReasonCode.NONE, ""


def _row(schedule: Schedule, instant: datetime, work: _Batch) -> Run:
    job = schedule.job
    assert job.revision is not None  # noqa: S101 - _fire has checked it
    values = row_values(job, job.revision, origin=Origin.SCHEDULE, now=work.now)
    values |= {"scheduled_for": instant, "schedule": schedule, "dedupe_key": fire_key(schedule, instant)}
    return Run(**values, params=default_params(job))


def default_params(job: Job) -> dict[str, Any]:
    """The values a scheduled run has: each parameter's default."""
    definition = job.revision.definition if job.revision else {}
    return {
        row["name"]: row.get("default") for row in definition.get("run_params") or [] if row.get("default") is not None
    }


def _insert(work: _Batch) -> list[Run]:
    """Insert what is not there yet, with its events; what another beat inserted first is left alone."""
    if not work.runs:
        return []
    keys = [run.dedupe_key for run in work.runs]
    known = set(Run.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True))
    Run.objects.bulk_create([run for run in work.runs if run.dedupe_key not in known], ignore_conflicts=True)
    created = list(Run.objects.filter(dedupe_key__in=set(keys) - known).select_related("job"))
    RunEvent.objects.bulk_create(
        RunEvent(run=run, old="", new=run.status, reason_code=run.reason_code, reason=run.reason, at=work.now)
        for run in created
    )
    for run in created:
        if run.status == RunStatus.QUEUED:
            make_way(run.job, newest=run, now=work.now)
    return created
