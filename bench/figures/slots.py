"""Runs that wait: how many one worker machine holds at once, against the usual pool of five threads."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.figure import Figure
from bench.place import Place, end, start_worker, wait_for
from bench.rows import add_job, add_runs
from jobs.bells import ring
from jobs.models import Attempt, Run
from jobs.states import ACTIVE

ORDER = 1
SLOTS = 64


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """`sleep 1` jobs: runs a second over the whole batch, and the most attempts that overlapped in time."""
    count = 40 if quick else 600
    job = add_job("waits", "sleep 1", overlap="allow", overlap_limit=1000)
    worker = start_worker(place, slots=SLOTS)
    add_runs(job, SLOTS)  # the warm-up: every slot has had one
    ring("default", SLOTS)
    wait_for(lambda: not Run.objects.filter(status__in=ACTIVE).exists(), "the warm-up", seconds=120)
    last = Run.objects.order_by("-pk").values_list("pk", flat=True)[0]
    add_runs(job, count)
    began = time.perf_counter()
    ring("default", SLOTS)
    wait_for(lambda: not Run.objects.filter(status__in=ACTIVE).exists(), "the last run", seconds=600)
    rate = count / (time.perf_counter() - began)
    end(worker)
    spans = Attempt.objects.filter(run__pk__gt=last).values_list("started_at", "ended_at")
    yield Figure(
        name="runs of 1 s at once, one worker",
        value=most_at_once(list(spans)),
        unit="runs",
        target=min(60, count),
    )
    yield Figure(
        name="runs of 1 s per second, one worker",
        value=rate,
        unit="runs/s",
        baseline="a pool of 5 threads in one process, nothing recorded",
        baseline_value=pool_of_five(10 if quick else 25),
        target=None if quick else 50,
    )


def most_at_once(spans: list[tuple[object, object]]) -> int:
    """The highest number of (start, end) spans that hold one moment."""
    steps = sorted([(start, 1) for start, _end in spans] + [(stop, -1) for _start, stop in spans])
    now = most = 0
    for _at, step in steps:
        now += step
        most = max(most, now)
    return most


def pool_of_five(count: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: subprocess.run(["/bin/sleep", "1"], check=True), range(count)))
    return count / (time.perf_counter() - began)
