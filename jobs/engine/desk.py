"""Where a worker's slots hand in what they finished and get their next run: one transaction each for all who wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import OperationalError, connection

from jobs.engine.claim import Claimed, is_deadlock
from jobs.engine.combine import Combiner, Ticket
from jobs.engine.finish import Finished, finish_many


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one slot wants: settle `finished`, and get a run of `queue` (an empty name: none)."""

    queue: str = ""
    finished: Finished | None = None


@dataclass(kw_only=True)
class Served:
    """`written` is None when nothing was to be settled, False when the attempt was fenced.

    `unsettled` is what the database said instead: the result must be kept and brought again. `unclaimed` is why no
    run could be claimed, which is nobody's loss.
    """

    written: bool | None = None
    claimed: Claimed | None = None
    unsettled: Exception | None = None
    unclaimed: Exception | None = None


MOST_DEADLOCKS = 5
LINGER_SECONDS = 0.02  # when slots come faster than that, they share a transaction
Claim = Callable[[str, int], list[Claimed]]


class Desk:
    """Thread-safe. `claim(queue, count)` gives up to `count` runs that this worker now holds."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._combiner: Combiner[Turn, Served] = Combiner(self._serve, linger=LINGER_SECONDS)

    def turn(self, turn: Turn) -> Served:
        """Settle first, then claim."""
        served = self._combiner.do(turn)
        assert served is not None  # noqa: S101 - `_serve` answers or raises
        return served

    def _serve(self, tickets: Sequence[Ticket[Turn, Served]]) -> None:
        for ticket in tickets:
            ticket.answer = Served()
        self._settle([ticket for ticket in tickets if ticket.ask.finished is not None])
        queues: dict[str, list[Ticket[Turn, Served]]] = {}
        for ticket in tickets:
            if ticket.ask.queue and not (ticket.answer and ticket.answer.unsettled):
                queues.setdefault(ticket.ask.queue, []).append(ticket)
        for queue, asking in queues.items():
            try:
                for ticket, claimed in zip(asking, self._claim(queue, len(asking)), strict=False):
                    ticket.answer.claimed = claimed  # type: ignore[union-attr]
            except Exception as error:
                _let_go_of_the_connection(error)
                for ticket in asking:
                    ticket.answer.unclaimed = error  # type: ignore[union-attr]

    def _settle(self, tickets: Sequence[Ticket[Turn, Served]]) -> None:
        """All in one transaction; when that fails, each by itself, so that one bad result harms no other."""
        items = [ticket.ask.finished for ticket in tickets if ticket.ask.finished is not None]
        if not items:
            return
        try:
            for ticket, written in zip(tickets, _finish(items), strict=True):
                ticket.answer.written = written  # type: ignore[union-attr]
        except Exception as error:
            _let_go_of_the_connection(error)
            if len(tickets) == 1:
                tickets[0].answer.unsettled = error  # type: ignore[union-attr]
                return
            for ticket in tickets:
                self._settle([ticket])


def _finish(items: Sequence[Finished]) -> list[bool]:
    """Deadlocks are nobody's fault: the same again."""
    for _time in range(MOST_DEADLOCKS):
        try:
            return finish_many(items)
        except OperationalError as error:
            if not is_deadlock(error):
                raise
    return finish_many(items)


def _let_go_of_the_connection(error: Exception) -> None:
    """After a database error it may be dead; the next statement opens a new one."""
    if isinstance(error, DatabaseError) and not connection.in_atomic_block:
        connection.close()
