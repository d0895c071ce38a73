"""When a machine is too busy for more runs. PURE: samples in, a reason out.

CPU counts as its mean over half a minute, so that a moment's spike shuts nothing, and opens again ten points lower, so
that it does not flap. What the samples hold is the caller's matter (`jobs.engine.machine`): the load of others and of
long runs, not the short runs that come and go, which the number of slots bounds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import fmean

from jobs.reasons import Reason, say
from jobs.states import WaitReason

WINDOW_SECONDS = 30.0
MEMORY_WINDOW_SECONDS = 5.0
FEWEST_SAMPLES = 3
CPU_SLACK, MEMORY_SLACK = 10.0, 5.0  # points below the limit at which it opens again


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`at` in seconds of a clock that only runs forward; percents of the whole machine. `cpu` is what counts."""

    at: float
    cpu: float
    memory: float


class Gate:
    """Not thread-safe: one thread observes; reading `reason` from others is fine."""

    def __init__(self, *, worker: str, cpu_limit: float, memory_limit: float) -> None:
        self.worker = worker
        self.cpu_limit, self.memory_limit = cpu_limit, memory_limit
        self.reason: Reason | None = None
        self._samples: deque[Sample] = deque()
        self._cpu_is_shut = self._memory_is_shut = False

    def observe(self, sample: Sample) -> None:
        """Take note of one look at the machine."""
        self._samples.append(sample)
        while sample.at - self._samples[0].at > WINDOW_SECONDS:
            self._samples.popleft()
        if len(self._samples) < FEWEST_SAMPLES:
            return
        lately = [one.memory for one in self._samples if sample.at - one.at <= MEMORY_WINDOW_SECONDS]
        cpu, memory = fmean(one.cpu for one in self._samples), fmean(lately)
        is_full_window = sample.at - self._samples[0].at >= WINDOW_SECONDS / 2
        if is_full_window or self._cpu_is_shut:
            self._cpu_is_shut = cpu > self.cpu_limit - CPU_SLACK * self._cpu_is_shut
        self._memory_is_shut = memory > self.memory_limit - MEMORY_SLACK * self._memory_is_shut
        self.reason = self._said("memory", memory, self.memory_limit) if self._memory_is_shut else None
        if self._cpu_is_shut and self.reason is None:
            self.reason = self._said("cpu", cpu, self.cpu_limit)

    def _said(self, what: str, percent: float, limit: float) -> Reason:
        """Figures in steps of five: a reason that changes each second would be written to every waiting run."""
        steps = min(round(percent / 5) * 5, 100)
        facts = {"worker": self.worker, "percent": max(steps, round(limit)), "limit": round(limit)}
        return say(WaitReason.NODE_BUSY, f"node_busy.{what}", **facts)
