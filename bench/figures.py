"""The measurements. Each returns figures with both sides, taken one after the other on the same machine."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bench.place import Place, end, wait_for

SLOTS = "16"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`ratio` is value / baseline_value. Rates are higher-is-better, milliseconds lower."""

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float

    def line(self) -> dict[str, Any]:
        ratio = self.value / self.baseline_value if self.baseline_value else None
        return {
            "figure": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "baseline": self.baseline,
            "baseline_value": round(self.baseline_value, 3),
            "ratio": None if ratio is None else round(ratio, 3),
        }


def recorded_runs(place: Place, count: int) -> Iterator[Figure]:
    """Runs of a `/bin/true` shell job per second, from the first bell to the last row."""
    from bench.rows import add_job, add_runs
    from jobs.bells import ring
    from jobs.models import Run
    from jobs.states import ACTIVE

    job = add_job("true", "/bin/true", overlap="allow", overlap_limit=1000)
    worker = start_worker(place)
    add_runs(job, 20)
    ring("default", 16)
    wait_for(lambda: not Run.objects.filter(status__in=ACTIVE).exists(), "the warm-up", seconds=60)
    add_runs(job, count)
    began = time.perf_counter()
    ring("default", 16)
    wait_for(lambda: not Run.objects.filter(status__in=ACTIVE).exists(), "the last run", seconds=600)
    ours = count / (time.perf_counter() - began)
    failed = Run.objects.exclude(status="succeeded").count()
    end(worker)
    if failed:
        raise SystemExit(f"{failed} runs did not succeed: the figure would mean nothing.")
    yield Figure(
        name="recorded runs of /bin/true",
        value=ours,
        unit="runs/s",
        baseline="raw Celery, same subprocess, nothing recorded",
        baseline_value=raw_celery(place, count),
    )
    yield Figure(
        name="recorded runs of /bin/true",
        value=ours,
        unit="runs/s",
        baseline="bare fork+exec in a loop, one at a time",
        baseline_value=bare_fork(min(count, 200)),
    )


def raw_celery(place: Place, count: int) -> float:
    from bench import rawcelery

    rawcelery.counter.delete(rawcelery.COUNTER)
    options = ["worker", "--pool=threads", f"--concurrency={SLOTS}", "-Q", rawcelery.QUEUE, "-n", "raw@%h"]
    worker = place.start_celery("bench.rawcelery", *options)
    done = lambda: int(rawcelery.counter.get(rawcelery.COUNTER) or 0)  # noqa: E731
    for _ in range(20):
        rawcelery.raw.apply_async(queue=rawcelery.QUEUE)
    wait_for(lambda: done() >= 20, "raw Celery's warm-up", seconds=60)
    worker.send_signal(19)  # stopped while the queue fills, as ours is filled before its first bell
    for _ in range(count):
        rawcelery.raw.apply_async(queue=rawcelery.QUEUE)
    began = time.perf_counter()
    worker.send_signal(18)
    wait_for(lambda: done() >= 20 + count, "raw Celery's last task", seconds=600)
    rate = count / (time.perf_counter() - began)
    end(worker)
    return rate


def bare_fork(count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        subprocess.run(["/bin/bash", "-c", "/bin/true"], check=True)
    return count / (time.perf_counter() - began)


def first_line(place: Place, count: int) -> Iterator[Figure]:
    """Run-now to the first line of the script, on an idle system."""
    from bench.rows import add_job
    from jobs.models import LogChunk
    from jobs.runs import create_run

    job = add_job("clock", "date +%s.%N")
    worker = start_worker(place)
    ours: list[float] = []
    for _ in range(count):
        began = time.time()
        run = create_run(job, origin="manual")
        chunks = LogChunk.objects.filter(attempt__run=run)
        wait_for(chunks.exists, "a first line", seconds=30)
        ours.append(float(chunks.get().text) - began)
        wait_for(lambda pk=run.pk: ended(pk), "the end of a run", seconds=30)  # type: ignore[misc]
    end(worker)
    bare = []
    for _ in range(count):
        began = time.time()
        printed = subprocess.run(["/bin/bash", "-c", "date +%s.%N"], check=True, capture_output=True, text=True)
        bare.append(float(printed.stdout) - began)
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(
            name=f"run-now to first line, {name}",
            value=quantile(ours, share) * 1000,
            unit="ms",
            baseline="bare fork+exec",
            baseline_value=quantile(bare, share) * 1000,
        )


def ended(pk: int) -> bool:
    from jobs.models import Run
    from jobs.states import ACTIVE

    return not Run.objects.filter(pk=pk, status__in=ACTIVE).exists()


def tick_cost(place: Place, sizes: tuple[int, int], due: int) -> Iterator[Figure]:
    """What a tick costs with few and with many schedules: idle, and with `due` of them due."""
    from bench.rows import add_schedules, clear_schedules, make_due
    from jobs import dbclock
    from jobs.scheduling.tick import tick

    idle: list[float] = []
    rates: list[float] = []
    for size in sizes:
        add_schedules(size)
        samples = []
        for _ in range(20):
            began = time.perf_counter()
            tick(dbclock.now())
            samples.append(time.perf_counter() - began)
        idle.append(statistics.median(samples) * 1000)
        make_due(due)
        began = time.perf_counter()
        created = 0
        while (done := tick(dbclock.now() + timedelta(seconds=1))).schedules:
            created += done.runs
        rates.append(created / (time.perf_counter() - began))
        clear_schedules()
    small, large = sizes
    yield Figure(
        name=f"idle tick at {large:,} schedules",
        value=idle[1],
        unit="ms",
        baseline=f"at {small:,} schedules",
        baseline_value=idle[0],
    )
    yield Figure(
        name=f"runs created per second, {due:,} due of {large:,} schedules",
        value=rates[1],
        unit="runs/s",
        baseline=f"{due:,} due of {small:,} schedules",
        baseline_value=rates[0],
    )


def start_worker(place: Place) -> subprocess.Popen[bytes]:
    from jobs.models import WorkerNode

    known = WorkerNode.objects.count()
    options = ["worker", "--pool=threads", f"--concurrency={SLOTS}", "-Q", "default", "-n", "bench@%h"]
    worker = place.start_celery("portal", *options)
    wait_for(lambda: WorkerNode.objects.count() > known, "the worker", seconds=60)
    return worker


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def machine() -> dict[str, Any]:
    import os
    import platform

    return {"cpus": os.cpu_count(), "python": platform.python_version(), "platform": sys.platform}
