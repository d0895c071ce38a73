"""Takes over what dead workers left: expired leases, and a restarted worker's own attempts at once."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from jobs import dbclock
from jobs.engine import owners
from jobs.engine.finish import Ending, finish
from jobs.models import Attempt, Run, WorkerNode
from jobs.reasons import say
from jobs.states import AttemptStatus, ReasonCode, RunStatus

log = logging.getLogger(__name__)
MOST_AT_ONCE = 200
YOUNG = timedelta(seconds=15)  # a runner ends its script within a few seconds of its worker's death


def reap(now: datetime) -> int:
    """End the attempts whose lease has expired; idempotent. Returns how many runs were taken over."""
    expired = Run.objects.filter(status=RunStatus.RUNNING, lease_until__lt=now).order_by("lease_until")
    runs = expired.select_related("worker", "revision")[:MOST_AT_ONCE]
    return sum(lose(run, "worker_lost.lease_expired", expired_at=now) for run in runs)


def release_own_dead(node: WorkerNode) -> int:
    """At start: end the attempts of earlier processes of this slot on this host, if none of their processes lives."""
    dead = WorkerNode.objects.filter(slot=node.slot, host=node.host, stopped_at=None).exclude(pk=node.pk)
    released = 0
    now = dbclock.now()
    for old in dead:
        if old.boot_id == node.boot_id and is_process_alive(old.pid):
            continue
        runs = Run.objects.filter(status=RunStatus.RUNNING, worker=old).select_related("worker", "revision")
        gone = [run for run in runs if old.boot_id != node.boot_id or not _runner_lives(run, now)]
        released += sum(lose(run, "worker_lost.restarted") for run in gone)
        if len(gone) == len(runs):
            WorkerNode.objects.filter(pk=old.pk).update(stopped_at=node.started_at)
    return released


def lose(run: Run, key: str, *, expired_at: datetime | None = None) -> bool:
    """End the run's open attempt as lost, by the same guarded write as any end; `key` names the sentence."""
    attempt = Attempt.objects.filter(run=run, token=run.token).first()
    if attempt is None:
        log.error("A running run has no attempt with its token.", extra={"run": run.pk})
        return False
    words = say(ReasonCode.WORKER_LOST, key, worker=attempt.worker_name)
    ending = Ending.because(AttemptStatus.LOST, words, log_bytes=stored_log_bytes(attempt))
    return finish(run, attempt, ending, expired_at=expired_at)


def stored_log_bytes(attempt: Attempt) -> int:
    """How much of the log had reached the ledger before the worker died."""
    return sum(len(text.encode()) for text in attempt.chunks.values_list("text", flat=True).iterator())


def is_process_alive(pid: int) -> bool:
    """Whether a process with this id exists and is no zombie. A recycled id only delays: the lease decides then."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def _runner_lives(run: Run, now: datetime) -> bool:
    """Whether a process of the run may still be there: its runner is, or it is too young to have been noted."""
    attempts = Attempt.objects.filter(run=run, token=run.token)
    for number, in_ledger, started_at in attempts.values_list("number", "pid", "started_at"):
        pids = {in_ledger, owners.noted(run.pk, number)} - {None}
        if any(is_process_alive(pid) for pid in pids if pid) or (not pids and now - started_at < YOUNG):
            return True
        owners.forget(run.pk, number)
    return False
