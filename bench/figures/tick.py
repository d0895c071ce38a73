"""What the tick costs, and how many runs it creates."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

from bench import djangobeat
from bench.figure import Figure
from bench.place import Place
from bench.rows import add_schedules, clear_schedules, make_due
from jobs import dbclock
from jobs.scheduling.tick import tick

ORDER = 3


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """What a tick costs with few and with many schedules: idle, and with `due` of them due."""
    sizes, due = ((100, 300), 100) if quick else ((1000, 100_000), 1000)

    idle: list[float] = []
    rates: list[float] = []
    for size in sizes:
        add_schedules(size, jobs=max(size // 10, 10))
        idle.append(_idle_ms())
        rates.append(_rate(due))
        clear_schedules()
    small, large = sizes
    yield Figure(
        name=f"idle tick at {large:,} schedules",
        value=idle[1],
        unit="ms",
        baseline=f"at {small:,} schedules",
        baseline_value=idle[0],
        target=1.5,
        better="lower",
        of="ratio",
    )
    yield Figure(
        name=f"runs created per second, {due:,} due of {small:,} against {large:,} schedules",
        value=rates[0],
        unit="runs/s",
        baseline=f"{due:,} due of {large:,} schedules",
        baseline_value=rates[1],
        target=1.5,
        better="lower",
        of="ratio",
    )
    crontabs, seconds = (200, 2.0) if quick else (10_000, 20.0)
    yield Figure(
        name=f"runs created per second, {due:,} due of {large:,} schedules",
        value=rates[1],
        unit="runs/s",
        baseline=f"django-celery-beat's own scheduler, {crontabs:,} crontabs, all due",
        baseline_value=djangobeat.fires_per_second(crontabs, seconds=seconds),
        target=1000,
    )


def _idle_ms() -> float:
    samples = []
    for _ in range(20):
        began = time.perf_counter()
        tick(dbclock.now())
        samples.append(time.perf_counter() - began)
    return statistics.median(samples) * 1000


def _rate(due: int) -> float:
    """Runs per second, of `due` at once; the best of three, because the machine has other things to do too."""
    rates = []
    for turn in range(3):
        make_due(due, dbclock.now().replace(second=0) - timedelta(seconds=turn))  # a moment of its own each time
        began = time.perf_counter()
        created = 0
        while (done := tick(dbclock.now() + timedelta(seconds=1))).schedules:
            created += done.runs
        rates.append(created / (time.perf_counter() - began))
    return max(rates)
