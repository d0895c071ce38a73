"""Threads that send and do nothing else: they get bags of parcels, hand in outcomes, and never speak with the database.

A channel that hangs keeps a thread, so there may be many; they are started when all others are busy and end when idle.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from alerts.parcels import Destination, Outcome, Parcel, send
from alerts.transports import DeliveryError
from jobs.dbclock import boot_seconds
from portal.lib.failpoints import failpoint
from portal.lib.said import said

log = logging.getLogger(__name__)
IDLE_SECONDS = 30.0
Send = Callable[[Destination, Parcel], object]


@dataclass(kw_only=True)
class Bag:
    """Messages for one channel, sent one after the other by one thread while their leases last.

    `lease_ends` is of the boot clock and moved on by whoever renews; `lost` are parcels that somebody else has by now.
    """

    destination: Destination
    parcels: list[Parcel]
    lease_ends: float
    lost: set[int] = field(default_factory=set)
    is_stopped: bool = False  # give back what is not begun
    under_way_since: float | None = None
    claimed_at: float = field(default_factory=boot_seconds)

    def may_send(self, parcel: Parcel) -> bool:
        return not self.is_stopped and parcel.id not in self.lost and boot_seconds() < self.lease_ends


class Senders:
    """Thread-safe. `hand_in` is called for each parcel as soon as it is known what became of it, `done` at the end."""

    def __init__(self, *, hand_in: Callable[[Outcome], None], done: Callable[[Bag], None], most: int) -> None:
        self._hand_in = hand_in
        self._done = done
        self._most = most
        self._bags: queue.SimpleQueue[Bag] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting = 0

    def put(self, bag: Bag) -> None:
        """There must have been `room` for it."""
        with self._lock:
            if self._waiting <= self._bags.qsize() and self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._serve, name="portal-sender", daemon=True).start()
        self._bags.put(bag)

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._waiting += 1
            try:
                bag = self._bags.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                bag = None
            with self._lock:
                self._waiting -= 1
                if bag is None and self._bags.empty():
                    self._threads -= 1
                    return
            if bag is not None:
                self._empty(bag)

    def _empty(self, bag: Bag) -> None:
        try:
            for outcome in _outcomes(bag):
                self._hand_in(outcome)
        finally:
            self._done(bag)


def _outcomes(bag: Bag) -> Iterator[Outcome]:
    """After a failure the rest goes back: it would only wait for the same."""
    for parcel in bag.parcels:
        began = boot_seconds()
        if not bag.may_send(parcel):
            yield Outcome(parcel=parcel, began=began, ended=began)
            continue
        bag.under_way_since = began
        outcome = _sent(bag.destination, parcel, began)
        bag.under_way_since = None
        failpoint("dispatch.after_send")
        yield outcome
        if outcome.error is not None:
            bag.is_stopped = True


def _sent(destination: Destination, parcel: Parcel, began: float) -> Outcome:
    try:
        receipt = send(destination, parcel)
        return Outcome(parcel=parcel, began=began, ended=boot_seconds(), receipt=receipt)
    except DeliveryError as error:
        return Outcome(parcel=parcel, began=began, ended=boot_seconds(), error=error)
    except Exception as error:  # a kind of a third party; the thread must go on
        log.exception("A message could not be sent.", extra={"notification": parcel.id})
        words = said("The message could not be prepared (%(cause)s): tell the people who run the portal.")
        problem = DeliveryError(words % {"cause": type(error).__name__})
        return Outcome(parcel=parcel, began=began, ended=boot_seconds(), error=problem)
