"""What the checks look at, read in a bounded number of queries whatever the size of the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from accounts.models import Tenant
from jobs import dbclock, freezes, nodes, queues
from jobs.engine.offer import Offer
from jobs.engine.published import retry_rule_of
from jobs.models import Attempt, BeatHeartbeat, Job, Outage, Queue, Run, RunEvent, WorkerNode
from jobs.policies import OverlapPolicy, RetryPolicy
from jobs.queries.overview import BEAT_SILENT_AFTER
from jobs.reasons import Reason
from jobs.states import RunStatus, WaitReason

MOST_ATTEMPTS = 60
MOST_WORKERS = 200
MOST_AHEAD = 1000
MOST_IN_THE_WAY = 5
MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """The state of the platform, as one queue sees it. `last_worker` is the newest one that served the queue."""

    now: datetime
    queue: str
    workers: tuple[WorkerNode, ...] = ()  # live ones that serve the queue
    last_worker: WorkerNode | None = None
    beat_seen_at: datetime | None = None
    row: Queue | None = None
    queue_running: int = 0
    outages: tuple[Outage, ...] = ()  # that have not ended

    @property
    def is_beat_silent(self) -> bool:
        return self.beat_seen_at is None or self.now - self.beat_seen_at > BEAT_SILENT_AFTER

    @property
    def takers(self) -> tuple[WorkerNode, ...]:
        """The live workers that still take runs."""
        return tuple(node for node in self.workers if not node.is_draining and node.drain_requested_at is None)

    def open_outage(self, subject: str) -> Outage | None:
        return next((outage for outage in self.outages if outage.subject == subject), None)


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """One run and all that decides about it."""

    now: datetime
    run: Run
    job: Job
    tenant: Tenant
    attempts: tuple[Attempt, ...] = ()  # oldest first; of very many, the last ones
    events: tuple[RunEvent, ...] = ()
    retry: RetryPolicy
    is_idempotent: bool = True
    in_the_way: tuple[int, ...] = ()  # running runs of the job, oldest first
    running_count: int = 0
    tenant_running: int = 0
    ahead: int = 0
    machinery: Machinery
    frozen: Reason | None = None  # the freeze that holds it now
    parts: dict[str, int] = field(default_factory=dict)  # of a container: status → how many

    @property
    def running_limit(self) -> int:
        """How many runs of the job may run at once."""
        return self.job.overlap_limit if self.job.overlap == OverlapPolicy.ALLOW else 1


def run_facts(run: Run) -> RunFacts:
    """Everything about a run; a queued one costs more, because everything may hold it back."""
    now = dbclock.now()
    retry, is_idempotent = retry_rule_of(run)
    attempts = list(run.attempts.order_by("-number")[:MOST_ATTEMPTS])
    waits = run.status == RunStatus.QUEUED
    others = Run.objects.filter(job=run.job_id, status=RunStatus.RUNNING, parent=None).exclude(pk=run.pk)
    in_the_way = list(others.order_by("pk").values_list("pk", flat=True)[: MOST_AHEAD + 1]) if waits else []
    return RunFacts(
        now=now,
        run=run,
        job=run.job,
        tenant=run.tenant,
        attempts=tuple(reversed(attempts)),
        events=tuple(run.events.select_related("actor").order_by("id")[: 3 * MOST_ATTEMPTS]),
        retry=retry,
        is_idempotent=is_idempotent,
        in_the_way=tuple(in_the_way[:MOST_IN_THE_WAY]),
        running_count=len(in_the_way),
        tenant_running=_tenant_running(run.tenant) if waits else 0,
        ahead=_ahead(run, now) if waits else 0,
        machinery=machinery(run.queue, now=now) if waits else Machinery(now=now, queue=run.queue),
        frozen=freezes.freeze_refusal(run, freezes.active_freezes(now)) if waits else None,
        parts=_parts(run),
    )


def machinery(queue: str, *, now: datetime) -> Machinery:
    """Five small queries."""
    newest = list(WorkerNode.objects.defer("history").order_by("-last_seen_at")[:MOST_WORKERS])
    serving = [node for node in newest if queue in node.queues]
    live = [node for node in serving if nodes.is_alive(node, now=now)]
    row = Queue.objects.filter(name=queue).first()
    has_limit = row is not None and row.running_limit is not None
    return Machinery(
        now=now,
        queue=queue,
        workers=tuple(live),
        last_worker=serving[0] if serving else None,
        beat_seen_at=BeatHeartbeat.objects.order_by("-last_seen_at").values_list("last_seen_at", flat=True).first(),
        row=row,
        queue_running=queues.running_count(queue) if has_limit else 0,
        outages=tuple(Outage.objects.filter(ended_at=None).order_by("began_at")[:20]),
    )


def offer_of(node: WorkerNode) -> Offer:
    """What a worker's own row says it offers; the memory and cores it has promised away are not in it."""
    gate = None
    if node.gate_reason or node.gate_reason_args:
        args = {name: value for name, value in node.gate_reason_args.items() if name != "key"}
        key = str(node.gate_reason_args.get("key", ""))
        gate = Reason(code=WaitReason.NODE_BUSY, key=key, args=args, words=node.gate_reason)
    return Offer(
        slot=node.slot,
        name=node.name,
        kinds=frozenset(node.capabilities),
        capabilities=frozenset(node.capabilities),
        total_memory=node.memory_bytes // MIB or None,
        total_cpu=node.cpu_count or None,
        running=node.running_count,
        gate=gate,
    )


def _tenant_running(tenant: Tenant) -> int:
    if tenant.running_limit is None:
        return 0
    return Run.objects.filter(tenant=tenant, status=RunStatus.RUNNING, is_container=False).count()


def _ahead(run: Run, now: datetime) -> int:
    """How many due runs of the queue the claim looks at first; at most MOST_AHEAD + 1."""
    due = Run.objects.filter(queue=run.queue, status=RunStatus.QUEUED, not_before__lte=now)
    first = due.filter(claim_order_at__lt=run.claim_order_at).exclude(pk=run.pk)
    return first.order_by()[: MOST_AHEAD + 1].count()


def _parts(run: Run) -> dict[str, int]:
    if not run.is_container:
        return {}
    counts: dict[str, int] = {}
    for status in run.parts.values_list("status", flat=True)[:10_000]:
        counts[status] = counts.get(status, 0) + 1
    return counts
