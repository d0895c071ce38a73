"""The post office: in every long-lived process a thread makes passes over the ledger, and another one sends.

Any number of offices may run; each piece of work excludes the others by its own locks. An office outlives a database
that is gone, and whatever goes wrong in a pass.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from alerts import channels, inbox, retention
from alerts.clockwork import pass_time
from alerts.consume import consume
from alerts.dispatch import Dispatcher
from alerts.turns import Turns
from jobs import dbclock

log = logging.getLogger(__name__)

# What is done in turn: [(its name in OfficeTurn, the function)]. Each answers how much it did, or None when another
# process had its turn: who only waits has done nothing, and must not hide that nobody does it.
PASSES: list[tuple[str, Callable[[], int | None]]] = [("consume", consume), ("pass_time", pass_time)]

# What has time, each whatever becomes of the others.
CHORES: list[tuple[str, Callable[[datetime], int | None]]] = [
    ("fire drills", channels.drill),
    ("inbox", inbox.prune),
    ("retention", retention.keep_up),
]

DISPATCH = "dispatch"
IDLE_SECONDS = 1.0
BUSY_SECONDS = 0.5
AFTER_TROUBLE_SECONDS = 2.0
SEND_IDLE_SECONDS = 0.5  # what is due waits no longer for a sender
CLOSING_SECONDS = 5.0
CHORES_SECONDS = 60.0


class Office:
    """`start`, and `stop` within seconds; both may be called twice."""

    def __init__(self, *, dispatcher: Dispatcher | None = None, passes: bool = True) -> None:
        self.dispatcher = dispatcher or Dispatcher()
        self._makes_passes = passes
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._turns = Turns(self.dispatcher.name)
        self._chores_boot = 0.0

    def start(self) -> None:
        if self._threads or self._stopping.is_set():
            return
        loops = [("portal-post", self._send_forever)]
        if self._makes_passes:
            loops.append(("portal-office", self._pass_forever))
        self._threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops]
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = CLOSING_SECONDS) -> None:
        """Messages under way may end; what is not begun is given back."""
        self._stopping.set()
        self.dispatcher.nudge()
        ends = dbclock.boot_seconds() + seconds + 2
        for thread in self._threads:
            thread.join(max(ends - dbclock.boot_seconds(), 0.1))

    # --- passes -------------------------------------------------------------------------------------------------------

    def _pass_forever(self) -> None:
        while not self._stopping.is_set():
            done = _guarded("passes", self.make_passes)
            if done:
                self.dispatcher.nudge()
            wait = AFTER_TROUBLE_SECONDS if done is None else BUSY_SECONDS if done else IDLE_SECONDS
            self._stopping.wait(wait)
        _let_go()

    def make_passes(self) -> int | None:
        """Each pass once, whatever becomes of the others; how much was done, or None when one failed."""
        counts: list[int | None] = []
        for name, function in list(PASSES):
            if self._stopping.is_set():
                break
            counts.append(_guarded(name, partial(self._make, name, function)))
        self._chores()
        return None if None in counts else sum(filter(None, counts))

    def _make(self, name: str, function: Callable[[], int | None]) -> int:
        done = function()
        if done is not None:
            self._turns.was_done(name)
        return done or 0

    def _chores(self) -> None:
        """What has time."""
        boot = dbclock.boot_seconds()
        if boot - self._chores_boot >= CHORES_SECONDS:
            self._chores_boot = boot
            for name, function in CHORES:
                _guarded(name, lambda function=function: function(dbclock.now()))  # type: ignore[misc]

    # --- sending ------------------------------------------------------------------------------------------------------

    def _send_forever(self) -> None:
        while not self._stopping.is_set():
            done = _guarded(DISPATCH, self.send_round)
            if done is None:
                self._stopping.wait(AFTER_TROUBLE_SECONDS)
            elif not done:
                self.dispatcher.wait(SEND_IDLE_SECONDS if self.dispatcher.is_busy else IDLE_SECONDS)
        _guarded("closing", lambda: self.dispatcher.close(CLOSING_SECONDS))
        _let_go()

    def send_round(self) -> int:
        """One round of the dispatcher; how much was done."""
        done = self.dispatcher.round().total
        self._turns.was_done(DISPATCH)
        return done

    def once(self, seconds: float = 60.0) -> int:
        """In the foreground: all passes, then rounds until nothing is due or under way any more."""
        done = self.make_passes() or 0
        ends = dbclock.boot_seconds() + seconds
        while dbclock.boot_seconds() < ends:
            this = self.send_round()
            done += this
            if not this and not self.dispatcher.is_busy:
                break
            self.dispatcher.wait(0.1)
        self.dispatcher.close(CLOSING_SECONDS)
        return done


def _guarded(name: str, function: Callable[[], int | None]) -> int | None:
    """None when it failed: that is logged, the connection is let go, and the thread goes on."""
    try:
        close_old_connections()
        return function() or 0
    except DatabaseError as error:
        log.warning("The ledger failed the post office's %s; it tries again.", name, extra={"error": str(error)})
    except Exception:
        log.exception("The post office's %s failed; it goes on.", name)
    _let_go()
    return None


def _let_go() -> None:
    try:
        dbclock.clock.reset()
        connection.close()
    except Exception as error:
        log.warning("A connection could not be closed.", extra={"error": str(error)})


_lock = threading.Lock()
_office: Office | None = None


def open_office() -> Office:
    """This process's office, started."""
    global _office  # noqa: PLW0603 - one per process
    with _lock:
        if _office is None:
            _office = Office()
            atexit.register(close_office)
    _office.start()
    return _office


def close_office() -> None:
    """Within seconds; nothing when it was never opened."""
    if _office is not None:
        _office.stop()
