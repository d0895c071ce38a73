"""The sending half of a post office: one clerk speaks with the ledger, senders carry messages (`alerts.senders`).

A round writes what senders handed in, renews leases, and hands out what is due (`alerts.slots` says to whom). No
transaction is open while a message is on its way, and one connection serves however many channels hang.
"""

from __future__ import annotations

import logging
import os
import platform
import queue
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError

from alerts import digests, fallbacks, inboxkind, leases, marks, retries, setaside, slots
from alerts.models import Channel
from alerts.parcels import Outcome, destination_of
from alerts.senders import Bag, Senders
from alerts.transports import TRANSPORTS
from jobs import dbclock
from portal.lib.plugins import UnknownKindError

log = logging.getLogger(__name__)
RENEW_AFTER = 0.25  # of a lease
LONGEST_BAG = timedelta(minutes=10)  # no transport takes so long: then its lease is let go
TEND_SECONDS = 1.0
MINUTE = timedelta(minutes=1)
MOST_MARKS = 100
LINGER_SECONDS = 0.01
SENT_WITHIN = 0.85  # of a lease; afterwards nothing more is begun


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round did."""

    settled: int = 0
    handed_out: int = 0
    tended: int = 0

    @property
    def total(self) -> int:
        return self.settled + self.handed_out + self.tended


class Dispatcher:
    """One per process. `round` and `close` belong to one thread; `wait` sleeps until there may be something to do."""

    def __init__(self, *, name: str = "", most_threads: int = slots.MOST_THREADS) -> None:
        self.name = (name or f"{platform.node()}/{os.getpid()}")[:120]
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._kept: list[Outcome] = []  # what the ledger could not take yet
        self._bags: list[Bag] = []
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._senders = Senders(hand_in=self._hand_in, done=self._done, most=most_threads)
        self._renewed_at = self._tended_at = 0.0
        self._paused: dict[int, tuple[float, int]] = {}  # channel → until when (boot clock), after how many failures
        self._served: dict[int, int] = {}  # channel → the number of its last bag
        self._bag_count = 0
        self._is_closing = False

    # --- the senders' side --------------------------------------------------------------------------------------------

    def _hand_in(self, outcome: Outcome) -> None:
        self._outcomes.put(outcome)
        self._changed.set()

    def _done(self, bag: Bag) -> None:
        with self._lock:
            self._bags.remove(bag)
        self._changed.set()

    # --- the clerk's side ---------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Until a sender hands something in, or so long."""
        if self._changed.wait(seconds):
            time.sleep(LINGER_SECONDS)  # what comes meanwhile shares a transaction
        self._changed.clear()

    def nudge(self) -> None:
        """There may be something new."""
        self._changed.set()

    @property
    def is_busy(self) -> bool:
        with self._lock:
            return bool(self._bags) or bool(self._kept) or not self._outcomes.empty()

    def round(self) -> Round:
        """Everything once. Raises what the database raises; nothing is lost by that."""
        settled = self._settle()
        self._renew()
        if self._is_closing:
            return Round(settled=settled)
        now = dbclock.now()
        due = leases.due(now)
        tended = self._tend(due, now)
        return Round(settled=settled, handed_out=self._hand_out(due.pending, now), tended=tended)

    def close(self, seconds: float) -> None:
        """Let the tries under way end, within a time, and give back what is not begun."""
        self._is_closing = True
        for bag in self._open_bags():
            bag.is_stopped = True
        ends = dbclock.boot_seconds() + seconds
        while self.is_busy and dbclock.boot_seconds() < ends:
            self.wait(0.1)
            try:
                self._settle()
            except DatabaseError:
                self.wait(0.5)

    def _open_bags(self) -> list[Bag]:
        with self._lock:
            return list(self._bags)

    # --- what came back -----------------------------------------------------------------------------------------------

    def _settle(self) -> int:
        settled = 0
        while self._collect():
            part = self._kept[:MOST_MARKS]
            settled += self._write(part)
            self._kept = self._kept[len(part) :]
        return settled

    def _collect(self) -> bool:
        while True:
            try:
                self._kept.append(self._outcomes.get_nowait())
            except queue.Empty:
                return bool(self._kept)

    def _write(self, outcomes: Sequence[Outcome]) -> int:
        """All at once; when that fails for another reason than the ledger, each by itself: one must not stop all."""
        now, boot = dbclock.now(), dbclock.boot_seconds()
        times = {
            each.parcel.id: (now - timedelta(seconds=boot - each.began), now - timedelta(seconds=boot - each.ended))
            for each in outcomes
        }
        try:
            settled = marks.settle(outcomes, now=now, times=times)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            if len(outcomes) > 1:
                return sum(self._write([each]) for each in outcomes)
            log.exception("The end of a try could not be kept: it is made again.")
            return 0
        self._note_pauses(outcomes)
        return settled

    def _note_pauses(self, outcomes: Sequence[Outcome]) -> None:
        """A channel that failed is left alone for a while: nobody hammers what is down."""
        for each in sorted(outcomes, key=lambda one: one.ended):
            if each.error is None:
                if each.receipt is not None:
                    self._paused.pop(each.parcel.channel, None)
                continue
            if each.is_about_its_people:
                continue
            failures = self._paused.get(each.parcel.channel, (0.0, 0))[1] + 1
            pause = max(retries.pause_of(failures), each.error.retry_after or timedelta(0))
            self._paused[each.parcel.channel] = (each.ended + pause.total_seconds(), failures)

    # --- what is out --------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        boot = dbclock.boot_seconds()
        if boot - self._renewed_at < leases.lease().total_seconds() * RENEW_AFTER:
            return
        bags = [bag for bag in self._open_bags() if boot - bag.claimed_at < LONGEST_BAG.total_seconds()]
        parcels = [parcel for bag in bags for parcel in bag.parcels]
        if parcels:
            held = leases.renew(parcels, now=dbclock.now())
            for bag in bags:
                bag.lost = {parcel.id for parcel in bag.parcels} - held
                bag.lease_ends = boot + leases.lease().total_seconds() * SENT_WITHIN
        self._renewed_at = boot

    def _tend(self, due: leases.Due, now: datetime) -> int:
        """What nobody asks for: ended leases, held messages, queues behind channels in trouble."""
        boot = dbclock.boot_seconds()
        if boot - self._tended_at < TEND_SECONDS:
            return 0
        self._tended_at = boot
        done = leases.reap(now) if due.is_any_ended else 0
        done += digests.release(due.held, now=now)
        return done + (fallbacks.sweep(now) if due.is_any_failing or due.is_any_sending else 0)

    # --- what goes out ------------------------------------------------------------------------------------------------

    def _hand_out(self, due: Collection[int], now: datetime) -> int:
        if not due:
            return 0
        rows = {row.pk: row for row in Channel.objects.filter(pk__in=due).select_related("fallback", "tenant")}
        done = 0
        for row in list(rows.values()):
            if not setaside.is_open(row):
                done += setaside.set_aside(row, now=now)
                del rows[row.pk]
            elif row.kind == inboxkind.KIND:
                done += inboxkind.deliver_due(row, now=now, sender=self.name)
                del rows[row.pk]
        return done + sum(self._fill(rows[channel], size, now) for channel, size in self._shares(rows.values(), now))

    def _shares(self, rows: Collection[Channel], now: datetime) -> list[tuple[int, int]]:
        bags = self._open_bags()
        boot = dbclock.boot_seconds()
        slow = [bag for bag in bags if bag.under_way_since and boot - bag.under_way_since > slots.SLOW_SECONDS]
        left = _left_in_this_minute(rows, now)
        states = [
            slots.ChannelState(
                id=row.pk,
                bags=sum(bag.destination.id == row.pk for bag in bags),
                slow=sum(bag.destination.id == row.pk for bag in slow),
                is_failing=row.failing_since is not None,
                is_paused=self._is_paused(row, boot),
                left=left.get(row.pk),
                served=self._served.get(row.pk, 0),
            )
            for row in rows
        ]
        troubled = {state.id for state in states if state.is_troubled} | {bag.destination.id for bag in slow}
        in_trouble = sum(bag.destination.id in troubled for bag in bags)
        busy = {"troubled": in_trouble, "quick": len(bags) - in_trouble, "all": len(bags)}
        return slots.share(states, busy=busy)

    def _is_paused(self, channel: Channel, boot: float) -> bool:
        """One that works again, or was changed since it failed, need not wait."""
        if channel.failing_since is None:
            self._paused.pop(channel.pk, None)
        return self._paused.get(channel.pk, (0.0, 0))[0] > boot

    def _fill(self, channel: Channel, size: int, now: datetime) -> int:
        boot = dbclock.boot_seconds()
        self._bag_count += 1
        self._served[channel.pk] = self._bag_count  # also when others took it all: its turn is over
        parcels = leases.claim(channel.pk, size, now=now, sender=self.name)
        if not parcels:
            return 0
        ends = boot + leases.lease().total_seconds() * SENT_WITHIN
        bag = Bag(destination=destination_of(channel), parcels=parcels, lease_ends=ends)
        with self._lock:
            self._bags.append(bag)
        self._senders.put(bag)
        return len(parcels)


def _left_in_this_minute(rows: Collection[Channel], now: datetime) -> dict[int, int]:
    """For channels whose service takes so many messages a minute: how many it still takes."""
    limits = {row.pk: limit for row in rows if (limit := _limit_of(row.kind)) is not None}
    if not limits:
        return {}
    tries = leases.tries_within(list(limits), since=now - MINUTE)
    return {channel: limit - tries.get(channel, 0) for channel, limit in limits.items()}


def _limit_of(kind: str) -> int | None:
    try:
        return TRANSPORTS.get(kind).per_minute
    except UnknownKindError:
        return None
