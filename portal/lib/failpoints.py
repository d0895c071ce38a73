"""Failpoints: named moments at which a test makes this process die, fail or freeze; no-ops in ordinary life.

`PORTAL_FAILPOINTS="tick.before_commit=kill,claim.after_commit=freeze:3@2"`: at each named point the process kills
itself (`kill`: SIGKILL, as the kernel would), raises FailpointReached (`raise`) or stands still for so many seconds
(`freeze:3`: this thread alone; `stop`: SIGSTOP, the whole process). `@2` waits for the second time the point is
reached, and acts only then. Production refuses to start while the variable is set (`portal.checks`).
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

VARIABLE = "PORTAL_FAILPOINTS"

# Every point there is, and what has happened when it is reached. Code names none but these; a test compares.
POINTS = {
    "tick.before_commit": "the runs, events and cursors of a batch are written, not committed",
    "tick.after_commit": "the batch is committed, its bells are not rung yet",
    "claim.before_commit": "runs are moved to running and their attempts are open, not committed",
    "claim.after_commit": "a worker holds runs in the ledger and has started nothing",
    "finish.before_commit": "the ends of attempts are written, not committed",
    "finish.after_commit": "attempts have ended in the ledger; their slots don't know it yet",
    "alerts.before_commit": "states, incidents and messages of a batch of events are written, not committed",
    "dispatch.after_send": "the other side has taken a message; nothing says so yet",
    "dispatch.before_mark": "messages are marked as sent, not committed",
    "beat.before_tick": "beat has asked for the time and is about to tick",
}

_ENTRY = re.compile(r"([a-z_.]+)=(kill|raise|stop|freeze:(\d+(?:\.\d+)?))(?:@([1-9]\d*))?")


class FailpointError(Exception):
    """The variable can't be read; the message says why."""


class FailpointReached(Exception):
    """What `raise` raises."""


@dataclass(kw_only=True)
class _Armed:
    action: str
    seconds: float
    only_at: int | None
    reached: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self) -> bool:
        with self.lock:
            self.reached += 1
            return self.only_at is None or self.reached == self.only_at


def parse(text: str) -> dict[str, _Armed]:
    """The armed points by name; raises FailpointError for an unknown point or action."""
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise FailpointError(f"{entry!r} is not name=kill, =raise, =stop or =freeze:seconds, perhaps with @count.")
        name, action, seconds, only_at = match.groups()
        if name not in POINTS:
            raise FailpointError(f"There is no failpoint {name!r}: choose from {', '.join(sorted(POINTS))}.")
        found[name] = _Armed(
            action=action.partition(":")[0], seconds=float(seconds or 0), only_at=int(only_at) if only_at else None
        )
    return found


_armed: dict[str, _Armed] = parse(os.environ.get(VARIABLE, ""))


def failpoint(name: str) -> None:
    """Do here what the environment asks for; nothing, at the price of one look at an empty dict, when it asks not."""
    if _armed and (point := _armed.get(name)) is not None and point.is_due():
        _act(name, point)


@contextmanager
def armed(text: str) -> Iterator[None]:
    """For tests in one process: these points instead of the environment's."""
    global _armed  # noqa: PLW0603 - one table per process, as the environment is
    before, _armed = _armed, parse(text)
    try:
        yield
    finally:
        _armed = before


def _act(name: str, point: _Armed) -> None:
    if point.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif point.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif point.action == "freeze":
        time.sleep(point.seconds)
    else:
        raise FailpointReached(name)
