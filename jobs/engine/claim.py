"""The claim: which queued run this worker executes next. Overlap and quotas are decided here, for the whole cluster.

One transaction looks at one run: it locks the run (SKIP LOCKED: no two claims look at the same one), then its job,
and waits for that lock, so that two claims on runs of one job never decide at the same moment. It holds one job at
most, so claims can't lock each other out. On SQLite the transaction itself is exclusive.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import Tenant
from jobs import dbclock
from jobs.models import Attempt, Job, Run, RunEvent, WorkerNode
from jobs.policies import OverlapPolicy
from jobs.runs import move
from jobs.states import AttemptStatus, Origin, ReasonCode, RunStatus, WaitReason

log = logging.getLogger(__name__)
MOST_LOOKS = 200  # blocked runs passed over by one claim; the sweep rings again for what is behind them


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A run this worker holds, with the attempt that will execute it. `boot` is when the claim began (boot clock)."""

    run: Run
    attempt: Attempt
    boot: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Why a candidate can't be claimed now; `skip` means it never will and ends as skipped."""

    wait: str = WaitReason.NONE
    skip: str = ReasonCode.NONE
    reason: str = ""

    @property
    def is_clear(self) -> bool:
        return not self.wait and not self.skip


CLEAR = Verdict()


@dataclass(kw_only=True)
class _PassedOver:
    """What one claim has found blocked: whole jobs and tenants at once, so that many waiting runs cost one look."""

    runs: set[int] = field(default_factory=set)
    jobs: set[int] = field(default_factory=set)
    tenants: set[int] = field(default_factory=set)

    def add(self, run: Run, verdict: Verdict) -> None:
        if verdict.wait in (WaitReason.OVERLAP, WaitReason.NO_CAPABLE_WORKER):
            self.jobs.add(run.job_id)
        elif verdict.wait == WaitReason.TENANT_QUOTA:
            self.tenants.add(run.tenant_id)
        else:
            self.runs.add(run.pk)


def claim(node: WorkerNode, queue: str, *, kinds: Collection[str], lease: timedelta) -> Claimed | None:
    """The next eligible run of the queue, moved to running with a fresh token and attempt; None when there is none."""
    passed = _PassedOver()
    for _look in range(MOST_LOOKS):
        boot = dbclock.boot_seconds()
        try:
            with transaction.atomic():
                run = _next(queue, passed)
                if run is None:
                    return None
                verdict = judge(run, kinds=kinds)
                now = dbclock.now()
                if verdict.is_clear:
                    return Claimed(run=run, attempt=_take(run, node, now=now, lease=lease), boot=boot)
                _pass_over(run, verdict, now=now)
                passed.add(run, verdict)
        except OperationalError as error:
            if not is_deadlock(error):
                raise
            log.info("A claim gave way to another transaction and looks again.")
    return None


def is_deadlock(error: OperationalError) -> bool:
    """Whether the database ended this transaction in favour of another: 40P01 (PostgreSQL), 1213 or 1205 (MariaDB)."""
    cause = error.__cause__
    return getattr(cause, "pgcode", None) == "40P01" or (bool(error.args) and error.args[0] in (1213, 1205))


def _next(queue: str, passed: _PassedOver) -> Run | None:
    """The first due run nobody else looks at, locked together with its job."""
    rows = Run.objects.filter(queue=queue, status=RunStatus.QUEUED, not_before__lte=dbclock.now())
    for name, keys in (("pk", passed.runs), ("job", passed.jobs), ("tenant", passed.tenants)):
        if keys:
            rows = rows.exclude(**{f"{name}__in": keys})
    rows = rows.order_by("claim_order_at", "pk")
    jobs = Job.objects.all()
    features = connection.features
    if features.has_select_for_update:
        rows = rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)
        jobs = jobs.select_for_update(no_key=features.has_select_for_no_key_update)
    run = rows.first()
    if run is not None:
        run.job = jobs.get(pk=run.job_id)
    return run


def judge(run: Run, *, kinds: Collection[str]) -> Verdict:
    """Whether a due run may start now; checked from the cheapest rule to the dearest."""
    job = run.job
    if run.origin == Origin.SCHEDULE and not job.is_enabled:
        return Verdict(skip=ReasonCode.JOB_DISABLED, reason=_("The job was disabled before the run could start."))
    if job.kind not in kinds:
        words = _("The worker that looked at it can't run jobs of kind “%(kind)s”.") % {"kind": job.kind}
        return Verdict(wait=WaitReason.NO_CAPABLE_WORKER, reason=words)
    blocked = _overlap(run, job)
    return blocked if not blocked.is_clear else _quota(run)


def _overlap(run: Run, job: Job) -> Verdict:
    most = job.overlap_limit if job.overlap == OverlapPolicy.ALLOW else 1
    running = list(
        Run.objects.filter(job=job, status=RunStatus.RUNNING).order_by("pk").values_list("pk", flat=True)[:most]
    )
    if len(running) < most:
        return CLEAR
    words = _("Run #%(run)s of this job has not ended.") % {"run": running[0]}
    if job.overlap == OverlapPolicy.SKIP and run.origin == Origin.SCHEDULE and run.tries_used == run.lost_count == 0:
        return Verdict(skip=ReasonCode.OVERLAP, reason=words)
    return Verdict(wait=WaitReason.OVERLAP, reason=words)


def _quota(run: Run) -> Verdict:
    tenants = Tenant.objects.filter(pk=run.tenant_id)
    tenant = tenants.get()
    if not tenant.is_active:
        return Verdict(skip=ReasonCode.TENANT_DISABLED, reason=_("The tenant was disabled before the run could start."))
    if tenant.running_limit is None:
        return CLEAR
    if connection.features.has_select_for_update:
        tenants.select_for_update().get()  # one decision at a time for a tenant with a limit
    running = Run.objects.filter(tenant=tenant, status=RunStatus.RUNNING).count()
    if running < tenant.running_limit:
        return CLEAR
    words = _("The tenant already runs %(count)s of at most %(limit)s runs.")
    return Verdict(wait=WaitReason.TENANT_QUOTA, reason=words % {"count": running, "limit": tenant.running_limit})


def _pass_over(run: Run, verdict: Verdict, *, now: datetime) -> None:
    if verdict.skip:
        move(run, RunStatus.SKIPPED, now=now, reason_code=verdict.skip, reason=verdict.reason)
    elif (run.wait_reason, run.reason) != (verdict.wait, verdict.reason):
        Run.objects.filter(pk=run.pk, status=RunStatus.QUEUED).update(wait_reason=verdict.wait, reason=verdict.reason)


def _take(run: Run, node: WorkerNode, *, now: datetime, lease: timedelta) -> Attempt:
    """Running, with token + 1: from here on a write with an older token changes nothing."""
    token = run.token + 1
    number = run.tries_used + run.lost_count + run.released_count + 1
    first = {} if run.started_at else {"started_at": now}
    Run.objects.filter(pk=run.pk, status=RunStatus.QUEUED).update(
        status=RunStatus.RUNNING,
        token=F("token") + 1,
        lease_until=now + lease,
        worker=node,
        wait_reason=WaitReason.NONE,
        reason="",
        reason_code="",
        **first,
    )
    RunEvent.objects.create(run=run, old=RunStatus.QUEUED, new=RunStatus.RUNNING, at=now)
    run.status, run.token, run.worker, run.lease_until = RunStatus.RUNNING, token, node, now + lease
    run.started_at = run.started_at or now
    return Attempt.objects.create(
        run=run,
        number=number,
        token=token,
        worker=node,
        worker_name=node.name,
        status=AttemptStatus.RUNNING,
        started_at=now,
    )
