"""Bells for a moment to come, put off until then without a slot that waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

MOST = 16  # at once; who is one too many goes at once, which finds nothing or something, and costs one look
STEP_SECONDS = 0.01  # nearer moments share an alarm


class Alarms:
    """Thread-safe. One alarm for each queue and moment, however many bells name them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: set[tuple[str, int]] = set()

    def put_off(self, queue: str, at: float, seconds: float, go: Callable[[], object]) -> bool:
        """Call `go` in so many seconds, in a thread of its own. False: it can't be put off."""
        key = (queue, int(at // STEP_SECONDS))
        with self._lock:
            if key in self._set:
                return True
            if len(self._set) >= MOST:
                return False
            self._set.add(key)
        timer = threading.Timer(seconds, self._ring, (key, go))
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # this machine has no thread left
            self._forget(key)
            return False
        return True

    def _ring(self, key: tuple[str, int], go: Callable[[], object]) -> None:
        self._forget(key)
        go()

    def _forget(self, key: tuple[str, int]) -> None:
        with self._lock:
            self._set.discard(key)
