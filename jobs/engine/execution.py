"""One attempt under way on this worker: how others interrupt it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum

from jobs import dbclock
from jobs.engine.claim import Claimed
from jobs.ledgersql import update_many
from jobs.logs import LogWriter
from jobs.models import Attempt


class Interrupt(StrEnum):
    """Why an attempt is stopped from outside; the first one counts."""

    NONE = ""
    CANCELLED = "cancelled"
    FENCED = "fenced"  # the lease was lost: the result is thrown away
    RELEASED = "released"  # the worker drains: the run goes back to the queue


class Execution:
    """Thread-safe. `deadline` is the boot-clock second by which the script must be gone unless the lease is renewed."""

    def __init__(self, claimed: Claimed, writer: LogWriter, deadline: float) -> None:
        self.claimed = claimed
        self.writer = writer
        self.deadline = deadline
        self.interrupted = Interrupt.NONE
        self.is_begun = False  # the executor has it: from here on something of the job may have happened
        self.exit_codes: Mapping[str, str] = {}  # the job's own meaning of single codes
        self.pid: int | None = None  # of the runner, which outlives every process of the attempt
        self.is_noted = False  # the pid is in the ledger
        self._lock = threading.Lock()
        self._on_interrupt: list[Callable[[], None]] = []
        self._on_extend: list[Callable[[float], None]] = []

    def on_interrupt(self, callback: Callable[[], None]) -> None:
        """Call when interrupted; at once if it already is."""
        with self._lock:
            self._on_interrupt.append(callback)
            late = self.interrupted
        if late:
            callback()

    def on_extend(self, callback: Callable[[float], None]) -> None:
        """Call with the new deadline (boot clock) each time the lease is renewed."""
        with self._lock:
            self._on_extend.append(callback)

    def interrupt(self, why: Interrupt) -> None:
        with self._lock:
            if self.interrupted:
                return
            self.interrupted = why
            callbacks = list(self._on_interrupt)
        for callback in callbacks:
            callback()

    def extend(self, deadline: float) -> None:
        with self._lock:
            self.deadline = deadline
            callbacks = list(self._on_extend)
        for callback in callbacks:
            callback(deadline)


def note_runners(executions: Collection[Execution]) -> None:
    """Which process owns a script, for a restarted worker; one that ends within a second never needs it."""
    rows = [(each.claimed.attempt.pk, each.pid) for each in executions if each.pid and not each.is_noted]
    if rows:
        update_many(Attempt, ["id"], ["pid"], rows)
    for each in executions:
        each.is_noted = each.pid is not None


def fence_expired(executions: Collection[Execution]) -> None:
    """Scripts are ended by their runners; this is for SQL and HTTP, which wait in our own threads."""
    boot = dbclock.boot_seconds()
    for execution in executions:
        if boot >= execution.deadline:
            execution.interrupt(Interrupt.FENCED)
