"""What the tick costs, and how many runs it creates."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

from bench.figure import Figure
from bench.place import Place
from bench.rows import add_schedules, clear_schedules, make_due
from jobs import dbclock
from jobs.scheduling.tick import tick

ORDER = 3


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """What a tick costs with few and with many schedules: idle, and with `due` of them due."""
    sizes, due = ((100, 300), 100) if quick else ((1000, 10_000), 1000)

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
