"""A million runs a day: 12 runs a second, for minutes, and what that costs the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import psutil

from bench.figure import Figure
from bench.place import ROOT, Place, end, start_beat, start_worker, wait_for
from bench.rows import add_job, clear_schedules
from jobs import dbclock
from jobs.models import Run, Schedule
from jobs.states import ACTIVE, RunStatus

ORDER = 9
RATE = 12
SECONDS = float(os.environ.get("BENCH_SUSTAINED_SECONDS", "600"))


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """Twelve schedules that fire each second, by a real beat, run by a real worker."""
    clear_schedules()
    seconds = 6.0 if quick else SECONDS
    add_each_second(RATE)
    worker, beat = start_worker(place), start_beat(place)
    wait_for(lambda: Run.objects.filter(status=RunStatus.SUCCEEDED).count() >= RATE, "the first runs", seconds=120)
    psutil.cpu_percent(None)
    before, began = Run.objects.count(), time.perf_counter()
    waiting = []
    while time.perf_counter() - began < seconds:
        time.sleep(min(5.0, seconds / 3))
        waiting.append(Run.objects.filter(status=RunStatus.QUEUED).count())
    cpu, rate = psutil.cpu_percent(None), (Run.objects.count() - before) / (time.perf_counter() - began)
    end(beat)
    wait_for(lambda: not Run.objects.filter(status__in=ACTIVE).exists(), "the last run", seconds=300)
    end(worker)
    checked = subprocess.run([sys.executable, "manage.py", "check_ledger"], cwd=ROOT, capture_output=True, check=False)
    failed = Run.objects.exclude(status=RunStatus.SUCCEEDED).exclude(status=RunStatus.SKIPPED).count()
    yield Figure(name="sustained runs per second", value=rate, unit="runs/s", target=RATE * 0.98)
    yield Figure(
        name=f"machine used at {RATE} runs/s for {seconds:.0f} s",
        value=cpu,
        unit="%",
        target=None if quick else 40,
        better="lower",
    )
    yield Figure(
        name="queued at the end of it, at most", value=max(waiting[-3:]), unit="runs", target=2 * RATE, better="lower"
    )
    yield Figure(
        name="ledger broken or runs failed by it",
        value=failed + (checked.returncode != 0),
        unit="rows",
        target=0,
        better="lower",
    )


def add_each_second(count: int) -> None:
    now = dbclock.now()
    for index in range(count):
        job = add_job(f"each-second-{index}", "/bin/true", overlap="allow", overlap_limit=1000)
        Schedule.objects.create(
            tenant_id=job.tenant_id,
            job=job,
            kind="interval",
            expression="1s",
            anchor_at=now,
            cursor_at=now,
            next_fire_at=now + timedelta(seconds=1),
        )
