"""The claim: which queued runs this worker executes next. Overlap and quotas are decided here, for the whole cluster.

One transaction locks some due runs (SKIP LOCKED: no two claims look at the same one), then their jobs in the order of
their ids, and waits for those locks, so that two claims on runs of one job never decide at the same moment. On SQLite
the transaction itself is exclusive.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db import OperationalError, connection, transaction

from jobs import dbclock
from jobs.deadlocks import is_deadlock
from jobs.engine import fanout
from jobs.engine.candidates import Line, PassedOver
from jobs.engine.offer import Offer
from jobs.engine.scene import Scene
from jobs.freezes import active_freezes
from jobs.ledgersql import insert_many, update_many
from jobs.models import Attempt, Run, RunEvent, WorkerNode
from jobs.reasons import Reason
from jobs.runs import move
from jobs.scheduling.calendars import FreezeSpan
from jobs.states import AttemptStatus, ReasonCode, RunStatus, WaitReason
from portal.lib.failpoints import failpoint

log = logging.getLogger(__name__)
MOST_LOOKS = 200  # at blocked runs by one claim; the sweep rings again for what is behind them
MOST_REACH = 64  # runs, and their jobs, that one look locks
OF_THE_QUEUE = {WaitReason.QUEUE_LIMIT, WaitReason.QUEUE_PAUSED}  # what is behind waits for the same
OF_THE_JOB = {WaitReason.OVERLAP, WaitReason.NO_CAPABLE_WORKER, WaitReason.NODE_BUSY}

STARTED = {
    "status": RunStatus.RUNNING,
    "wait_reason": WaitReason.NONE,
    "reason": "",
    "reason_code": ReasonCode.NONE,
    "reason_args": {},
}


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A run this worker holds, with the attempt that will execute it. `boot` is when the claim began (boot clock)."""

    run: Run
    attempt: Attempt
    boot: float


Hold = Callable[[Sequence[Claimed]], None]


def claim(
    node: WorkerNode, queue: str, *, offer: Offer, lease: timedelta, count: int = 1, hold: Hold = lambda taken: None
) -> list[Claimed]:
    """Up to `count` eligible runs of the queue, moved to running, each with a fresh token and attempt.

    `hold` gets what each look took as soon as that is committed: the next look may wait for a lock for long.
    """
    asking = _Asking(node=node, queue=queue, offer=offer, lease=lease)
    claimed: list[Claimed] = []
    for _look in range(MOST_LOOKS):
        try:
            taken, is_over = _look_at(asking, count - len(claimed))
        except Exception as error:
            if isinstance(error, OperationalError) and is_deadlock(error):
                log.info("A claim gave way to another transaction and looks again.")
                continue
            if not claimed:
                raise
            log.warning("A claim could not look further; what it took is executed.", exc_info=error)
            break
        failpoint("claim.after_commit")
        hold(taken)
        claimed += taken
        if is_over or len(claimed) >= count:
            break
    return claimed


@dataclass(kw_only=True)
class _Asking:
    """One claim, from look to look: what the worker still offers, and what it need not look at again."""

    node: WorkerNode
    queue: str
    offer: Offer
    lease: timedelta
    passed: PassedOver = field(default_factory=PassedOver)
    reach: int = 1  # runs of one look, where more than are wanted: it doubles with each look that takes none

    def line(self, due: datetime, frozen: Sequence[FreezeSpan]) -> Line:
        return Line(queue=self.queue, slot=self.node.slot, passed=self.passed, due=due, frozen=frozen)


def _look_at(asking: _Asking, wanted: int) -> tuple[list[Claimed], bool]:
    """One transaction: what it took, and whether there is nothing more to look at."""
    boot = dbclock.boot_seconds()
    with transaction.atomic():
        now = dbclock.now()
        # A busy machine takes only what has waited too long; the sweep says so to the rest.
        due = now - asking.offer.longest_wait if asking.offer.is_shut else now
        reach = max(wanted, asking.reach)
        runs, were_all = asking.line(due, active_freezes(now)).lock_next(reach)
        if not runs:
            return [], were_all
        scene = Scene.of(runs, asking.offer, now=now)
        clear: list[Run] = []
        waits: list[tuple[Run, Reason]] = []
        is_blocked = is_closed = False
        for run in takewhile(lambda _next: len(clear) < wanted, runs):  # a wide look may find more
            run.job, run.tenant = scene.jobs[run.job_id], scene.tenants[run.tenant_id]
            verdict = scene.judge(run)
            if verdict.is_clear:
                scene.take(run)
                if run.is_container:
                    fanout.expand(run, now=now)
                    is_blocked = True
                else:
                    clear.append(run)
                continue
            is_blocked = True
            if verdict.skip is not None:
                move(run, RunStatus.SKIPPED, now=now, **verdict.skip.columns())
            elif verdict.wait is not None:
                _note(asking.passed, run, verdict.wait.code)
                waits.append((run, verdict.wait))
                is_closed |= verdict.wait.code in OF_THE_QUEUE
        label(waits)
        claimed = _take(clear, asking.node, now=now, lease=asking.lease, boot=boot) if clear else []
        failpoint("claim.before_commit")
    asking.offer = scene.offer
    asking.reach = reach if clear else min(reach * 2, MOST_REACH)
    return claimed, is_closed or (were_all and not is_blocked)


def _note(passed: PassedOver, run: Run, wait: str) -> None:
    if wait == WaitReason.TENANT_QUOTA:
        passed.tenants.add(run.tenant_id)
    elif wait in OF_THE_JOB:
        passed.jobs.add(run.job_id)
    else:
        passed.runs.add(run.pk)


def label(waits: Sequence[tuple[Run, Reason]]) -> int:
    """Write why queued runs wait, where that has changed; one statement for all with the same reason."""
    groups: dict[str, tuple[Reason, list[int]]] = {}
    for run, reason in waits:
        if (run.wait_reason, run.reason) != (reason.code, reason.text):
            groups.setdefault(reason.text, (reason, []))[1].append(run.pk)
    written = 0
    for reason, keys in groups.values():
        columns = reason.columns() | {"wait_reason": reason.code, "reason_code": ""}
        written += Run.objects.filter(pk__in=keys, status=RunStatus.QUEUED).update(**columns)
    return written


def waited_for(run: Run) -> tuple[str, str, dict[str, Any]]:
    """What the run had last been kept waiting by, for its history; the reason of a retry is the attempt's own."""
    if run.wait_reason in (WaitReason.NONE, WaitReason.RETRY_BACKOFF):
        return "", "", {}
    return run.wait_reason, run.reason, run.reason_args


def _take(runs: Sequence[Run], node: WorkerNode, *, now: datetime, lease: timedelta, boot: float) -> list[Claimed]:
    """Running, with token + 1: from here on a write with an older token changes nothing."""
    until = now + lease
    update_many(
        Run,
        ["id"],
        ["token", "started_at"],
        [(run.pk, run.token + 1, run.started_at or now) for run in runs],
        where={"status": RunStatus.QUEUED},
        same=STARTED | {"lease_until": until, "worker": node.pk},
    )
    for run in runs:
        run.status, run.token, run.worker, run.lease_until = RunStatus.RUNNING, run.token + 1, node, until
        run.started_at = run.started_at or now
    attempts = [
        Attempt(
            run=run,
            number=run.tries_used + run.lost_count + run.released_count + 1,
            token=run.token,
            worker=node,
            worker_name=node.name,
            status=AttemptStatus.RUNNING,
            started_at=now,
        )
        for run in runs
    ]
    _open(attempts)
    insert_many(
        RunEvent,
        ["run", "reason_code", "reason", "reason_args"],
        [(run.pk, *waited_for(run)) for run in runs],
        same={"old": RunStatus.QUEUED, "new": RunStatus.RUNNING, "at": now, "processed_at": now},
    )
    return [Claimed(run=run, attempt=attempt, boot=boot) for run, attempt in zip(runs, attempts, strict=True)]


def _open(attempts: Sequence[Attempt]) -> None:
    """Insert them and set their keys."""
    columns = ["run", "number", "token"]
    rows = [(each.run_id, each.number, each.token) for each in attempts]
    first = attempts[0]
    same = {name: getattr(first, name) for name in ("worker_id", "worker_name", "status", "started_at")}
    can_return = connection.features.can_return_rows_from_bulk_insert
    keys = dict(insert_many(Attempt, columns, rows, same=same, returning=["run", "id"] if can_return else []))
    if not can_return:  # MySQL
        opened = Attempt.objects.filter(run__in=[each.run_id for each in attempts], status=AttemptStatus.RUNNING)
        keys = dict(opened.values_list("run", "pk"))
    for each in attempts:
        each.pk = keys[each.run_id]
        each._state.adding, each._state.db = False, connection.alias
