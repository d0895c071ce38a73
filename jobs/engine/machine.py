"""The machine a worker is on: how large, how busy, and what it can do. A container's limits count as the machine's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
from django.conf import settings

from datasources.drivers import DRIVERS
from jobs.engine.gate import Gate, Sample
from jobs.executors import KINDS

CGROUP = Path("/sys/fs/cgroup")
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024


def cores() -> float:
    """Cores this worker may promise: PORTAL_NODE_CPUS, or what the machine (or the container) lets it use."""
    if settings.PORTAL_NODE_CPUS:
        return float(settings.PORTAL_NODE_CPUS)
    allowed = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    quota = _cpu_quota()
    return min(allowed, quota) if quota else allowed


def memory_bytes() -> int:
    """Memory this worker may promise: PORTAL_NODE_MEMORY_MB, or the machine's (or the container's)."""
    if settings.PORTAL_NODE_MEMORY_MB:
        return int(settings.PORTAL_NODE_MEMORY_MB) * MIB
    total = int(psutil.virtual_memory().total)
    limit = _number(CGROUP / "memory.max")
    return min(total, limit) if limit else total


def capabilities() -> list[str]:
    """The kinds this worker can run, the drivers it has, the isolation it can offer, and what its operator says."""
    kinds = [executor.kind for executor in KINDS if not executor.missing()]
    drivers = [f"driver:{driver.kind}" for driver in DRIVERS if not driver.missing()]
    isolation = [f"isolation:{name}" for name in _isolation()]
    return sorted({*kinds, *drivers, *isolation, *settings.PORTAL_CAPABILITIES})


def _isolation() -> Iterator[str]:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield "uid"
    if (CGROUP / "cgroup.controllers").exists() and os.access(CGROUP / "cgroup.procs", os.W_OK):
        yield "cgroup"
    if shutil.which("bwrap"):
        yield "bubblewrap"


def gate_for(worker: str) -> Gate:
    """The gate of a worker, with the limits of the settings."""
    return Gate(
        worker=worker,
        cpu_limit=settings.PORTAL_NODE_CPU_PERCENT,
        memory_limit=settings.PORTAL_NODE_MEMORY_PERCENT,
    )


class Meter:
    """Looks at the machine from time to time; each look counts what was used since the one before.

    Counted is the CPU of everybody but this worker, its zygote and runners, and the runs that have ended since:
    short runs come and go, and the slots bound them. A run that goes on is counted with the machine.
    """

    def __init__(self) -> None:
        self._at = 0.0
        self._busy, self._own = 0.0, 0.0
        self.cpu_percent = 0.0  # of the last look, with everything counted
        self.memory_percent = 0.0

    def look(self, at: float) -> Sample | None:
        """None at the first look: there is nothing yet to compare with."""
        quota = _cpu_quota()
        busy = _quota_used() if quota else _machine_used()
        own = own_used()
        seconds, before, own_before = at - self._at, self._busy, self._own
        is_first, self._at, self._busy, self._own = self._at == 0.0, at, busy, own
        self.memory_percent = _memory_percent()
        if is_first or seconds <= 0:
            return None
        room = seconds * (quota or float(os.cpu_count() or 1)) / 100
        self.cpu_percent = _percent((busy - before) / room)
        counted = _percent((busy - before - max(own - own_before, 0)) / room)
        return Sample(at=at, cpu=counted, memory=self.memory_percent)


def own_used() -> float:
    """CPU seconds of this worker, its zygote, its runners, and of every script these have seen the end of."""
    zygotes = _children("self")
    runners = [pid for zygote in zygotes for pid in _children(str(zygote))]
    return sum(_used_by(pid) for pid in (os.getpid(), *zygotes, *runners))


def _percent(value: float) -> float:
    return min(max(value, 0.0), 100.0)


def _machine_used() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + getattr(times, "irq", 0) + getattr(times, "softirq", 0))


def _used_by(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS


def _children(pid: str) -> list[int]:
    """Ours is the zygote, and its are the runners. Read by thread, which is cheap; psutil would read every process."""
    found: list[int] = []
    for path in Path("/proc", pid, "task").glob("*/children"):
        try:
            found += [int(pid) for pid in path.read_text().split()]
        except OSError:
            continue
    return found


def _memory_percent() -> float:
    limit = _number(CGROUP / "memory.max")
    used = _number(CGROUP / "memory.current")
    memory = psutil.virtual_memory()
    if limit and used is not None and limit < memory.total:
        return _percent((used - _cache()) * 100 / limit)
    return float(memory.percent)


def _cache() -> int:
    """File pages the kernel gives back when they are needed."""
    return next(
        (int(line.split()[1]) for line in _lines(CGROUP / "memory.stat") if line.startswith("inactive_file")), 0
    )


def _cpu_quota() -> float | None:
    """Cores the container may use; None: as many as there are."""
    words = " ".join(_lines(CGROUP / "cpu.max")).split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdecimal() else None


def _quota_used() -> float:
    found = (int(line.split()[1]) for line in _lines(CGROUP / "cpu.stat") if line.startswith("usage_usec"))
    return next(found, 0) / 1_000_000


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
