"""The gates a fire time passes on its way to a run: each may skip it with a reason, or let it start later.

A tick asks `gates_for` once per batch, so that a gate reads what it needs for all due schedules at once, and then
sends each fire time through all of them in order; the first reason ends the way. The overlap gate is the last,
because it remembers which fire times it let through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from jobs.policies import OverlapPolicy
from jobs.reasons import Reason, say
from jobs.scheduling.due import Due
from jobs.states import ReasonCode


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A fire time. `at` is nominal and stays; its run may start at `not_before`, or `reason` says why not."""

    at: datetime
    not_before: datetime
    reason: Reason | None = None

    def skipped(self, reason: Reason) -> Passage:
        return replace(self, reason=reason)


Gate = Callable[[Due, Passage], Passage]


def gates_for(due: Sequence[Due], *, now: datetime) -> list[Gate]:
    """The gates for one batch of schedules, in order."""
    return [tenant_gate, jitter_gate, OverlapGate()]


def pass_through(gates: Sequence[Gate], schedule: Due, passage: Passage) -> Passage:
    """What becomes of one fire time."""
    for gate in gates:
        passage = gate(schedule, passage)
        if passage.reason is not None:
            break
    return passage


def tenant_gate(schedule: Due, passage: Passage) -> Passage:
    """A disabled tenant's jobs don't run."""
    if schedule.job.tenant_is_active:
        return passage
    return passage.skipped(say(ReasonCode.TENANT_DISABLED, "tenant_disabled.when_due"))


def jitter_gate(schedule: Due, passage: Passage) -> Passage:
    """Spread the starts. A fire time in time waits its own share of the jitter, always the same for the same moment.

    One that is late already, or that a calendar has moved, waits from then on, and all of one schedule equally long:
    catching up goes oldest first.
    """
    if not schedule.jitter:
        return passage
    if passage.not_before - passage.at < schedule.jitter:
        share = jitter_share(schedule.pk, passage.at.isoformat())
        return replace(passage, not_before=max(passage.not_before, passage.at + schedule.jitter * share))
    share = jitter_share(schedule.pk, "")
    return replace(passage, not_before=passage.not_before + schedule.jitter * share)


def jitter_share(schedule_id: int, moment: str) -> float:
    """From 0 up to 1, evenly spread; not `hash()`, which differs from process to process."""
    digest = sha256(f"{schedule_id}:{moment}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


class OverlapGate:
    """`skip` and a full `queue` end a fire time here; the other policies are the claim's and `make_way`'s."""

    def __init__(self) -> None:
        self._born: dict[int, int] = {}  # job → fire times this batch has let through

    def __call__(self, schedule: Due, passage: Passage) -> Passage:
        job = schedule.job
        born = self._born.get(job.pk, 0)
        if job.overlap == OverlapPolicy.SKIP:
            if job.blocker is not None:
                return passage.skipped(say(ReasonCode.OVERLAP, run=job.blocker))
            if born:
                return passage.skipped(say(ReasonCode.OVERLAP, "overlap.same_moment"))
        elif job.overlap == OverlapPolicy.QUEUE and job.active + born > job.overlap_limit:
            waiting = job.active + born - 1
            return passage.skipped(say(ReasonCode.OVERLAP_QUEUE_FULL, count=waiting, limit=job.overlap_limit))
        self._born[job.pk] = born + 1
        return passage
