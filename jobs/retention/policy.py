"""How long a job's runs and logs are kept: the job's own word, else its tenant's, else the settings'."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from jobs.models import Job


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Days since the end; `runs` of the newest are kept whatever their age, with their logs."""

    run_days: int
    log_days: int
    runs: int = 1

    def runs_until(self, now: datetime) -> datetime:
        """Runs that ended before this may go."""
        return now - timedelta(days=self.run_days)

    def logs_until(self, now: datetime) -> datetime:
        """Logs of attempts that ended before this may go."""
        return now - timedelta(days=self.log_days)


@dataclass(frozen=True, kw_only=True)
class KeptJob:
    """A job as the pruner needs it."""

    pk: int
    tenant_id: int
    slug: str
    keep: Keep


def keep_for(job: Job) -> Keep:
    return _resolve(job.run_days or job.tenant.run_days, job.log_days or job.tenant.log_days, job.keep_runs)


def keeps_of_jobs(jobs: QuerySet[Job]) -> dict[int, KeptJob]:
    """Job id → how long its history is kept; deleted jobs have a history too."""
    names = ("pk", "tenant_id", "slug", "run_days", "log_days", "keep_runs", "tenant__run_days", "tenant__log_days")
    return {row[0]: _kept(*row) for row in jobs.order_by("pk").values_list(*names)}


def _kept(pk: int, tenant_id: int, slug: str, *values: Any) -> KeptJob:
    run_days, log_days, runs, tenant_run_days, tenant_log_days = values
    keep = _resolve(run_days or tenant_run_days, log_days or tenant_log_days, runs)
    return KeptJob(pk=pk, tenant_id=tenant_id, slug=slug, keep=keep)


def _resolve(run_days: int | None, log_days: int | None, runs: int) -> Keep:
    """A log goes with its run at the latest."""
    days = run_days or settings.PORTAL_RUN_DAYS
    return Keep(run_days=days, log_days=min(log_days or settings.PORTAL_LOG_DAYS, days), runs=max(runs, 1))
