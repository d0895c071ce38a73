"""One bell wakes as many of its worker's idle slots as there are runs for.

A Celery message costs both sides one to two milliseconds, in which scripts could have started; slots of the same
process can be woken for nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from django.db import connection

from jobs import dbclock
from jobs.engine import statements
from jobs.engine.claim import Claimed

log = logging.getLogger(__name__)
Submit = Callable[[Callable[[], None]], object]
WAITING = """
SELECT COUNT(*) FROM (SELECT 1 FROM jobs_run WHERE queue = %s AND status = 'queued' AND not_before <= %s
AND target_slot IN ('', %s) LIMIT %s) waiting
"""


Serve = Callable[[str, Claimed | None], int]


class Wakeup:
    """Thread-safe. `submit(function)` has a slot's thread call it; `serve(queue, claimed)` is what a slot does.

    It begins with what was `claimed` for it, or claims for itself.
    """

    def __init__(self, submit: Submit | None = None, serve: Serve = lambda queue, claimed: 0) -> None:
        self._submit = submit
        self._serve = serve
        self._waking = 0
        self._lock = threading.Lock()

    def wanted(self, queue: str, slot: str, *, idle: int) -> int:
        """How many of the idle slots have something to do; one look into the index."""
        idle -= self.waking
        if self._submit is None or idle <= 0:
            return 0
        return int(statements.values(WAITING, [queue, statements.moment(dbclock.now()), slot, idle])[0][0])

    def wake(self, queue: str, count: int) -> None:
        """So many slots that claim for themselves."""
        for _slot in range(count):
            if not self._tell(queue, None):
                return

    def hand_out(self, queue: str, claimed: Sequence[Claimed]) -> list[Claimed]:
        """A slot for each of the runs. Those for which none will come, because the pool is being shut down."""
        return [each for each in claimed if not self._tell(queue, each)]

    def call(self, function: Callable[[], object]) -> bool:
        """Have a slot's thread do it as if a bell had come: it may come to nothing, so no slot counts on it."""
        try:
            if self._submit is not None:
                self._submit(lambda: _guarded(function))
        except RuntimeError:  # the pool is being shut down
            return False
        return self._submit is not None

    @property
    def waking(self) -> int:
        """Slots that were told to come and have not come yet."""
        return self._waking

    @property
    def can_wake(self) -> bool:
        return self._submit is not None

    def _tell(self, queue: str, claimed: Claimed | None) -> bool:
        if self._submit is None:
            return False
        is_waking = claimed is None  # who holds a run is known to be busy
        with self._lock:
            self._waking += is_waking
        try:
            self._submit(lambda: self._go(queue, claimed))
        except RuntimeError:  # the pool is being shut down
            self._came(is_waking=is_waking)
            return False
        return True

    def _came(self, *, is_waking: bool) -> None:
        with self._lock:
            self._waking -= is_waking

    def _go(self, queue: str, claimed: Claimed | None) -> None:
        self._came(is_waking=claimed is None)
        _guarded(lambda: self._serve(queue, claimed))


def _guarded(function: Callable[[], object]) -> None:
    try:
        function()
    except Exception:
        log.exception("A slot that was woken failed; the sweep rings again.")
    finally:
        connection.close()  # as Celery does after a task: the thread's next run must not find a dead one
