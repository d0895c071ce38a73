"""What an attempt's end means for its run. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from jobs.policies import RetryPolicy
from jobs.states import RETRYABLE, AttemptStatus, ReasonCode, RunStatus, WaitReason

MOST_LOST = 3


@dataclass(frozen=True, kw_only=True)
class Counters:
    """How often a run was tried before this end was counted."""

    tries_used: int
    lost_count: int
    released_count: int


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """The run's next status, its new counters, and the delay when it is to be tried again."""

    status: RunStatus
    counters: Counters
    delay: timedelta = timedelta(0)
    wait: str = WaitReason.NONE
    why: str = ""  # a ReasonCode that replaces the attempt's own


def settle(
    ended: AttemptStatus,
    before: Counters,
    *,
    retry: RetryPolicy,
    is_idempotent: bool,
    is_cancelled: bool,
    jitter: float = 0.0,
) -> Settlement:
    """Source of the rules: the contract's result table. A release burns nothing; a lost worker burns no try."""
    if ended == AttemptStatus.RELEASED:
        after = Counters(
            tries_used=before.tries_used, lost_count=before.lost_count, released_count=before.released_count + 1
        )
        return Settlement(status=RunStatus.CANCELLED if is_cancelled else RunStatus.QUEUED, counters=after)
    if ended == AttemptStatus.LOST:
        return _settle_lost(before, is_idempotent=is_idempotent, is_cancelled=is_cancelled)
    after = Counters(
        tries_used=before.tries_used + 1, lost_count=before.lost_count, released_count=before.released_count
    )
    final = RunStatus(ended.value)
    if final not in RETRYABLE:
        return Settlement(status=final, counters=after)
    if is_cancelled:
        return Settlement(status=RunStatus.CANCELLED, counters=after)
    if after.tries_used > retry.max:
        return Settlement(status=final, counters=after)
    delay = retry.delay(after.tries_used, jitter)
    return Settlement(status=RunStatus.QUEUED, counters=after, delay=delay, wait=WaitReason.RETRY_BACKOFF)


def _settle_lost(before: Counters, *, is_idempotent: bool, is_cancelled: bool) -> Settlement:
    after = Counters(
        tries_used=before.tries_used, lost_count=before.lost_count + 1, released_count=before.released_count
    )
    if is_cancelled:
        return Settlement(status=RunStatus.CANCELLED, counters=after)
    if not is_idempotent:
        return Settlement(status=RunStatus.LOST, counters=after, why=ReasonCode.NOT_IDEMPOTENT)
    if after.lost_count >= MOST_LOST:
        return Settlement(status=RunStatus.LOST, counters=after, why=ReasonCode.WORKER_LOST)
    return Settlement(status=RunStatus.QUEUED, counters=after)


def status_of_exit(exit_code: int | None, exit_codes: dict[str, str]) -> AttemptStatus:
    """0 succeeded, 1 business failure, everything else technical; a job may override single codes."""
    if exit_code is None:
        return AttemptStatus.TECHNICAL_FAILURE
    overridden = exit_codes.get(str(exit_code))
    if overridden:
        return AttemptStatus(overridden)
    if exit_code == 0:
        return AttemptStatus.SUCCEEDED
    return AttemptStatus.BUSINESS_FAILURE if exit_code == 1 else AttemptStatus.TECHNICAL_FAILURE


REASON_OF_STATUS = {
    AttemptStatus.BUSINESS_FAILURE: ReasonCode.BUSINESS,
    AttemptStatus.TECHNICAL_FAILURE: ReasonCode.SCRIPT_FAILED,
    AttemptStatus.TIMED_OUT: ReasonCode.TIMEOUT,
    AttemptStatus.CANCELLED: ReasonCode.CANCELLED_BY_USER,
    AttemptStatus.LOST: ReasonCode.WORKER_LOST,
}
