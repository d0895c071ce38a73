"""Flat combining: threads that want the same thing done at the same time have it done in one go.

Each thread hands in a ticket and waits at the door. Whoever enters first serves every ticket that lies there,
so the more threads wait, the more one transaction does; a thread alone pays nothing for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Ticket(Generic[Ask, Answer]):
    """One thread's wish; serving it sets `answer` or `error`."""

    __slots__ = ("answer", "ask", "error", "is_served")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.is_served = False


class Combiner(Generic[Ask, Answer]):
    """`serve(tickets)` is called by one thread at a time, with everything that was handed in meanwhile.

    What it raises is raised to every thread whose ticket it had; `most` bounds one serving.
    """

    def __init__(self, serve: Callable[[Sequence[Ticket[Ask, Answer]]], None], *, most: int = 64) -> None:
        self._serve = serve
        self._most = most
        self._door = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[Ticket[Ask, Answer]] = []

    def do(self, ask: Ask) -> Answer | None:
        """Wait until the wish has been served, by this thread or another."""
        ticket: Ticket[Ask, Answer] = Ticket(ask)
        with self._lock:
            self._waiting.append(ticket)
        while not ticket.is_served:
            with self._door:
                if not ticket.is_served:
                    self._serve_some()
        if ticket.error is not None:
            raise ticket.error
        return ticket.answer

    def _serve_some(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            self._serve(batch)
        except BaseException as error:
            for ticket in batch:
                ticket.error = ticket.error or error
        finally:
            for ticket in batch:
                ticket.is_served = True
