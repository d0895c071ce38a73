"""A script that floods its output: what the worker's memory and heartbeats say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from bench.place import Place, end, start_worker, wait_for
from bench.rows import add_job
from jobs import dbclock
from jobs.models import Attempt, WorkerNode
from jobs.runs import create_run
from jobs.states import RunStatus

ORDER = 8
MEGABYTE = 1024 * 1024


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """One endless line of so many bytes; all beyond the cap is read and dropped."""
    from django.conf import settings

    size = (32 if quick else 1024) * MEGABYTE
    small = add_job("drop", "echo hello")
    flood = add_job("flood", f"head -c {size} /dev/zero | tr '\\0' x")
    worker = start_worker(place)
    finish(create_run(small, origin="manual").pk, 60)
    before = memory(worker.pid, "VmRSS")
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # the peak is counted from here
    run = create_run(flood, origin="manual").pk
    silence = finish(run, 600)
    grown = memory(worker.pid, "VmHWM") - before
    attempt = Attempt.objects.get(run=run)
    end(worker)
    if not attempt.log_truncated or attempt.log_bytes > settings.PORTAL_LOG_BYTES_PER_ATTEMPT:
        raise SystemExit("The log of the flood was not cut, so the figures would mean nothing.")
    words = f"{size // MEGABYTE} MB of output"
    yield Figure(name=f"{words}: the worker's memory grows by", value=grown, unit="MB", target=64, better="lower")
    limit = settings.PORTAL_HEARTBEAT_SECONDS + 3
    yield Figure(name=f"{words}: longest silence of the node", value=silence, unit="s", target=limit, better="lower")
    yield Figure(name=f"{words}: CPU of the script's processes", value=attempt.cpu_seconds or 0, unit="s")


def finish(run: int, seconds: float) -> float:
    """Wait for a run's success; the longest age of the worker's heartbeat meanwhile."""
    ages = [0.0]

    def is_over() -> bool:
        node = WorkerNode.objects.order_by("-pk")[0]
        ages.append((dbclock.now() - node.last_seen_at).total_seconds())
        time.sleep(0.1)
        return Attempt.objects.filter(run=run, run__status=RunStatus.SUCCEEDED).exists()

    wait_for(is_over, "the end of a script", seconds=seconds)
    return max(ages)


def memory(pid: int, name: str) -> float:
    """Megabytes, from /proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) / 1024
