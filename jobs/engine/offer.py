"""What a worker offers at this moment, and whether it is enough for a job. PURE.

A claim asks `refusal` for each candidate and goes on with `less(job)` after taking one, so that one look at the
machine is enough for a batch:

    offer = offer_of(worker)
    if (reason := offer.refusal(job, waited=now - run.not_before)) is None:
        offer = offer.less(job)

A container is expanded by any worker, whatever it offers: don't ask for one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from jobs.reasons import Reason, say
from jobs.states import WaitReason

TINY = 1e-6  # tenths of a core don't add up exactly


class Needs(Protocol):
    """A job, as far as a worker must suit it; `jobs.models.Job` is one. Memory in MiB, CPU in cores, 0: not said."""

    kind: str
    requires: list[str]
    needs_driver: str
    needs_memory: int
    needs_cpu: float


@dataclass(frozen=True, kw_only=True)
class Offer:
    """`slot` names the worker across restarts; `kinds` are the job kinds it can run.

    `capabilities` are the kinds and everything else a job may ask for. `free_memory` (MiB) and `free_cpu` (cores) are
    what is left of the totals after the needs of what runs; None: not counted. `gate` says that the machine is busy:
    then only an idle worker takes a run, and one that has waited longer than `longest_wait` goes through.
    """

    slot: str = ""
    name: str = ""
    kinds: Collection[str] = field(default_factory=frozenset)
    capabilities: Collection[str] = field(default_factory=frozenset)
    total_memory: int | None = None
    total_cpu: float | None = None
    free_memory: int | None = None
    free_cpu: float | None = None
    running: int = 0
    gate: Reason | None = None
    longest_wait: timedelta = timedelta(minutes=10)

    @property
    def is_shut(self) -> bool:
        """Whether nothing but a run that has waited too long would be taken: a claim need not look far."""
        return self.gate is not None and self.running > 0

    def refusal(self, job: Needs, *, waited: timedelta = timedelta(0)) -> Reason | None:
        """Why this worker can't take a run of the job now; None when it can. `code` is a WaitReason."""
        return self._lacking(job) or self._shut(waited) or self._full(job)

    def less(self, job: Needs) -> Offer:
        """What is left after taking a run of the job."""
        return replace(
            self,
            running=self.running + 1,
            free_memory=None if self.free_memory is None else self.free_memory - job.needs_memory,
            free_cpu=None if self.free_cpu is None else self.free_cpu - job.needs_cpu,
        )

    def _lacking(self, job: Needs) -> Reason | None:
        """What this worker will never have: another one may."""
        code = WaitReason.NO_CAPABLE_WORKER
        facts: dict[str, Any]
        if job.kind not in self.kinds:
            return say(code, "no_capable_worker", kind=job.kind)
        driver = f"driver:{job.needs_driver}" if job.needs_driver else ""
        missing = [name for name in (driver, *job.requires) if name and name not in self.capabilities]
        if missing:
            return say(code, "no_capable_worker.missing", worker=self.name, missing=", ".join(missing))
        if self.total_memory is not None and job.needs_memory > self.total_memory:
            facts = {"needed": job.needs_memory, "total": self.total_memory}
            return say(code, "no_capable_worker.memory", worker=self.name, **facts)
        if self.total_cpu is not None and job.needs_cpu > self.total_cpu:
            facts = {"needed": f"{job.needs_cpu:g}", "total": f"{self.total_cpu:g}"}
            return say(code, "no_capable_worker.cpu", worker=self.name, **facts)
        return None

    def _shut(self, waited: timedelta) -> Reason | None:
        return self.gate if self.is_shut and waited < self.longest_wait else None

    def _full(self, job: Needs) -> Reason | None:
        """What others hold now and give back when they end. Never overrun: promised memory is memory in use."""
        code = WaitReason.NODE_BUSY
        facts: dict[str, Any]
        if self.free_memory is not None and job.needs_memory > max(self.free_memory, 0):
            facts = {
                "needed": job.needs_memory,
                "free": max(self.free_memory, 0),
                "total": self.total_memory or 0,
            }
            return say(code, "node_busy.needs_memory", worker=self.name, **facts)
        if self.free_cpu is not None and job.needs_cpu > max(self.free_cpu, 0) + TINY:
            facts = {"needed": f"{job.needs_cpu:g}", "free": f"{max(self.free_cpu, 0):.3g}"}
            return say(code, "node_busy.needs_cpu", worker=self.name, **facts)
        return None
