"""One bell wakes as many of its worker's idle slots as there are runs for.

A Celery message costs both sides one to two milliseconds, in which scripts could have started; slots of the same
process can be woken for nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connection

from jobs import dbclock
from jobs.engine import statements

log = logging.getLogger(__name__)
Submit = Callable[[Callable[[], None]], object]
WAITING = """
SELECT COUNT(*) FROM (SELECT 1 FROM jobs_run WHERE queue = %s AND status = 'queued' AND not_before <= %s
AND target_slot IN ('', %s) LIMIT %s) waiting
"""


class Wakeup:
    """Thread-safe. `submit(function)` has a slot's thread call it; `serve(queue)` is what a slot does."""

    def __init__(
        self,
        submit: Submit | None = None,
        serve: Callable[[str], int] = lambda queue: 0,
    ) -> None:
        self._submit = submit
        self._serve = serve
        self._waking = 0
        self._lock = threading.Lock()

    def wanted(self, queue: str, slot: str, *, idle: int) -> int:
        """How many of the idle slots have something to do; one look into the index."""
        idle -= self._waking
        if self._submit is None or idle <= 0:
            return 0
        return int(statements.values(WAITING, [queue, statements.moment(dbclock.now()), slot, idle])[0][0])

    def wake(self, queue: str, count: int) -> None:
        for _slot in range(count if self._submit is not None else 0):
            with self._lock:
                self._waking += 1
            try:
                self._submit(lambda: self._go(queue))  # type: ignore[misc]
            except RuntimeError:  # the pool is being shut down
                self._came()
                return

    def _came(self) -> None:
        with self._lock:
            self._waking -= 1

    def _go(self, queue: str) -> None:
        self._came()
        try:
            self._serve(queue)
        except Exception:
            log.exception("A slot that was woken failed; the sweep rings again.")
        finally:
            connection.close()  # as Celery does after a task: the thread's next run must not find a dead one
