"""Run-now to the first line of the script, on an idle system."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

from bench.figure import Figure
from bench.place import Place, end, quantile, start_worker, wait_for
from bench.rows import add_job
from jobs.models import LogChunk, Run
from jobs.runs import create_run
from jobs.states import ACTIVE

ORDER = 2


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """Run-now to the first line of the script, on an idle system."""
    count = 5 if quick else 200

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
    for name, share, most in (("p50", 0.5, 50), ("p99", 0.99, 250)):
        yield Figure(
            name=f"run-now to first line, {name}",
            value=quantile(ours, share) * 1000,
            unit="ms",
            baseline="bare fork+exec",
            baseline_value=quantile(bare, share) * 1000,
            target=None if quick else most,
            better="lower",
        )


def ended(pk: int) -> bool:

    return not Run.objects.filter(pk=pk, status__in=ACTIVE).exists()
