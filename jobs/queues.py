"""What is decided about queues: limits and pauses. A queue without a row has neither."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping

from django.db import connection, transaction

from accounts import audit
from accounts.models import User
from jobs.bells import ring
from jobs.models import Queue, Run
from jobs.reasons import Reason, say
from jobs.states import RunStatus, WaitReason

KEPT_SECONDS = 1.0


class _Known:
    """All rows, as of at most a second ago; there are few."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, Queue] = {}
        self._until = 0.0

    def rows(self) -> Mapping[str, Queue]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._rows = {row.name: row for row in Queue.objects.all()}
                self._until = time.monotonic() + KEPT_SECONDS
            return self._rows

    def forget(self) -> None:
        with self._lock:
            self._until = 0.0


_known = _Known()


def limits_of(names: Collection[str]) -> dict[str, Queue]:
    """Name → row of those queues that have one, at most a second old. Most have none: then a claim asks no more."""
    rows = _known.rows()
    return {name: rows[name] for name in names if name in rows}


def forget() -> None:
    """Read the rows again at the next question (after a change in this process; tests use the same names again)."""
    _known.forget()


def lock(name: str) -> Queue | None:
    """The row as it is now, locked until the transaction ends: one decision at a time for a queue with a limit."""
    rows = Queue.objects.filter(name=name)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    return rows.first()


def running_count(name: str) -> int:
    """Runs of the queue that execute now, of all tenants; a container executes nothing."""
    return Run.objects.filter(queue=name, status=RunStatus.RUNNING, is_container=False).count()


def refusal(queue: Queue | None, *, running: int) -> Reason | None:
    """Why no (further) run of the queue may start while `running` do; None when one may."""
    if queue is None:
        return None
    if queue.is_paused:
        return say(WaitReason.QUEUE_PAUSED, queue=queue.name)
    if queue.running_limit is not None and running >= queue.running_limit:
        return say(WaitReason.QUEUE_LIMIT, queue=queue.name, count=running, limit=queue.running_limit)
    return None


def save(queue: Queue, *, actor: User | None) -> None:
    """Write the row; every claim knows it within a second."""
    with transaction.atomic():
        queue.save()
        facts = {"running_limit": queue.running_limit, "is_paused": queue.is_paused}
        audit.record("jobs.queue.saved", actor=actor, target=queue, summary=queue.name, details=facts)
    forget()


def delete(queue: Queue, *, actor: User | None) -> None:
    """Forget what was decided about the queue; its runs go on without limit or pause."""
    with transaction.atomic():
        audit.record("jobs.queue.deleted", actor=actor, target=queue, summary=queue.name)
        queue.delete()
    forget()


def set_paused(name: str, *, paused: bool, actor: User | None) -> bool:
    """Pause or resume the queue of that name, which needs no row before. False: it was so already."""
    queue = Queue.objects.filter(name=name).first() or Queue(name=name)
    if queue.is_paused == paused:
        return False
    queue.is_paused = paused
    queue.full_clean()
    save(queue, actor=actor)
    if not paused:
        ring(name)
    return True
