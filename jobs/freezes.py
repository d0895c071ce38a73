"""Change freezes and the blackouts of jobs and datasources: what is in force, and what is refused because of it.

A freeze switches nothing off. What comes due while it is in force becomes a skipped row that names it, what is queued
waits, a person needs a right to run something all the same. So its end, whenever and however it comes, restores
exactly what was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.permissions import can
from jobs.models import Blackout, Freeze, Job
from jobs.policies import AfterFreeze
from jobs.reasons import Reason
from jobs.scheduling.calendars import FreezeSpan, Window, longest
from jobs.scheduling.closed import frozen_reason
from jobs.states import WaitReason

REMEMBERED = 1.0  # seconds
KEPT = timedelta(days=400)  # an ended freeze matters while a beat may still have to decide about its time


@dataclass(frozen=True)
class _Named:
    """A blackout of jobs: those of one tenant that are named, or use the datasource that is."""

    tenant_id: int
    job_id: int | None
    datasource: str
    window: Window


@dataclass(frozen=True)
class Standing:
    """Freezes and blackouts as they were read."""

    freezes: tuple[FreezeSpan, ...] = ()
    blackouts: tuple[_Named, ...] = ()

    def freezes_of(self, tenant_id: int, job_id: int) -> tuple[FreezeSpan, ...]:
        return tuple(freeze for freeze in self.freezes if freeze.concerns(tenant_id, job_id))

    def windows_of(self, tenant_id: int, job_id: int, datasources: Callable[[], frozenset[str]]) -> tuple[Window, ...]:
        own = [named for named in self.blackouts if named.tenant_id == tenant_id]
        if not own:
            return ()
        used = datasources() if any(named.datasource for named in own) else frozenset()
        return tuple(named.window for named in own if named.job_id == job_id or named.datasource in used)


class MayBeFrozen(Protocol):
    """A run, as far as a freeze must know it."""

    tenant_id: int
    job_id: int
    parent_id: int | None
    despite_freeze: bool


_remembered: tuple[float, Standing] | None = None


def forget() -> None:
    """Read again next time."""
    global _remembered  # noqa: PLW0603 - one small memory per process, at most a second old
    _remembered = None


def standing(*, fresh: bool = False) -> Standing:
    """What is planned or in force, at most a second old."""
    global _remembered  # noqa: PLW0603
    clock = time.monotonic()
    if not fresh and _remembered is not None and clock - _remembered[0] < REMEMBERED:
        return _remembered[1]
    found = Standing(freezes=_freezes(), blackouts=_blackouts())
    _remembered = (clock, found)
    return found


def active_freezes(now: datetime) -> tuple[FreezeSpan, ...]:
    """The freezes in force now, at most a second old: what a claim asks once and hands to `freeze_refusal`."""
    return tuple(freeze for freeze in standing().freezes if freeze.covers(now))


def freeze_refusal(run: MayBeFrozen, active: tuple[FreezeSpan, ...]) -> Reason | None:
    """Why a queued run must not start now; None when it may. A part goes with the whole that has begun already."""
    if not active or run.despite_freeze or run.parent_id is not None:
        return None
    freeze = frozen_by_longest(active, run.tenant_id, run.job_id)
    return frozen_reason(WaitReason.FROZEN, freeze.closure()) if freeze else None


def frozen_by_longest(active: tuple[FreezeSpan, ...], tenant_id: int, job_id: int) -> FreezeSpan | None:
    """Of the freezes that hold this job, the one that lasts longest."""
    held = tuple(freeze for freeze in active if freeze.concerns(tenant_id, job_id))
    return longest(held)


def in_force_for(job: Job, now: datetime) -> FreezeSpan | None:
    """The freeze that holds this job now, read afresh."""
    active = tuple(freeze for freeze in standing(fresh=True).freezes if freeze.covers(now))
    return frozen_by_longest(active, job.tenant_id, job.pk)


def may_override(actor: User | None, job: Job, freeze: FreezeSpan) -> bool:
    """Whether the actor may run the job despite the freeze: one of every tenant only a platform admin (None: may)."""
    if actor is None:
        return True
    owner = None if freeze.tenant_id is None else job.tenant
    return can(actor, "override", Freeze(tenant=owner))


def span_of(freeze: Freeze, exempt: Iterable[int]) -> FreezeSpan:
    return FreezeSpan(
        id=freeze.pk or 0,
        name=freeze.name,
        reason=freeze.reason,
        starts_at=freeze.starts_at,
        ends_at=freeze.over_at,
        tenant_id=freeze.tenant_id,
        catches_up=freeze.after == AfterFreeze.RUN_ONCE,
        exempt=frozenset(exempt),
    )


def window_of(row: Blackout, zone: str) -> Window:
    """The stored blackout as a rule."""
    if row.starts_at is not None and row.ends_at is not None:
        return Window(id=row.pk or 0, name=row.name, starts_at=row.starts_at, ends_at=row.ends_at)
    assert row.start_time is not None  # noqa: S101 - a check constraint
    assert row.end_time is not None  # noqa: S101
    return Window(
        id=row.pk or 0,
        name=row.name,
        weekdays=frozenset(int(digit) for digit in row.weekdays),
        start=row.start_time,
        end=row.end_time,
        timezone=row.timezone or zone,
    )


def _freezes() -> tuple[FreezeSpan, ...]:
    oldest = timezone.now() - KEPT
    rows = list(Freeze.objects.filter(Q(ends_at=None) | Q(ends_at__gt=oldest)).order_by("pk"))
    exempt: dict[int, set[int]] = {}
    if rows:
        through = Freeze.exempt_jobs.through.objects.filter(freeze__in=[row.pk for row in rows])
        for freeze_id, job_id in through.values_list("freeze_id", "job_id"):
            exempt.setdefault(freeze_id, set()).add(job_id)
    return tuple(span_of(row, exempt.get(row.pk, ())) for row in rows)


def _blackouts() -> tuple[_Named, ...]:
    rows = Blackout.objects.exclude(datasource=None, job=None).select_related("datasource").order_by("pk")
    return tuple(
        _Named(
            row.tenant_id,
            row.job_id,
            row.datasource.slug if row.datasource else "",
            window_of(row, settings.TIME_ZONE),
        )
        for row in rows
    )
