"""Backfills: instants that are run afterwards, a few at a time, behind what is due. Made, released, cancelled.

A backfill is made under its job's row lock, so that two clicks at once never take the same instant. A sweep releases
its runs (beat every second, workers every few): a step locks the backfill's row, and the key of each run is unique.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, connection, transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from accounts.permissions import can
from jobs import dbclock
from jobs.backfillplan import (
    MOST_INSTANTS,
    MOST_MISSED,
    MOST_PARALLEL,
    BackfillKind,
    BackfillState,
    Direction,
    Plan,
    instants_between,
    loaded,
    lower_priority,
    make_plan,
    params_at,
    stored,
    window,
)
from jobs.bells import ring_on_commit
from jobs.fates import RUNNABLE
from jobs.models import Backfill, Job, Run, RunEvent, Schedule
from jobs.policies import OverlapPolicy
from jobs.queries.fireledger import UNCOVERED, Period, fire_ledger
from jobs.reasons import say
from jobs.runparams import validate_run_params
from jobs.runs import claim_order, request_cancel, row_values
from jobs.scheduling.triggers import Trigger
from jobs.states import ACTIVE, Origin, ReasonCode, RunStatus

log = logging.getLogger(__name__)
MOST_AT_ONCE = 100  # backfills that one sweep looks at


class BackfillRefusedError(Exception):
    """It can't be made; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A backfill over [since, until): the fire times of `trigger`, which is a schedule's or one of its own."""

    since: datetime
    until: datetime
    trigger: Trigger
    schedule: Schedule | None = None
    expression: str = ""
    timezone: str = ""
    direction: str = Direction.OLDEST
    limit: int = MOST_INSTANTS
    max_parallel: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False  # also what has succeeded already

    @property
    def zone(self) -> str:
        return self.timezone or settings.TIME_ZONE


# --- making one -------------------------------------------------------------------------------------------------------


def plan_range(job: Job, wish: Wish) -> Plan:
    """What the backfill would run; BackfillRefusedError when that can't be said."""
    if wish.since >= wish.until:
        raise BackfillRefusedError(_("The period is empty: its end must come after its beginning."))
    if not 1 <= wish.limit <= MOST_INSTANTS:
        raise BackfillRefusedError(_("The limit is between 1 and %(most)d.") % {"most": MOST_INSTANTS})
    if not 1 <= wish.max_parallel <= MOST_PARALLEL:
        raise BackfillRefusedError(_("At once is between 1 and %(most)d.") % {"most": MOST_PARALLEL})
    instants, too_many = instants_between(wish.trigger, wish.since, wish.until)
    if too_many:
        raise BackfillRefusedError(_("The period holds too many instants: choose a shorter one."))
    covered = waiting_instants(job) if wish.again else covered_instants(job, wish.since, wish.until)
    plan = make_plan(instants, covered=covered, direction=wish.direction, limit=wish.limit)
    for instant in plan.instants:
        values_for(job, wish.params, instant, wish.zone)
    return plan


def create_range(job: Job, wish: Wish, *, actor: User | None) -> Backfill:
    """A backfill over a period, its first runs queued. Raises BackfillRefusedError or RunParamsError."""
    _require(actor, job)
    with transaction.atomic():
        job = _locked(job)
        plan = plan_range(job, wish)
        if not plan.instants:
            raise BackfillRefusedError(_("There is nothing to run: no instant of the period is left."))
        return _create(
            job,
            plan.instants,
            actor=actor,
            kind=BackfillKind.RANGE,
            schedule=wish.schedule,
            expression=wish.expression,
            timezone=wish.timezone,
            from_at=wish.since,
            to_at=wish.until,
            direction=wish.direction,
            max_parallel=wish.max_parallel,
            params=dict(wish.params),
        )


def missed_instants(
    runs: QuerySet[Run], schedules: QuerySet[Schedule], period: Period, *, now: datetime
) -> dict[int, list[datetime]]:
    """Job id → the instants of the period that were missed and that nothing has run, or will run, since; oldest first.

    Raises BackfillRefusedError when the period holds more due moments than can be listed.
    """
    ledger = fire_ledger(runs, schedules, period, now=now)
    if ledger.too_many:
        raise BackfillRefusedError(_("The period holds too many due moments: choose a shorter one, or one job."))
    found: dict[int, set[datetime]] = {}
    for moment in ledger.moments:
        if moment.fate in RUNNABLE and moment.number == 1:
            found.setdefault(moment.job_id, set()).add(moment.at)
    living = Job.objects.filter(pk__in=found, archived_at=None, revision__isnull=False)
    left = {}
    for job in living:
        missed = found[job.pk] - covered_instants(job, min(found[job.pk]), period.until, by_backfill_only=True)
        if missed:
            left[job.pk] = sorted(missed)
    return left


def choose_missed(
    missed: Mapping[int, Sequence[datetime]], *, direction: str, limit: int = MOST_MISSED
) -> dict[int, list[datetime]]:
    """At most `limit` of them over all jobs, the oldest or the newest."""
    pairs = sorted(
        ((at, job_id) for job_id, instants in missed.items() for at in instants), reverse=direction == Direction.NEWEST
    )
    chosen: dict[int, list[datetime]] = {}
    for at, job_id in pairs[:limit]:
        chosen.setdefault(job_id, []).append(at)
    return chosen


def run_missed(
    job: Job, instants: Collection[datetime], *, actor: User | None, direction: str = Direction.OLDEST
) -> Backfill | None:
    """Run these missed instants; None when others have taken all of them meanwhile."""
    _require(actor, job)
    if not instants:
        return None
    with transaction.atomic():
        job = _locked(job)
        first, last = min(instants), max(instants)
        covered = covered_instants(job, first, last, by_backfill_only=True)
        plan = make_plan(instants, covered=covered, direction=direction, limit=MOST_MISSED)
        if not plan.instants:
            return None
        at_once = job.overlap_limit if job.overlap == OverlapPolicy.ALLOW else 1
        return _create(
            job,
            plan.instants,
            actor=actor,
            kind=BackfillKind.MISSED,
            from_at=first,
            to_at=last,
            direction=direction,
            max_parallel=min(at_once, MOST_PARALLEL),
        )


def covered_instants(job: Job, since: datetime, until: datetime, *, by_backfill_only: bool = False) -> set[datetime]:
    """Instants of [since, until] that a backfill runs or has run, or that ran on schedule."""
    rows = Run.objects.filter(job=job, parent=None, scheduled_for__gte=since, scheduled_for__lte=until)
    by_backfill = Q(origin=Origin.BACKFILL) & ~Q(status__in=UNCOVERED)
    on_schedule = Q(origin=Origin.SCHEDULE, status__in=[RunStatus.SUCCEEDED, *ACTIVE])
    rows = rows.filter(by_backfill if by_backfill_only else by_backfill | on_schedule)
    return set(rows.values_list("scheduled_for", flat=True)) | waiting_instants(job)


def waiting_instants(job: Job) -> set[datetime]:
    """Instants that active backfills of the job have still to release."""
    rows = Backfill.objects.filter(job=job, state=BackfillState.ACTIVE).values_list("instants", "released_count")
    return {instant for instants, released in rows for instant in loaded(instants[released:])}


def values_for(job: Job, params: Mapping[str, Any], instant: datetime, zone: str) -> dict[str, Any]:
    """The run's parameter values for one instant; RunParamsError when they don't fit."""
    definition = job.revision.definition if job.revision else {}
    return dict(validate_run_params(definition.get("run_params") or [], params_at(params, instant, zone)))


def default_values(job: Job) -> dict[str, Any]:
    """What a scheduled run has: each parameter's default."""
    definition = job.revision.definition if job.revision else {}
    rows = definition.get("run_params") or []
    return {row["name"]: row.get("default") for row in rows if row.get("default") is not None}


def _require(actor: User | None, job: Job) -> None:
    if actor is not None and not can(actor, "run", job):
        raise PermissionDenied


def _locked(job: Job) -> Job:
    """The job as it is now, its row locked: backfills of one job are made one after another."""
    rows = Job.objects.filter(pk=job.pk)
    if connection.features.has_select_for_update:
        list(rows.select_for_update(no_key=connection.features.has_select_for_no_key_update).values_list("pk"))
    found = rows.select_related("revision", "tenant").get()
    if found.revision is None or found.archived_at is not None:
        raise BackfillRefusedError(_("This job has been deleted, so nothing can be run."))
    if not found.tenant.is_active:
        raise BackfillRefusedError(_("The tenant is disabled. Ask a platform admin to enable it."))
    return found


def _create(job: Job, instants: Iterable[datetime], *, actor: User | None, **fields: Any) -> Backfill:
    texts = stored(instants)
    assert job.revision is not None  # noqa: S101 - `_locked` has looked
    backfill = Backfill.objects.create(
        tenant_id=job.tenant_id,
        job=job,
        revision=job.revision,
        created_by=actor,
        priority=lower_priority(job.priority),
        instants=texts,
        total_count=len(texts),
        **fields,
    )
    if actor is not None:
        verb = "jobs.backfill.created" if backfill.kind == BackfillKind.RANGE else "jobs.backfill.missed_run"
        details = {"count": len(texts), "from": fields["from_at"].isoformat(), "to": fields["to_at"].isoformat()}
        audit.record(verb, actor=actor, target=backfill, summary=f"{job.slug} {backfill}", details=details)
    _step(backfill.pk, dbclock.now())
    backfill.refresh_from_db()
    return backfill


# --- releasing --------------------------------------------------------------------------------------------------------


def release(now: datetime) -> int:
    """Queue the next runs of every active backfill, and end what is done; idempotent. Returns how many were queued."""
    active = Backfill.objects.filter(state=BackfillState.ACTIVE).order_by("pk").values_list("pk", flat=True)
    return sum(_step_quietly(pk, now) for pk in active[:MOST_AT_ONCE])


def _step_quietly(pk: int, now: datetime) -> int:
    """A defect or a lock in one must not hold up the others, nor whoever sweeps; the next sweep tries again."""
    try:
        return _step(pk, now)
    except InterfaceError:
        raise
    except Exception:
        log.exception("A backfill's next runs could not be queued; it is tried again.", extra={"backfill": pk})
        return 0


def _step(pk: int, now: datetime) -> int:
    with transaction.atomic():
        rows = Backfill.objects.filter(pk=pk, state=BackfillState.ACTIVE)
        features = connection.features
        if features.has_select_for_update:
            rows = rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)
        backfill = rows.defer("instants").first()
        if backfill is None:  # ended, or another process is at it
            return 0
        job = Job.objects.select_related("tenant").get(pk=backfill.job_id)
        if job.archived_at is not None:
            _end(backfill, BackfillState.CANCELLED, now)
            return 0
        alive = runs_of(backfill).filter(status__in=ACTIVE).count()
        if backfill.released_count >= backfill.total_count:
            if not alive:
                _end(backfill, BackfillState.DONE, now)
            return 0
        room = window(overlap=job.overlap, overlap_limit=job.overlap_limit, max_parallel=backfill.max_parallel) - alive
        if room <= 0 or not job.tenant.is_active:
            return 0
        return _queue(backfill, job, room, now)


def _queue(backfill: Backfill, job: Job, room: int, now: datetime) -> int:
    first = backfill.released_count
    instants = loaded(backfill.instants[first : first + room])
    job.revision = backfill.revision
    values = row_values(job, backfill.revision, origin=Origin.BACKFILL, now=now) | {
        "backfill": backfill,
        "schedule_id": backfill.schedule_id,
        "requested_by_id": backfill.created_by_id,
        "priority": backfill.priority,
        "claim_order_at": claim_order(now, backfill.priority),
    }
    made = [
        Run(
            **{**values, "scheduled_for": instant},
            dedupe_key=f"backfill:{backfill.pk}:{text}",
            params=_params(backfill, job, instant),
        )
        for instant, text in zip(instants, stored(instants), strict=True)
    ]
    Run.objects.bulk_create(made, ignore_conflicts=True)
    created = Run.objects.filter(dedupe_key__in=[run.dedupe_key for run in made])
    RunEvent.objects.bulk_create(
        [RunEvent(run=run, old="", new=run.status, actor_id=backfill.created_by_id, at=now) for run in created]
    )
    Backfill.objects.filter(pk=backfill.pk).update(released_count=first + len(instants))
    ring_on_commit([run.queue for run in created])
    return len(made)


def _params(backfill: Backfill, job: Job, instant: datetime) -> dict[str, Any]:
    if backfill.kind == BackfillKind.MISSED:
        return default_values(job)
    return values_for(job, backfill.params, instant, backfill.timezone or settings.TIME_ZONE)


def _end(backfill: Backfill, state: BackfillState, now: datetime, **changes: Any) -> None:
    Backfill.objects.filter(pk=backfill.pk).update(state=state, ended_at=now, **changes)


# --- looking and cancelling -------------------------------------------------------------------------------------------


def runs_of(backfill: Backfill) -> QuerySet[Run]:
    """Found by (job, scheduled_for); the column `backfill` has no index of its own."""
    return Run.objects.filter(
        job_id=backfill.job_id,
        backfill=backfill,
        parent=None,
        scheduled_for__gte=backfill.from_at,
        scheduled_for__lte=backfill.to_at,
    )


def progress(backfill: Backfill) -> dict[str, int]:
    """Status → how many of its runs; what is not released yet stands under ""."""
    rows = runs_of(backfill).order_by().values_list("status").annotate(number=Count("pk"))
    counts: dict[str, int] = dict(rows)
    waiting = backfill.total_count - backfill.released_count
    return {**counts, "": waiting} if waiting and backfill.state == BackfillState.ACTIVE else counts


def cancel_backfill(backfill: Backfill, *, actor: User | None, running: bool = False) -> bool:
    """Release nothing more and cancel what is queued; with `running`, what runs too. False: it had ended already."""
    _require(actor, backfill.job)
    now = dbclock.now()
    who = actor.get_username() if actor else ""
    why = (
        say(ReasonCode.BACKFILL_CANCELLED, backfill=backfill.pk, user=who)
        if who
        else say(ReasonCode.BACKFILL_CANCELLED, "backfill_cancelled.nobody", backfill=backfill.pk)
    )
    with transaction.atomic():
        rows = Backfill.objects.filter(pk=backfill.pk, state=BackfillState.ACTIVE)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()  # after the step of a sweep, never in the middle of it
        if not rows.values_list("pk", flat=True).first():
            return False
        _end(backfill, BackfillState.CANCELLED, now, cancelled_by=actor)
        for run in runs_of(backfill).filter(status__in=ACTIVE if running else [RunStatus.QUEUED]).order_by("pk"):
            request_cancel(run, why, now=now, actor=actor)
        if actor is not None:
            audit.record(
                "jobs.backfill.cancelled", actor=actor, target=backfill, summary=f"{backfill.job.slug} {backfill}"
            )
    backfill.refresh_from_db()
    return True
