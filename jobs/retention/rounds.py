"""One round of the pruner: count the logs, delete old logs, then logs over quota, then old runs, then the sweepings.

One pruner at a time holds the lease in `Pruning`; a second one leaves at once. Every step is idempotent and bounded in
memory, so a round may stop anywhere and the next one goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db.models import Q

from accounts import audit
from accounts.models import Tenant, User
from jobs import dbclock
from jobs.models import Job, Pruning
from jobs.retention import ages, leftovers, quota
from jobs.retention.policy import keeps_of_jobs

log = logging.getLogger(__name__)
LEASE = timedelta(minutes=5)
RENEW_SECONDS = 30.0
EVERY = timedelta(hours=1)
TEND_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a round may touch (None: everything) and how long it may take; `pause` is between transactions."""

    tenant_id: int | None = None
    job_id: int | None = None
    seconds: float | None = None
    pause: float = 0.02
    should_stop: Callable[[], bool] = lambda: False


@dataclass(kw_only=True)
class Report:
    """What a round deleted, or would delete. `is_complete`: nothing that may go was left because of time."""

    runs: int = 0
    logs: int = 0
    log_bytes: int = 0
    quota_logs: int = 0
    nodes: int = 0
    sessions: int = 0
    is_complete: bool = True
    tenants: dict[int, dict[str, int]] = field(default_factory=dict)

    def add(self, tenant_id: int, **counts: int) -> None:
        own = self.tenants.setdefault(tenant_id, {})
        for name, number in counts.items():
            own[name] = own.get(name, 0) + number
            setattr(self, name, getattr(self, name) + number)

    def plain(self) -> dict[str, Any]:
        names = ("runs", "logs", "log_bytes", "quota_logs", "nodes", "sessions", "is_complete")
        return {name: getattr(self, name) for name in names}


class Stopped(Exception):
    """The round was told to stop, ran out of time, or lost its lease."""


class Lease:
    """Held from `take` to `release`; `breathe` renews it, pauses, and stops the round when it is to stop."""

    def __init__(self, limits: Limits) -> None:
        self.owner = str(uuid4())
        self._limits = limits
        self._ends = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._renew_at = 0.0

    def take(self) -> bool:
        now = dbclock.now()
        Pruning.objects.get_or_create(name=Pruning.NAME)
        free = Q(busy_until=None) | Q(busy_until__lt=now)
        taken = Pruning.objects.filter(free, name=Pruning.NAME).update(
            owner=self.owner, busy_until=now + LEASE, started_at=now
        )
        self._renew_at = time.monotonic() + RENEW_SECONDS
        return bool(taken)

    def breathe(self) -> None:
        if self._limits.should_stop() or (self._ends is not None and time.monotonic() >= self._ends):
            raise Stopped
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + RENEW_SECONDS
            if not self._ours().update(busy_until=dbclock.now() + LEASE):
                raise Stopped
        time.sleep(self._limits.pause)

    def release(self, **facts: Any) -> None:
        self._ours().update(owner="", busy_until=None, ended_at=dbclock.now(), **facts)

    def _ours(self) -> Any:
        return Pruning.objects.filter(name=Pruning.NAME, owner=self.owner)


def prune(limits: Limits | None = None, *, actor: User | None = None) -> Report | None:
    """One round; None when another pruner is at work. What it did stands in `Pruning` and in the audit trail."""
    limits = limits or Limits()
    lease = Lease(limits)
    if not lease.take():
        return None
    report, error = Report(), ""
    try:
        _round(limits, report, lease.breathe)
    except Stopped:
        report.is_complete = False
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"[:500]
        raise
    finally:
        lease.release(report=report.plain(), error=error)
        _record(report, actor)
    return report


def _round(limits: Limits, report: Report, breathe: Callable[[], None]) -> None:
    now = dbclock.now()
    jobs = keeps_of_jobs(_chosen(limits))
    quota.count_usage(now)
    ages.prune_logs(jobs, report, now=now, breathe=breathe)
    quota.prune_over_quota(report, tenant_id=limits.tenant_id, now=now, breathe=breathe)
    ages.prune_runs(jobs, report, now=now, breathe=breathe)
    if limits.tenant_id is None and limits.job_id is None:
        leftovers.sweep(report, now=now, breathe=breathe)


def would_delete(limits: Limits | None = None) -> Report:
    """What a whole round would delete by age now; it changes nothing."""
    report = Report()
    now = dbclock.now()
    jobs = keeps_of_jobs(_chosen(limits or Limits()))
    for tenant_id, counts in ages.expected(jobs, now=now):
        report.add(tenant_id, **counts)
    return report


def _chosen(limits: Limits) -> Any:
    jobs = Job.objects.all()
    if limits.tenant_id is not None:
        jobs = jobs.filter(tenant_id=limits.tenant_id)
    return jobs.filter(pk=limits.job_id) if limits.job_id is not None else jobs


def _record(report: Report, actor: User | None) -> None:
    """An audit entry for each tenant that lost something."""
    for tenant in Tenant.objects.filter(pk__in=[pk for pk, counts in report.tenants.items() if any(counts.values())]):
        counts = report.tenants[tenant.pk]
        words = f"{counts.get('runs', 0)} runs, {counts.get('logs', 0) + counts.get('quota_logs', 0)} logs"
        audit.record("jobs.history.pruned", actor=actor, tenant=tenant, summary=words, details=counts)
    if report.tenants:
        log.info("History was pruned.", extra=report.plain())


def tend(*, should_stop: Callable[[], bool] = lambda: False) -> int:
    """What beat asks for every few minutes: count the logs, and when a round is due, prune for a bounded time.

    A tenant that has outgrown its quota doesn't wait for the hour. Returns how many runs and logs went.
    """
    now = dbclock.now()
    if not is_due(now, every=EVERY):
        quota.count_usage(now)
        if not quota.tenants_over(now):
            return 0
    report = prune(Limits(seconds=TEND_SECONDS, should_stop=should_stop))
    return report.runs + report.logs + report.quota_logs if report else 0


def latest_report() -> Pruning | None:
    return Pruning.objects.filter(name=Pruning.NAME).first()


def is_due(now: datetime, *, every: timedelta) -> bool:
    """Whether the last whole round ended longer ago than `every`, or was not whole."""
    last = latest_report()
    if last is None or last.ended_at is None or not last.report.get("is_complete", False):
        return True
    return last.ended_at + every <= now
