"""Deleting by age: each job's history by its own rule, the newest runs of a job never."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, Subquery

from jobs.models import Attempt, Job, Run
from jobs.retention import logs, rows
from jobs.retention.horizon import SLACK, id_before
from jobs.retention.policy import KeptJob
from jobs.states import LogDeletion

if TYPE_CHECKING:
    from jobs.retention.rounds import Report

JOBS_AT_ONCE = 500
Jobs = Mapping[int, KeptJob]


class Floors:
    """The id of a job's `keep.runs`-th newest run: it and what is newer stays. Asked once per job."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._known: dict[int, int] = {}

    def of(self, job_id: int) -> int:
        """0 when the job has no more runs than it keeps."""
        if job_id not in self._known:
            self._known[job_id] = newest_kept(job_id, self._jobs[job_id].keep.runs)
        return self._known[job_id]


def newest_kept(job_id: int, count: int) -> int:
    newest = Run.objects.filter(job=job_id, parent=None).order_by("-id").values_list("pk", flat=True)
    return next(iter(newest[count - 1 : count]), 0)


def prune_logs(jobs: Jobs, report: Report, *, now: datetime, breathe: Callable[[], None]) -> None:
    for expired in _expired_logs(jobs, now=now):
        _delete_logs(expired, report, now=now, breathe=breathe)


def _delete_logs(
    found: list[logs.LoggedAttempt], report: Report, *, now: datetime, breathe: Callable[[], None]
) -> None:
    for deleted in logs.delete_logs(found, why=LogDeletion.AGE, now=now):
        for attempt in deleted:
            report.add(attempt.tenant_id, logs=1, log_bytes=attempt.log_bytes)
        breathe()


def _expired_logs(jobs: Jobs, *, now: datetime) -> Iterator[list[logs.LoggedAttempt]]:
    if not jobs:
        return
    floors = Floors(jobs)
    newest_cut = max(job.keep.logs_until(now) for job in jobs.values())
    for batch in logs.logged_attempts(before_id=id_before(Attempt, "started_at", newest_cut + SLACK)):
        expired = [
            one
            for one in batch
            if one.job_id in jobs
            and one.ended_at < jobs[one.job_id].keep.logs_until(now)
            and one.run_id < floors.of(one.job_id)
        ]
        if expired:
            yield expired


def prune_runs(jobs: Jobs, report: Report, *, now: datetime, breathe: Callable[[], None]) -> None:
    """Logs first, then parts, then the runs themselves."""
    for job, ids in _expired_runs(jobs, now=now):
        breathe()
        for parts in rows.parts_of(ids):
            report.add(job.tenant_id, runs=_delete(parts, report, now=now, breathe=breathe))
        report.add(job.tenant_id, runs=_delete(ids, report, now=now, breathe=breathe))


def _delete(ids: list[int], report: Report, *, now: datetime, breathe: Callable[[], None]) -> int:
    attempts = iter(logs.read(Attempt.objects.filter(run__in=ids, log_deleted_at=None, log_bytes__gt=0)))
    while batch := list(islice(attempts, logs.BATCH)):
        _delete_logs(batch, report, now=now, breathe=breathe)
    return rows.delete_runs(ids)


def _expired_runs(jobs: Jobs, *, now: datetime) -> Iterator[tuple[KeptJob, list[int]]]:
    """Batches of ids, job by job, oldest first; only jobs whose oldest run is old are looked at closely."""
    bounds: dict[int, int] = {}
    for job, oldest in _oldest_runs(jobs):
        days = job.keep.run_days
        if days not in bounds:
            bounds[days] = id_before(Run, "created_at", job.keep.runs_until(now) + SLACK)
        if oldest < bounds[days]:
            yield from _expired_of(job, below=bounds[days], now=now)


def _oldest_runs(jobs: Jobs) -> Iterator[tuple[KeptJob, int]]:
    oldest = Run.objects.filter(job=OuterRef("pk")).order_by("id").values("id")[:1]
    ids = sorted(jobs)
    for start in range(0, len(ids), JOBS_AT_ONCE):
        found = Job.objects.filter(pk__in=ids[start : start + JOBS_AT_ONCE]).order_by("pk")
        for pk, run in found.values_list("pk", Subquery(oldest)):
            if run is not None:
                yield jobs[pk], run


def _expired_of(job: KeptJob, *, below: int, now: datetime) -> Iterator[tuple[KeptJob, list[int]]]:
    below = min(below, newest_kept(job.pk, job.keep.runs))
    after = 0
    while True:
        ids = list(expired_ids(job, after=after, below=below, now=now)[: rows.BATCH])
        if not ids:
            return
        after = ids[-1]
        yield job, ids


def expired_ids(job: KeptJob, *, after: int, below: int, now: datetime) -> Any:
    """Oldest first, by the index (job, id): never more of it is read than has expired."""
    old = Run.objects.filter(job=job.pk, pk__gt=after, pk__lt=below, ended_at__lt=job.keep.runs_until(now))
    return rows.prunable(old).order_by("pk").values_list("pk", flat=True)


def expected(jobs: Jobs, *, now: datetime) -> Iterator[tuple[int, dict[str, int]]]:
    """(tenant, counts) of what a round would delete; parts count as runs."""
    for batch in _expired_logs(jobs, now=now):
        for one in batch:
            yield one.tenant_id, {"logs": 1, "log_bytes": one.log_bytes}
    for job, ids in _expired_runs(jobs, now=now):
        yield job.tenant_id, {"runs": len(ids) + sum(len(parts) for parts in rows.parts_of(ids))}
