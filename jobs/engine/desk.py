"""Where a worker's slots hand in what they finished and get their next run: one transaction each for all who wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from jobs.engine.claim import Claimed
from jobs.engine.combine import Combiner, Ticket
from jobs.engine.finish import Finished, finish_many


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one slot wants: settle `finished`, and get a run of `queue` (an empty name: none).

    `is_bell`: a bell has woken it, so it takes runs for idle slots too.
    """

    queue: str = ""
    finished: Finished | None = None
    is_bell: bool = False


@dataclass(kw_only=True)
class Served:
    """`written` is None when nothing was to be settled, False when the attempt was fenced.

    `unsettled` is what the database said instead: the result must be kept and brought again. `unclaimed` is why no
    run could be claimed, which is nobody's loss. `extras` are runs for idle slots, `more` is for how many others of
    them there is something to do besides.
    """

    written: bool | None = None
    claimed: Claimed | None = None
    unsettled: Exception | None = None
    unclaimed: Exception | None = None
    extras: list[Claimed] = field(default_factory=list)
    more: int = 0


@dataclass(frozen=True, kw_only=True)
class Room:
    """`free` slots hold no run; `called` of them have been told to come and claim one."""

    free: int
    called: int = 0


log = logging.getLogger(__name__)
CLOSING_SECONDS = 5.0
MOST_EXTRAS = 32  # one bell's; the slots that it wakes besides claim for themselves, and other workers may be quicker
REST_SECONDS, LONGEST_REST = 0.003, 0.05  # for each run that is about to start: what has ended can wait for it
LINGER_SECONDS = 0.02  # when slots come faster than that, they share a transaction
Claim = Callable[[str, int], list[Claimed]]


class Desk:
    """Thread-safe. `claim(queue, count)` gives up to `count` runs that this worker now holds.

    `more(queue)` says for how many idle slots there is something to do; `room()` how much the worker can take.
    """

    def __init__(
        self,
        claim: Claim,
        more: Callable[[str], int] = lambda queue: 0,
        room: Callable[[], Room | None] = lambda: None,
    ) -> None:
        self._claim = claim
        self._room = room
        self._more = more
        self._combiner: Combiner[Turn, Served] = Combiner(self._serve, linger=LINGER_SECONDS)

    def open(self) -> None:
        """A thread of its own does the work from now on: one connection to the ledger, however many slots there are."""
        self._combiner.hire_clerk("portal-desk", after_idling=_look_at_the_connection, leaving=_leave)

    def close(self) -> None:
        self._combiner.dismiss_clerk(CLOSING_SECONDS)

    def expect(self, count: int) -> None:
        """So many slots have just been woken."""
        self._combiner.expect(count)

    def let_start(self, count: int) -> None:
        """So many scripts are about to start."""
        self._combiner.rest(min(count * REST_SECONDS, LONGEST_REST))

    def turn(self, turn: Turn) -> Served:
        """Settle first, then claim."""
        served = self._combiner.do(turn, is_urgent=turn.is_bell)
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
                self._give(queue, asking)
            except Exception as error:
                _let_go_of_the_connection(error)
                for ticket in asking:
                    ticket.answer.unclaimed = error  # type: ignore[union-attr]

    def _give(self, queue: str, asking: Sequence[Ticket[Turn, Served]]) -> None:
        # A bell's ticket first: it goes on to wake others.
        asking = sorted(asking, key=lambda ticket: not ticket.ask.is_bell)
        wanted = self._wanted(asking)
        claimed = self._claim(queue, wanted) if wanted > 0 else []
        for ticket, each in zip(asking, claimed, strict=False):
            ticket.answer.claimed = each  # type: ignore[union-attr]
        asking[0].answer.extras = claimed[len(asking) :]  # type: ignore[union-attr]
        if len(claimed) == wanted > 0 and asking[0].ask.is_bell:
            asking[0].answer.more = self._more(queue)  # type: ignore[union-attr]

    def _wanted(self, asking: Sequence[Ticket[Turn, Served]]) -> int:
        """A run for each who asks, and for idle slots when a bell does; never more than there are slots to execute
        them: a run that was handed out holds a slot before one has come for it.
        """
        room = self._room()
        if room is None:
            return len(asking)
        free = room.free + sum(ticket.ask.finished is not None for ticket in asking)  # theirs are held until they go on
        extras = min(free - room.called - len(asking), MOST_EXTRAS) if asking[0].ask.is_bell else 0
        return min(len(asking) + max(extras, 0), free)

    def _settle(self, tickets: Sequence[Ticket[Turn, Served]]) -> None:
        """All in one transaction; when that fails, each by itself, so that one bad result harms no other."""
        items = [ticket.ask.finished for ticket in tickets if ticket.ask.finished is not None]
        if not items:
            return
        try:
            for ticket, written in zip(tickets, finish_many(items), strict=True):
                ticket.answer.written = written  # type: ignore[union-attr]
        except Exception as error:
            _let_go_of_the_connection(error)
            if len(tickets) == 1:
                tickets[0].answer.unsettled = error  # type: ignore[union-attr]
                return
            for ticket in tickets:
                self._settle([ticket])


def _look_at_the_connection() -> None:
    """Its server may be another by now; nothing that goes wrong here may end the thread that serves all slots."""
    try:
        close_old_connections()
    except Exception as error:
        log.warning("A connection could not be closed.", extra={"error": str(error)})


def _leave() -> None:
    """`connection` is another one in each thread: it is looked up here."""
    connection.close()


def _let_go_of_the_connection(error: Exception) -> None:
    """After a database error it may be dead; the next statement opens a new one."""
    if isinstance(error, DatabaseError) and not connection.in_atomic_block:
        connection.close()
