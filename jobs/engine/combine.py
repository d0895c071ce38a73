"""Flat combining: threads that want the same thing done at the same time have it done in one go.

Each thread hands in a ticket and waits at the door. Whoever enters first serves every ticket that lies there,
so the more threads wait, the more one transaction does. When tickets come so fast that a short wait will bring
more of them, the one inside waits that long; a thread alone never waits.

With a clerk, a thread of its own does all the serving: what serving needs (a database connection) is then there once,
and not once for each thread that ever was the first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

EXPECTED_SECONDS = 0.01
IDLE_SECONDS = 1.0
WINDOW_SECONDS = 0.25  # over which the rate of tickets is measured


class Ticket(Generic[Ask, Answer]):
    """One thread's wish; serving it sets `answer` or `error`."""

    __slots__ = ("answer", "ask", "error", "is_served", "served")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.is_served = False
        self.served: threading.Event | None = None  # for who waits for a clerk


class Combiner(Generic[Ask, Answer]):
    """`serve(tickets)` is called by one thread at a time, with everything that was handed in meanwhile.

    What it raises is raised to every thread whose ticket it had. `most` bounds one serving, `linger` (seconds) the
    wait for company, which ends as soon as `enough` have come.
    """

    def __init__(
        self,
        serve: Callable[[Sequence[Ticket[Ask, Answer]]], None],
        *,
        most: int = 64,
        linger: float = 0.0,
        enough: int = 8,
    ) -> None:
        self._serve = serve
        self._most = most
        self._linger = linger
        self._enough = enough
        self._door = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[Ticket[Ask, Answer]] = []
        self._are_enough = threading.Event()
        self._seen: deque[float] = deque()
        self._expected = 0
        self._expected_until = 0.0
        self._rests_until = 0.0
        self._comes = threading.Event()
        self._clerk: threading.Thread | None = None
        self._is_closing = False

    def do(self, ask: Ask, *, is_urgent: bool = False) -> Answer | None:
        """Wait until the wish has been served, by the clerk, this thread or another. An urgent one ends a rest."""
        ticket: Ticket[Ask, Answer] = Ticket(ask)
        with self._lock:
            if self._clerk is not None:
                ticket.served = threading.Event()
            self._waiting.append(ticket)
            self._seen.append(time.monotonic())
            if is_urgent or len(self._waiting) >= (self._expected or self._enough):
                self._are_enough.set()
        if ticket.served is not None:
            self._comes.set()
            ticket.served.wait()
        while not ticket.is_served:
            with self._door:
                if not ticket.is_served:
                    self._wait_for_company()
                    self._serve_some()
        if ticket.error is not None:
            raise ticket.error
        return ticket.answer

    def expect(self, count: int) -> None:
        """So many threads have just been told to come: the next serving waits a moment for them."""
        with self._lock:
            self._expected, self._expected_until = count, time.monotonic() + EXPECTED_SECONDS

    def rest(self, seconds: float) -> None:
        """Others need the machine more: for so long nothing is served, unless enough or an urgent one have come."""
        with self._lock:
            self._rests_until = max(self._rests_until, time.monotonic() + seconds)

    # --- the clerk ---------------------------------------------------------------------------------------------
    def hire_clerk(self, name: str, *, after_idling: Callable[[], None], leaving: Callable[[], None]) -> None:
        """From now on a thread serves. It calls `after_idling` before it serves again after a second of nothing."""
        self._clerk = threading.Thread(target=self._serve_forever, args=(after_idling, leaving), name=name, daemon=True)
        self._clerk.start()

    def dismiss_clerk(self, timeout: float) -> None:
        """Who comes later serves itself."""
        with self._lock:
            clerk, self._clerk = self._clerk, None
        if clerk is not None:
            self._is_closing = True
            self._comes.set()
            clerk.join(timeout)

    def _serve_forever(self, after_idling: Callable[[], None], leaving: Callable[[], None]) -> None:
        while not self._is_closing or self._waiting:
            was_idle = not self._comes.wait(IDLE_SECONDS)
            if was_idle:
                self._comes.wait()
                after_idling()
            self._comes.clear()
            while self._waiting:
                with self._door:
                    self._wait_for_company()
                    self._serve_some()
        leaving()

    def _wait_for_company(self) -> None:
        if self._expected:
            missing, seconds = len(self._waiting) < self._expected, self._expected_until - time.monotonic()
            if missing and seconds > 0:
                self._are_enough.wait(seconds)
            self._expected = 0
        elif (rests := self._rests_until - time.monotonic()) > 0:
            self._are_enough.wait(rests)
        elif self._linger and self._rate() * self._linger >= 1 and len(self._waiting) < self._enough:
            self._are_enough.wait(self._linger)

    def _rate(self) -> float:
        """Tickets a second, lately."""
        with self._lock:
            long_ago = time.monotonic() - WINDOW_SECONDS
            while self._seen and self._seen[0] < long_ago:
                self._seen.popleft()
            return (len(self._seen) - 1) / WINDOW_SECONDS  # the one inside has come already

    def _serve_some(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._are_enough.clear()
        try:
            self._serve(batch)
        except BaseException as error:
            for ticket in batch:
                ticket.error = ticket.error or error
        finally:
            for ticket in batch:
                ticket.is_served = True
                if ticket.served is not None:
                    ticket.served.set()
