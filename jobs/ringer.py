"""Rings in a thread of its own, so that a slow or frozen broker holds up nobody who has work due.

A bell costs about a millisecond and wakes a worker, whose slots go on until nothing is eligible: no queue gets more
bells in a short while than its workers need, however many runs come due.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

log = logging.getLogger(__name__)
WINDOW_SECONDS = 0.1  # in which a queue gets no more bells than that
WINDOWS = 3  # in a row: a bell may come to a worker that has no free slot
MOST_BELLS = 64  # where nobody knows how many it needs


class Call(NamedTuple):
    """Bells for a queue. `at`, in seconds since the epoch: nothing is to be claimed before."""

    queue: str
    times: int
    at: float | None = None


class Ringer:
    """Thread-safe. `send(call)` does the ringing and says whether the broker took it."""

    def __init__(self, send: Callable[[Call], bool]) -> None:
        self._send = send
        self._wanted: Counter[tuple[str, bool]] = Counter()  # (queue, whether for a moment to come)
        self._at: dict[str, float] = {}  # that moment, by queue
        self._rung: Counter[tuple[str, bool]] = Counter()  # in this window; what is due waits for nothing that is not
        self._window_ends = 0.0
        self._enough: dict[str, int] | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def want(self, queue: str, times: int, at: float | None = None) -> None:
        """Have it rung soon. Costs no input or output. Of several moments to come, the last counts: they are near."""
        key = (queue, at is not None)
        with self._changed:
            if at is not None:
                self._at[queue] = max(at, self._at[queue]) if self._wanted[key] else at
            self._wanted[key] = min(self._wanted[key] + times, self._most(queue) * WINDOWS)
            if self._thread is None:
                self._thread = threading.Thread(target=self._forever, name="portal-ringer", daemon=True)
                self._thread.start()
            self._changed.notify()

    def know(self, enough: Mapping[str, int]) -> None:
        """How many bells each served queue needs at once to wake all of its workers; the others get one at a time."""
        with self._changed:
            self._enough = dict(enough)

    def _most(self, queue: str) -> int:
        enough = MOST_BELLS if self._enough is None else self._enough.get(queue, 1)
        return min(max(enough, 1), MOST_BELLS)

    def take(self, now: float) -> tuple[list[Call], float | None]:
        """What may be rung at this moment (monotonic seconds), and in how many seconds more may (None: no more)."""
        calls = []
        with self._changed:
            if now >= self._window_ends:
                self._rung.clear()
                self._window_ends = now + WINDOW_SECONDS
            for key, wanted in self._wanted.items():
                queue, is_ahead = key
                times = min(wanted, self._most(queue) - self._rung[key])
                if times > 0:
                    self._rung[key] += times
                    calls.append(Call(queue, times, self._at[queue] if is_ahead else None))
            self._wanted = +(self._wanted - Counter({(call.queue, call.at is not None): call.times for call in calls}))
            return calls, self._window_ends - now if self._wanted else None

    def _forever(self) -> None:
        while True:
            calls, more_in = self.take(time.monotonic())
            for call in calls:
                if not self._is_sent(call):
                    with self._changed:
                        self._wanted.clear()  # what waits is rung for again every second; a dead broker is not flooded
                    break
            with self._changed:
                if not self._wanted or (not calls and more_in):
                    self._changed.wait(more_in)

    def _is_sent(self, call: Call) -> bool:
        """Whatever a broker's client raises must not end the thread: nobody would ring any more."""
        try:
            return self._send(call)
        except Exception:
            log.exception("A bell could not be rung; runs wait for the next sweep.")
            return False
