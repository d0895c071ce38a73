"""What is known of an attempt's end, and the frame that tells it."""

from __future__ import annotations

import os
import signal
import time
from resource import struct_rusage

from jobs.runner import frames, linux
from jobs.runner.outbox import Outbox

OOM_LOOK_SECONDS = 5
KILLED = 128 + signal.SIGKILL  # how a shell tells that its child was killed


class OomWatch:
    """Whether the kernel has killed for memory since an attempt began, give or take a few seconds."""

    def __init__(self) -> None:
        self._count = linux.OomCount()
        self._look_at = float("-inf")
        self.before: int | None = None

    def begin(self) -> None:
        """Reading the count may take as long as a fork, so not for each attempt."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + OOM_LOOK_SECONDS
            self.before = self._count.read()

    def explains(self, status: int) -> bool:
        """A SIGKILL of the main process, or of a shell's child, while the kernel killed for memory."""
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == KILLED):
            return False
        before, after = self.before, self._count.read()
        self._look_at = float("-inf")  # the next attempt counts from here
        return before is not None and after is not None and after > before


class Facts:
    def __init__(self) -> None:
        self.started_at = time.time()
        self.started_monotonic = time.monotonic()
        self.ended_at = self.ended_monotonic = 0.0
        self.status: int | None = None  # of the main process, once it was reaped
        self.reason = ""  # in frames.REASONS; empty: it ended by itself
        self.killed: set[int] = set()
        self._peak_kilobytes = 0
        self._cpu_seconds = 0.0

    def add(self, usage: struct_rusage) -> None:
        """Of one reaped process and of all it had waited for. Memory is the largest process's, not their sum."""
        self._cpu_seconds += usage.ru_utime + usage.ru_stime
        self._peak_kilobytes = max(self._peak_kilobytes, usage.ru_maxrss)

    def end(self, status: int, now: float) -> None:
        self.status = status
        self.ended_at, self.ended_monotonic = time.time(), now

    def frame(self, main: int, outbox: Outbox, oom: OomWatch, failure: bytes) -> bytes:
        status = self.status or 0
        body = frames.END_BODY.pack(
            frames.REASONS.index(self.reason or "exited"),
            os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
            os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            self.started_at,
            self.ended_at,
            self.started_monotonic,
            self.ended_monotonic,
            self._peak_kilobytes * 1024,
            self._cpu_seconds,
            outbox.output_bytes,
            outbox.dropped_bytes,
            len(self.killed - {main}),
            not self.reason and oom.explains(status),
        )
        return frames.pack(frames.END, body + failure)


def never_started(reason: str) -> bytes:
    """The frame of an attempt that was refused."""
    body = frames.END_BODY.pack(frames.REASONS.index(reason), -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, False)
    return frames.pack(frames.END, body)
