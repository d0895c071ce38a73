"""Recorded runs per second against raw Celery."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

from bench.figure import Figure
from bench.place import Place, end, start_worker, wait_for
from bench.rows import add_job, add_runs
from jobs.bells import ring
from jobs.models import Run
from jobs.states import ACTIVE

ORDER = 1
SLOTS = 16


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """Runs of a `/bin/true` shell job per second, from the first bell to the last row."""
    count = 30 if quick else 1000

    job = add_job("true", "/bin/true", overlap="allow", overlap_limit=1000)
    worker = start_worker(place)
    add_runs(job, 20)
    ring("default", 16)
    wait_for(lambda: not Run.objects.filter(status__in=ACTIVE).exists(), "the warm-up", seconds=60)
    add_runs(job, count)
    began = time.perf_counter()
    ring("default", 16)
    wait_for(lambda: not Run.objects.filter(status__in=ACTIVE).exists(), "the last run", seconds=600, step=0.1)
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
        target=None if quick else 0.5,
        of="ratio",
    )
    yield Figure(name="recorded runs per second", value=ours, unit="runs/s", target=None if quick else 150)
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
    wait_for(lambda: done() >= 20 + count, "raw Celery's last task", seconds=600, step=0.1)
    rate = count / (time.perf_counter() - began)
    end(worker)
    return rate


def bare_fork(count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        subprocess.run(["/bin/bash", "-c", "/bin/true"], check=True)
    return count / (time.perf_counter() - began)
