"""What a tick reads of schedules that are due: a few columns, no objects. Their rows stay locked until the commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings
from django.db import connection
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from jobs.models import Job, JobRevision, Run, Schedule
from jobs.policies import CalendarPolicy, OverlapPolicy
from jobs.scheduling.triggers import Trigger, parse_trigger
from jobs.states import ACTIVE, Origin, RunStatus

KEPT_TRIGGERS = 4096  # beat stays small: a rule takes some kilobytes
KEPT_DEFAULTS = 16_384
_NO_ANCHOR = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class DueJob:
    """`blocker` is one of its active runs, where its overlap policy asks; `active` their number, likewise."""

    pk: int
    tenant_id: int
    tenant_is_active: bool
    is_enabled: bool
    archived_at: datetime | None
    revision_id: int | None
    overlap: str
    overlap_limit: int
    queue: str
    priority: int
    fan_out: str
    blocker: int | None = None
    active: int = 0

    @property
    def fires(self) -> bool:
        return self.is_enabled and self.revision_id is not None and self.archived_at is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A schedule whose next fire time has come."""

    pk: int
    job: DueJob
    kind: str
    expression: str
    timezone: str
    misfire: str
    grace: timedelta
    jitter: timedelta
    is_enabled: bool
    anchor_at: datetime
    cursor_at: datetime
    next_fire_at: datetime
    calendar_id: int | None = None
    calendar_policy: str = CalendarPolicy.SKIP


class HasTrigger(Protocol):
    """A schedule's row, or a `Due`."""

    @property
    def kind(self) -> Any: ...
    @property
    def expression(self) -> Any: ...
    @property
    def timezone(self) -> Any: ...
    @property
    def anchor_at(self) -> Any: ...


def trigger_of(schedule: HasTrigger) -> Trigger:
    """The pure rule of a stored schedule; TriggerError when it can't be read."""
    anchor = schedule.anchor_at if schedule.kind == "interval" else None  # equal rules share one trigger
    return _trigger(schedule.kind, schedule.expression, schedule.timezone or settings.TIME_ZONE, anchor)


@lru_cache(maxsize=KEPT_TRIGGERS)
def _trigger(kind: str, expression: str, zone: str, anchor: datetime | None) -> Trigger:
    return parse_trigger(kind, expression, zone, anchor or _NO_ANCHOR)


_SCHEDULE = (
    *("pk", "kind", "expression", "timezone", "misfire", "grace", "jitter", "is_enabled", "anchor_at", "cursor_at"),
    "next_fire_at",
)
_CALENDAR = ("calendar_id", "calendar_policy")
_JOB = ("pk", "tenant_id", "tenant__is_active", "is_enabled", "archived_at", "revision_id")
_JOB_POLICY = ("overlap", "overlap_limit", "queue", "priority", "fan_out")
_JOB_FIELDS = tuple(name.replace("tenant__", "tenant_") for name in (*_JOB, *_JOB_POLICY))


def lock_due(now: datetime, batch: int) -> list[Due]:
    """Up to `batch` schedules due at `now` that no other beat holds, longest due first."""
    rows = Schedule.objects.filter(next_fire_at__lte=now).order_by("next_fire_at")
    features = connection.features
    if features.has_select_for_update:
        rows = rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)
    names = (*_SCHEDULE, *_CALENDAR)
    found = list(rows.values_list("job_id", *names)[:batch])
    jobs = _jobs({row[0] for row in found}, now)
    return [Due(job=jobs[row[0]], **dict(zip(names, row[1:], strict=True))) for row in found]


def _jobs(keys: Collection[int], now: datetime) -> dict[int, DueJob]:
    rows = [
        dict(zip(_JOB_FIELDS, row, strict=True))
        for row in Job.objects.filter(pk__in=keys).order_by().values_list(*_JOB, *_JOB_POLICY)
    ]
    blockers = _blockers([row["pk"] for row in rows if row["overlap"] == OverlapPolicy.SKIP], now)
    active = _active([row["pk"] for row in rows if row["overlap"] == OverlapPolicy.QUEUE], now)
    return {row["pk"]: DueJob(**row, blocker=blockers.get(row["pk"]), active=active.get(row["pk"], 0)) for row in rows}


def _blockers(keys: Sequence[int], now: datetime) -> dict[int, int | None]:
    """One active run of each job, a running one if there is: one look into the index each, however many there are.

    A backfill's runs are of other instants and go behind: they are in nobody's way.
    """
    if not keys:
        return {}
    runs = _in_the_way(now).filter(job=OuterRef("pk"))
    running = Subquery(runs.filter(status=RunStatus.RUNNING).values("pk")[:1])
    queued = Subquery(runs.filter(status=RunStatus.QUEUED).values("pk")[:1])
    jobs = Job.objects.filter(pk__in=keys).order_by().annotate(blocker=Coalesce(running, queued))
    return dict(jobs.values_list("pk", "blocker"))


def _active(keys: Sequence[int], now: datetime) -> dict[int, int]:
    if not keys:
        return {}
    rows = _in_the_way(now).filter(job_id__in=keys, status__in=ACTIVE)
    return dict(rows.values("job_id").annotate(count=Count("pk")).values_list("job_id", "count"))


def _in_the_way(now: datetime) -> QuerySet[Run]:
    """Without what a calendar has moved to a later day: until then it is in nobody's way."""
    runs = Run.objects.filter(parent__isnull=True).exclude(origin=Origin.BACKFILL).order_by()
    return runs.exclude(status=RunStatus.QUEUED, not_before__gt=now, schedule__calendar_policy=CalendarPolicy.RUN_AFTER)


_defaults: dict[int, dict[str, Any]] = {}  # by revision, which never changes


def default_params(revision_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The parameter values of a scheduled run of each revision: the default of each that has one."""
    wanted = set(revision_ids)
    missing = wanted - _defaults.keys()
    if missing:
        if len(_defaults) + len(missing) > KEPT_DEFAULTS:
            _defaults.clear()
            missing = wanted
        rows = JobRevision.objects.filter(pk__in=missing).order_by().values_list("pk", "definition__run_params")
        for pk, run_params in rows:
            _defaults[pk] = {row["name"]: row["default"] for row in run_params or [] if row.get("default") is not None}
    return {pk: _defaults[pk] for pk in wanted}


def forget() -> None:
    """Empty the caches (tests use the same ids again)."""
    _defaults.clear()
    _trigger.cache_clear()
