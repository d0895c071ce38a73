"""What one claim decides by: the jobs, tenants and counts behind the runs it has locked, read under their locks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Count, Min

from accounts.models import Tenant
from jobs.engine.offer import Offer
from jobs.models import Job, Run
from jobs.policies import OverlapPolicy
from jobs.reasons import Reason, say
from jobs.states import Origin, ReasonCode, RunStatus, WaitReason

JOB_FIELDS = ("tenant", "slug", "kind", "is_enabled", "overlap", "overlap_limit", "queue")
NEEDS = ("requires", "needs_driver", "needs_memory", "needs_cpu")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`wait`: not now, with a WaitReason as its code. `skip`: never, with a ReasonCode. Neither: it may start."""

    wait: Reason | None = None
    skip: Reason | None = None

    @property
    def is_clear(self) -> bool:
        return self.wait is None and self.skip is None


CLEAR = Verdict()


@dataclass(kw_only=True)
class Scene:
    """Counts grow as runs are taken, so one claim may take many."""

    now: datetime
    offer: Offer
    jobs: dict[int, Job]
    tenants: dict[int, Tenant]
    running: Counter[int]  # by job, containers and single runs
    first_running: dict[int, int]  # job → the oldest run that is in the way
    tenant_running: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, runs: Sequence[Run], offer: Offer, *, now: datetime, lock: bool = True) -> Scene:
        """Locks the jobs (in one order, so that claims queue up and never lock each other out), then counts."""
        rows = Job.objects.filter(pk__in={run.job_id for run in runs}).order_by("pk")
        if lock and connection.features.has_select_for_update:
            rows = rows.select_for_update(no_key=connection.features.has_select_for_no_key_update)
        jobs = {job.pk: job for job in rows.only(*JOB_FIELDS, *NEEDS)}
        whole = Run.objects.filter(job__in=jobs, status=RunStatus.RUNNING, parent=None).order_by().values("job")
        counts = list(whole.annotate(count=Count("pk"), first=Min("pk")))
        tenants = {tenant.pk: tenant for tenant in Tenant.objects.filter(pk__in={run.tenant_id for run in runs})}
        scene = cls(
            now=now,
            offer=offer,
            jobs=jobs,
            tenants=tenants,
            running=Counter({row["job"]: row["count"] for row in counts}),
            first_running={row["job"]: row["first"] for row in counts},
        )
        scene._count_limited_tenants(lock=lock)
        return scene

    def judge(self, run: Run) -> Verdict:
        """Whether a due run may start now; from the cheapest rule to the dearest."""
        job, tenant = self.jobs[run.job_id], self.tenants[run.tenant_id]
        if run.parent_id is None and run.origin == Origin.SCHEDULE and not job.is_enabled:
            return Verdict(skip=say(ReasonCode.JOB_DISABLED))
        if not tenant.is_active:
            return Verdict(skip=say(ReasonCode.TENANT_DISABLED))
        if not run.is_container:
            refusal = self.offer.refusal(job, waited=self.now - run.not_before)
            if refusal is not None:
                return Verdict(wait=refusal)
        blocked = self._overlap(run, job) if run.parent_id is None else CLEAR
        if not blocked.is_clear or run.is_container:
            return blocked
        return self._quota(tenant)

    def take(self, run: Run) -> None:
        """Count a run that was just judged clear."""
        if run.parent_id is None:
            self.running[run.job_id] += 1
            self.first_running.setdefault(run.job_id, run.pk)
        if not run.is_container:
            self.tenant_running[run.tenant_id] += 1
            self.offer = self.offer.less(self.jobs[run.job_id])

    def _overlap(self, run: Run, job: Job) -> Verdict:
        most = job.overlap_limit if job.overlap == OverlapPolicy.ALLOW else 1
        if self.running[job.pk] < most:
            return CLEAR
        in_the_way = self.first_running[job.pk]
        is_first_try = run.tries_used == run.lost_count == 0
        if job.overlap == OverlapPolicy.SKIP and run.origin == Origin.SCHEDULE and is_first_try:
            return Verdict(skip=say(ReasonCode.OVERLAP, run=in_the_way))
        return Verdict(wait=say(WaitReason.OVERLAP, run=in_the_way))

    def _quota(self, tenant: Tenant) -> Verdict:
        limit = tenant.running_limit
        if limit is None or self.tenant_running[tenant.pk] < limit:
            return CLEAR
        return Verdict(wait=say(WaitReason.TENANT_QUOTA, count=self.tenant_running[tenant.pk], limit=limit))

    def _count_limited_tenants(self, *, lock: bool) -> None:
        """One decision at a time for a tenant with a limit: its row is locked, then its runs are counted."""
        limited = sorted(key for key, tenant in self.tenants.items() if tenant.running_limit is not None)
        if not limited:
            return
        rows = Tenant.objects.filter(pk__in=limited).order_by("pk")
        if lock and connection.features.has_select_for_update:
            rows = rows.select_for_update(no_key=connection.features.has_select_for_no_key_update)
        self.tenants |= {tenant.pk: tenant for tenant in rows}
        runs = Run.objects.filter(tenant__in=limited, status=RunStatus.RUNNING, is_container=False)
        for row in runs.order_by().values("tenant").annotate(count=Count("pk")):
            self.tenant_running[row["tenant"]] = row["count"]
