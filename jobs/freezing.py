"""Freezes are made, ended and, where they owe a run afterwards, paid off. Permission → change → audit."""

from __future__ import annotations

import logging
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from accounts.permissions import can
from jobs import dbclock, freezes
from jobs.bells import ring_on_commit
from jobs.models import Freeze, Job, Run, RunEvent, Schedule
from jobs.models.freeze import FreezeState
from jobs.policies import AfterFreeze
from jobs.reasons import say
from jobs.runs import row_values
from jobs.states import Origin, ReasonCode, RunStatus
from portal.lib.fielderrors import FieldErrors

log = logging.getLogger(__name__)
MOST_RELEASED = 5_000


def save_freeze(freeze: Freeze, *, actor: User | None) -> None:
    """Write a new or changed freeze. One that has ended is history and stays as it is."""
    is_new = freeze.pk is None
    _require(actor, "add" if is_new else "change", freeze)
    now = dbclock.now()
    if freeze.ends_at is not None and freeze.ends_at <= freeze.starts_at:
        raise FieldErrors.of("ends_at", _("The end must come after the beginning."))
    with transaction.atomic():
        if not is_new and Freeze.objects.select_for_update().get(pk=freeze.pk).state(now) == FreezeState.ENDED:
            raise FieldErrors.of("", _("This freeze has ended: make a new one instead of changing it."))
        if is_new and freeze.ends_at is not None and freeze.ends_at <= now:
            raise FieldErrors.of("ends_at", _("This end is in the past: choose one that is still to come."))
        freeze.save()
        verb = "jobs.freeze.created" if is_new else "jobs.freeze.updated"
        details = {"from": freeze.starts_at.isoformat(), "until": freeze.ends_at.isoformat() if freeze.ends_at else ""}
        audit.record(verb, actor=actor, target=freeze, summary=f"{freeze.name}: {freeze.reason}", details=details)
        transaction.on_commit(freezes.forget)


def end_freeze(freeze: Freeze, *, actor: User | None) -> bool:
    """End a freeze now, or call off one that has not begun. False: it was over already."""
    _require(actor, "change", freeze)
    now = dbclock.now()
    with transaction.atomic():
        row = Freeze.objects.select_for_update().get(pk=freeze.pk)
        if row.state(now) == FreezeState.ENDED:
            return False
        row.ended_at, row.ended_by = now, actor
        row.save(update_fields=["ended_at", "ended_by", "updated_at"])
        audit.record("jobs.freeze.ended", actor=actor, target=row, summary=row.name)
        transaction.on_commit(freezes.forget)
        queued = Run.objects.filter(status=RunStatus.QUEUED, not_before__lte=now)
        if row.tenant_id is not None:
            queued = queued.filter(tenant=row.tenant_id)
        ring_on_commit(list(queued.order_by().values_list("queue", flat=True).distinct()))
    freeze.ended_at, freeze.ended_by = now, actor
    return True


def release_freezes(now: datetime) -> int:
    """Pay off the freezes that are over and owe a run of each schedule; returns how many runs were made.

    Beat calls it each second. A crash leaves nothing or all of it, and two beats share the work by the row's lock.
    Fire times of the freeze's time that nobody has decided yet come first: it waits for them.
    """
    made = 0
    over = Q(ends_at__lte=now) | Q(ended_at__lte=now)
    for pk in Freeze.objects.filter(over, after=AfterFreeze.RUN_ONCE, released_at=None).values_list("pk", flat=True):
        made += _release(pk, now)
    return made


def _release(pk: int, now: datetime) -> int:
    with transaction.atomic():
        freeze = Freeze.objects.select_for_update().get(pk=pk)
        over = freeze.over_at
        if freeze.released_at is not None or over is None or _is_undecided(freeze, over):
            return 0
        runs = [_again(fire, freeze, now) for fire in newest_frozen(freeze)]
        made = [run for run in runs if run is not None]
        freeze.released_at = now
        freeze.save(update_fields=["released_at", "updated_at"])
        ring_on_commit([run.queue for run in made])
    return len(made)


def _is_undecided(freeze: Freeze, over: datetime) -> bool:
    due = Schedule.objects.filter(next_fire_at__lt=over)
    return (due.filter(tenant=freeze.tenant_id) if freeze.tenant_id is not None else due).exists()


def newest_frozen(freeze: Freeze) -> list[Run]:
    """Of each schedule the newest fire time that this freeze has kept from running."""
    rows = Run.objects.filter(
        origin=Origin.SCHEDULE,
        status__in=(RunStatus.SKIPPED, RunStatus.MISSED),
        reason_code=ReasonCode.FROZEN,
        created_at__gte=freeze.starts_at,
        schedule__isnull=False,
    )
    if freeze.tenant_id is not None:
        rows = rows.filter(tenant=freeze.tenant_id)
    newest: dict[int, Run] = {}
    for run in rows.order_by("-scheduled_for", "-pk")[: MOST_RELEASED * 20]:
        if run.schedule_id is not None and run.schedule_id not in newest and _is_of(run, freeze):
            newest[run.schedule_id] = run
    return list(newest.values())[:MOST_RELEASED]


def _is_of(run: Run, freeze: Freeze) -> bool:
    args = run.reason_args
    inner = args.get("why")
    return args.get("freeze_id") == freeze.pk or (isinstance(inner, dict) and inner.get("freeze_id") == freeze.pk)


def _again(fire: Run, freeze: Freeze, now: datetime) -> Run | None:
    """The run a frozen fire time gets after all, of the job as it is now; None when the job does not fire any more."""
    job = Job.objects.select_related("revision", "tenant").get(pk=fire.job_id)
    if not job.is_enabled or job.revision is None or job.archived_at is not None or not job.tenant.is_active:
        return None
    values = row_values(job, job.revision, origin=Origin.BACKFILL, now=now)
    why = say(ReasonCode.NONE, "frozen.after", freeze=freeze.name, due_at=fire.scheduled_for)
    values |= {"scheduled_for": fire.scheduled_for, "rerun_of": fire, "params": fire.params}
    key = f"freeze:{freeze.pk}:{fire.schedule_id}"
    run, is_new = Run.objects.get_or_create(dedupe_key=key, defaults=values | why.columns())
    if not is_new:
        return None
    RunEvent.objects.create(run=run, old="", new=run.status, at=now, **why.columns())
    return run


def _require(actor: User | None, verb: str, freeze: Freeze) -> None:
    if actor is not None and not can(actor, verb, freeze):
        raise PermissionDenied
