"""A claim with 100,000 runs queued, beside one with 1,000."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from django.db import connection

from bench.figure import Figure
from bench.place import Place, quantile
from bench.rows import add_job, add_runs, clear_schedules
from jobs import dbclock
from jobs.engine.claim import claim
from jobs.engine.offer import Offer
from jobs.models import WorkerNode

ORDER = 4
JOBS = 20


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """One run at a time, each claim by itself; what is claimed stays running, as on a busy cluster."""
    sizes, claims = ((100, 500), 20) if quick else ((1_000, 100_000), 400)
    taken = {size: _claims(size, claims) for size in sizes}
    small, large = sizes
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(
            name=f"claim with {large:,} queued, {name}",
            value=quantile(taken[large], share) * 1000,
            unit="ms",
            baseline=f"with {small:,} queued",
            baseline_value=quantile(taken[small], share) * 1000,
            target=20.0 if name == "p99" else None,
            better="lower",
        )


def _claims(size: int, count: int) -> list[float]:
    for number in range(JOBS):
        job = add_job(f"claim-{size}-{number}", "/bin/true", overlap="allow", overlap_limit=1000)
        add_runs(job, size // JOBS)
    _analyse()
    now = dbclock.now()
    node = WorkerNode.objects.create(
        name="bench", slot="bench", host="bench", pid=1, capacity=1000, queues=["default"],
        capabilities=["shell"], started_at=now, last_seen_at=now,
    )  # fmt: skip
    offer = Offer(slot=node.slot, name=node.name, kinds=frozenset({"shell"}), capabilities=frozenset({"shell"}))
    samples = []
    for _ in range(count):
        began = time.perf_counter()
        found = claim(node, "default", offer=offer, lease=timedelta(minutes=3))
        samples.append(time.perf_counter() - began)
        if len(found) != 1:
            raise SystemExit(f"A claim took {len(found)} of {size} queued runs: the figure would mean nothing.")
    clear_schedules()
    node.delete()
    return samples


def _analyse() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM (ANALYZE) jobs_run")
