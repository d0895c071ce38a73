"""The end of an attempt, written once, with the run's token: a fenced worker writes nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from jobs import dbclock
from jobs.bells import ring_on_commit
from jobs.engine.published import retry_rule_of
from jobs.engine.settle import Counters, Settlement, settle
from jobs.models import Attempt, Run
from jobs.runs import claim_order, move
from jobs.states import AttemptStatus, ReasonCode, RunStatus

LONGEST_REASON = 500


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one attempt ended, ready to be written."""

    status: AttemptStatus
    exit_code: int | None = None
    signal: int | None = None
    reason_code: str = ReasonCode.NONE
    reason: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    result: Any = None
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    log_bytes: int = 0
    log_truncated: bool = False


def finish(run: Run, attempt: Attempt, ending: Ending) -> bool:
    """Settle the run and end the attempt in one transaction. False: fenced, nothing was written."""
    with transaction.atomic():
        fresh = Run.objects.filter(pk=run.pk, token=attempt.token, status=RunStatus.RUNNING).first()
        if fresh is None:
            return False
        now = dbclock.now()
        retry, is_idempotent = retry_rule_of(run)
        settlement = settle(
            ending.status,
            Counters(tries_used=fresh.tries_used, lost_count=fresh.lost_count, released_count=fresh.released_count),
            retry=retry,
            is_idempotent=is_idempotent,
            is_cancelled=fresh.cancel_requested_at is not None,
            jitter=random.uniform(-0.5, 0.5),  # noqa: S311 - spreads retries, hides nothing
        )
        if not move(fresh, settlement.status, now=now, **_changes(fresh, ending, settlement, now=now)):
            return False
        Attempt.objects.filter(pk=attempt.pk).update(
            status=ending.status,
            exit_code=ending.exit_code,
            signal=ending.signal,
            reason_code=ending.reason_code,
            reason=ending.reason[:LONGEST_REASON],
            ended_at=now,
            peak_memory_bytes=ending.peak_memory_bytes,
            cpu_seconds=ending.cpu_seconds,
            log_bytes=ending.log_bytes,
            log_truncated=ending.log_truncated,
        )
        if settlement.status == RunStatus.QUEUED and not settlement.delay:
            ring_on_commit([fresh.queue])
    run.status = fresh.status
    return True


def _changes(run: Run, ending: Ending, settlement: Settlement, *, now: Any) -> dict[str, Any]:
    counters = settlement.counters
    changes: dict[str, Any] = {
        "tries_used": counters.tries_used,
        "lost_count": counters.lost_count,
        "released_count": counters.released_count,
        "reason_code": ending.reason_code,
        "reason": ending.reason[:LONGEST_REASON],
        "exit_code": ending.exit_code,
        "outputs": ending.outputs,
        "result": ending.result,
    }
    if settlement.status == RunStatus.QUEUED:
        changes |= {
            "not_before": now + settlement.delay,
            "claim_order_at": claim_order(now + settlement.delay, run.priority),
            "wait_reason": settlement.wait,
            "worker": None,
            "lease_until": None,
        }
    elif settlement.status == RunStatus.CANCELLED:
        changes |= {
            "reason_code": run.cancel_reason_code or ReasonCode.CANCELLED_BY_USER,
            "reason": run.cancel_reason or _("Cancelled."),
        }
    return changes
