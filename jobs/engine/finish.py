"""The end of attempts, written once, with each run's token: a fenced worker writes nothing.

Many ends are written in one transaction: the rows are locked in the order of their ids, so that two such
transactions never lock each other out, and what a stale token brings is left out without harm to the rest.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.utils.translation import gettext as _

from jobs import dbclock
from jobs.bells import ring_on_commit
from jobs.deadlocks import repeated_after_deadlock
from jobs.engine import fanout, statements
from jobs.engine.published import retry_rule_of
from jobs.engine.settle import Counters, Settlement, settle
from jobs.ledgersql import update_many
from jobs.logs import not_stored, store
from jobs.models import Attempt, LogChunk, Run
from jobs.models.log import Stream
from jobs.reasons import Reason, say
from jobs.runs import Move, cancel_columns, claim_order, move_many
from jobs.states import TERMINAL, AttemptStatus, ReasonCode, RunStatus
from portal.lib.failpoints import failpoint
from portal.lib.text import storable

log = logging.getLogger(__name__)
LONGEST_REASON = 500
COLUMNS = (
    "id", "tenant", "job", "revision", "parent", "status", "queue", "priority", "token", "tries_used", "lost_count",
    "released_count", "lease_until", "cancel_requested_at", "cancel_reason_code", "cancel_reason", "cancel_reason_args",
)  # fmt: skip
ATTEMPT_COLUMNS = (
    "status",
    "exit_code",
    "signal",
    "pid",
    "reason_code",
    "reason",
    "reason_args",
    "ended_at",
    "peak_memory_bytes",
    "cpu_seconds",
    "log_bytes",
    "log_truncated",
)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one attempt ended, ready to be written. `reason_args` as in `jobs.reasons`."""

    status: AttemptStatus
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    reason_code: str = ReasonCode.NONE
    reason: str = ""
    reason_args: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    result: Any = None
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    log_bytes: int = 0
    log_truncated: bool = False

    @classmethod
    def because(cls, status: AttemptStatus, reason: Reason, **facts: Any) -> Ending:
        """With the three reason fields of a reason."""
        return cls(status=status, **reason.columns(), **facts)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """An attempt's end, with the log chunks that are not stored yet."""

    run: Run
    attempt: Attempt
    ending: Ending
    chunks: Sequence[LogChunk] = ()
    is_doubtful: bool = False  # some chunks may be stored already: a commit's answer got lost
    expired_at: datetime | None = None  # only if the lease has run out by then: looked at again under the run's lock


def finish(run: Run, attempt: Attempt, ending: Ending, *, expired_at: datetime | None = None) -> bool:
    """End one attempt. False: fenced (or, with `expired_at`, its lease was renewed), nothing was written."""
    return finish_many([Finished(run=run, attempt=attempt, ending=ending, expired_at=expired_at)])[0]


def finish_refused(finished: Finished) -> bool:
    """End one attempt though the ledger refused a part of it: what can't be stored must not change the outcome.

    An error of a ledger that is away goes up. What is refused even so is a technical failure that says it.
    """
    try:
        return finish_many([finished])[0]
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("The ledger refused an attempt's end.", extra={"run": finished.run.pk})
    refused = Ending.because(AttemptStatus.TECHNICAL_FAILURE, say(ReasonCode.INTERNAL, "internal.result"))
    return finish_many([replace(finished, ending=refused, chunks=())])[0]


def without_payload(finished: Finished) -> Finished:
    """The same end without what a ledger may refuse: outputs, result, the rest of the log, somebody's words.

    In the log's place stands a line that says so.
    """
    ending = replace(finished.ending, outputs={}, result=None, reason_args={}, reason=storable(finished.ending.reason))
    words = str(_("The result and the end of the log could not be stored; the portal's log has the details."))
    note = [
        LogChunk(attempt=finished.attempt, seq=first.seq, stream=Stream.SYSTEM, at=first.at, text=f"{words}\n")
        for first in finished.chunks[:1]
    ]
    return replace(finished, ending=ending, chunks=note, is_doubtful=True)


@repeated_after_deadlock
def finish_many(items: Sequence[Finished]) -> list[bool]:
    """Settle the runs and end their attempts in one transaction; True for each that was written."""
    with transaction.atomic():
        fresh = _locked(items)
        now = dbclock.now()
        kept: list[tuple[Finished, Run, Settlement]] = []
        for item in items:
            run = fresh.pop(item.run.pk, None)
            if run is not None and _is_meant(run, item):
                kept.append((item, run, _settlement(item, run)))
        if kept:
            _write(kept, now=now)
        failpoint("finish.before_commit")
    failpoint("finish.after_commit")
    written = {item.attempt.pk for item, _run, _settlement in kept}
    return [item.attempt.pk in written for item in items]


def was_finished(attempt: Attempt) -> bool:
    """Whether the end of this very attempt is in the ledger (a commit whose answer got lost)."""
    return Attempt.objects.filter(pk=attempt.pk, ended_at__isnull=False).exists()


def _locked(items: Sequence[Finished]) -> dict[int, Run]:
    keys = [item.run.pk for item in items]
    tail = f"WHERE id IN {statements.places(keys)} AND status = 'running' ORDER BY id"
    return {run.pk: run for run in statements.rows(Run, COLUMNS, tail + statements.for_update(no_key=True), keys)}


def _is_meant(run: Run, item: Finished) -> bool:
    is_over = item.expired_at is None or run.lease_until is None or run.lease_until < item.expired_at
    return run.token == item.attempt.token and is_over


def _settlement(item: Finished, run: Run) -> Settlement:
    retry, is_idempotent = retry_rule_of(run)
    return settle(
        item.ending.status,
        Counters(tries_used=run.tries_used, lost_count=run.lost_count, released_count=run.released_count),
        retry=retry,
        is_idempotent=is_idempotent,
        is_cancelled=run.cancel_requested_at is not None,
        jitter=random.uniform(-0.5, 0.5),  # noqa: S311 - spreads retries, hides nothing
    )


def _write(kept: Sequence[tuple[Finished, Run, Settlement]], *, now: datetime) -> None:
    store([chunk for item, _run, _settlement in kept for chunk in _chunks(item)])
    moves = [
        Move(run=run, new=settlement.status, changes=_changes(run, item.ending, settlement, now=now))
        for item, run, settlement in kept
    ]
    move_many(moves, now=now)
    update_many(
        Attempt,
        ["id"],
        ATTEMPT_COLUMNS,
        [(item.attempt.pk, *_attempt_values(item.ending, now)) for item, _run, _settlement in kept],
    )
    parents = {run.parent_id for _item, run, settlement in kept if run.parent_id and settlement.status in TERMINAL}
    if parents:
        fanout.advance(parents, now=now)
    ring_on_commit(
        [run.queue for _item, run, settlement in kept if settlement.status == RunStatus.QUEUED and not settlement.delay]
    )
    for item, run, _settlement in kept:
        item.run.status = run.status


def _chunks(item: Finished) -> Sequence[LogChunk]:
    return not_stored(item.attempt, item.chunks) if item.is_doubtful else item.chunks


def _attempt_values(ending: Ending, now: datetime) -> tuple[Any, ...]:
    return (
        ending.status,
        ending.exit_code,
        ending.signal,
        ending.pid,
        ending.reason_code,
        ending.reason[:LONGEST_REASON],
        dict(ending.reason_args),
        now,
        ending.peak_memory_bytes,
        ending.cpu_seconds,
        ending.log_bytes,
        ending.log_truncated,
    )


def _changes(run: Run, ending: Ending, settlement: Settlement, *, now: datetime) -> dict[str, Any]:
    counters = settlement.counters
    changes: dict[str, Any] = {
        "tries_used": counters.tries_used,
        "lost_count": counters.lost_count,
        "released_count": counters.released_count,
        "reason_code": ending.reason_code,
        "reason": ending.reason[:LONGEST_REASON],
        "reason_args": dict(ending.reason_args),
        "exit_code": ending.exit_code,
        "outputs": dict(ending.outputs),
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
        changes |= cancel_columns(run)
    elif settlement.status == RunStatus.LOST and settlement.why:
        words = say(settlement.why, lost=counters.lost_count)
        changes |= words.columns()
    return changes
