"""What one claim decides by: the jobs, tenants and counts behind the runs it has locked, read under their locks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from accounts.models import Tenant
from jobs import queues
from jobs.engine import statements
from jobs.engine.offer import Offer
from jobs.freezes import active_freezes, freeze_refusal
from jobs.models import Job, Queue, Run
from jobs.policies import OverlapPolicy
from jobs.reasons import Reason, say
from jobs.scheduling.calendars import FreezeSpan
from jobs.states import Origin, ReasonCode, WaitReason

JOB_FIELDS = (
    "id", "tenant", "slug", "kind", "is_enabled", "overlap", "overlap_limit", "queue",
    "requires", "needs_driver", "needs_memory", "needs_cpu",
)  # fmt: skip
TENANT_FIELDS = ("id", "slug", "is_active", "running_limit", "timeout_limit", "log_bytes_limit")
RUNNING_BY_JOB = """
SELECT job_id, COUNT(*), MIN(id), SUM(CASE WHEN origin = 'backfill' THEN 1 ELSE 0 END) FROM jobs_run
WHERE status = 'running' AND parent_id IS NULL AND job_id IN """
RUNNING_BY_TENANT = """
SELECT tenant_id, COUNT(*) FROM jobs_run WHERE status = 'running' AND NOT is_container AND tenant_id IN """


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
    frozen: tuple[FreezeSpan, ...]
    running: Counter[int]  # by job, containers and single runs
    first_running: dict[int, int]  # job → the oldest run that is in the way
    backfilled: Counter[int] = field(default_factory=Counter)  # of `running`, those of a backfill
    tenant_running: Counter[int] = field(default_factory=Counter)
    queues: dict[str, Queue] = field(default_factory=dict)  # those with a limit or a pause
    queue_running: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, runs: Sequence[Run], offer: Offer, *, now: datetime, lock: bool = True) -> Scene:
        """Locks the jobs (in one order, so that claims queue up and never lock each other out), then counts."""
        keys = {run.job_id for run in runs}
        ordered = f"WHERE id IN {statements.places(keys)} ORDER BY id"
        jobs = statements.rows(Job, JOB_FIELDS, ordered + (statements.for_update(no_key=True) if lock else ""), [*keys])
        counts = statements.values(RUNNING_BY_JOB + f"{statements.places(keys)} GROUP BY job_id", [*keys])
        tenants = {run.tenant_id for run in runs}
        found = statements.rows(Tenant, TENANT_FIELDS, f"WHERE id IN {statements.places(tenants)}", [*tenants])
        scene = cls(
            now=now,
            offer=offer,
            frozen=active_freezes(now),
            jobs={job.pk: job for job in jobs},
            tenants={tenant.pk: tenant for tenant in found},
            running=Counter({job: count for job, count, _first, _backfilled in counts}),
            first_running={job: first for job, _count, first, _backfilled in counts},
            backfilled=Counter({job: int(backfilled) for job, _count, _first, backfilled in counts}),
        )
        scene._count_limited_tenants(lock=lock)
        scene._count_limited_queues({run.queue for run in runs}, lock=lock)
        return scene

    def judge(self, run: Run) -> Verdict:
        """Whether a due run may start now; from the cheapest rule to the dearest."""
        job, tenant = self.jobs[run.job_id], self.tenants[run.tenant_id]
        if run.parent_id is None and run.origin == Origin.SCHEDULE and not job.is_enabled:
            return Verdict(skip=say(ReasonCode.JOB_DISABLED))
        if not tenant.is_active:
            return Verdict(skip=say(ReasonCode.TENANT_DISABLED))
        held = freeze_refusal(run, self.frozen) or self._queue(run) or self._offer(run, job)
        if held is not None:
            return Verdict(wait=held)
        blocked = self._overlap(run, job) if run.parent_id is None else CLEAR
        if not blocked.is_clear or run.is_container:
            return blocked
        return self._quota(tenant)

    def take(self, run: Run) -> None:
        """Count a run that was just judged clear."""
        if run.parent_id is None:
            self.running[run.job_id] += 1
            self.backfilled[run.job_id] += run.origin == Origin.BACKFILL
            self.first_running.setdefault(run.job_id, run.pk)
        if not run.is_container:
            self.tenant_running[run.tenant_id] += 1
            self.queue_running[run.queue] += 1
            self.offer = self.offer.less(self.jobs[run.job_id])

    def _offer(self, run: Run, job: Job) -> Reason | None:
        """A container takes nothing of a worker: its parts do."""
        return None if run.is_container else self.offer.refusal(job, waited=self.now - run.not_before)

    def _queue(self, run: Run) -> Reason | None:
        """A pause holds everything; a limit counts what executes, which a container does not."""
        running = 0 if run.is_container else self.queue_running[run.queue]
        return queues.refusal(self.queues.get(run.queue), running=running)

    def _overlap(self, run: Run, job: Job) -> Verdict:
        most = job.overlap_limit if job.overlap == OverlapPolicy.ALLOW else 1
        if self.running[job.pk] < most:
            return CLEAR
        in_the_way = self.first_running[job.pk]
        is_first_try = run.tries_used == run.lost_count == 0
        # A backfill's run is of another instant: what is due now waits for it, and goes before the backfill's next.
        is_only_backfill = self.running[job.pk] == self.backfilled[job.pk]
        if (
            job.overlap == OverlapPolicy.SKIP
            and run.origin == Origin.SCHEDULE
            and is_first_try
            and not is_only_backfill
        ):
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
        ordered = f"WHERE id IN {statements.places(limited)} ORDER BY id"
        locked = statements.rows(
            Tenant, TENANT_FIELDS, ordered + (statements.for_update(no_key=True) if lock else ""), limited
        )
        self.tenants |= {tenant.pk: tenant for tenant in locked}
        counts = f"{RUNNING_BY_TENANT}{statements.places(limited)} GROUP BY tenant_id"
        self.tenant_running.update(dict(statements.values(counts, limited)))

    def _count_limited_queues(self, names: set[str], *, lock: bool) -> None:
        """One decision at a time for a queue with a limit, as for a tenant; the other queues cost no question."""
        for name, queue in sorted(queues.limits_of(names).items()):
            row = queues.lock(name) if lock and queue.running_limit is not None else queue
            if row is not None:
                self.queues[name] = row
                self.queue_running[name] = queues.running_count(name) if row.running_limit is not None else 0
