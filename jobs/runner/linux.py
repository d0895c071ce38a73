"""The few calls the standard library does not wrap, and the signal wake-up both loops need."""

from __future__ import annotations

import ctypes
import os
import signal
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def become_subreaper() -> None:
    """Orphaned descendants become our children instead of init's, setsid or not. Not inherited by a fork."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """SIGKILL for this process when the thread that forked it ends. Cleared by a fork and by setuid."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def oom_kill_count() -> int | None:
    """Processes the kernel has killed for memory since boot, on this host."""
    try:
        with open("/proc/vmstat", encoding="ascii") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
    except (OSError, ValueError):
        return None


def _note(_number: int, _frame: FrameType | None) -> None:
    """The byte in the wake-up pipe is the message."""


class ChildSignal:
    """A descriptor that becomes readable when a child has ended. Opened anew after each fork."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _note)

    def clear(self) -> None:
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._write_fd)


def ignore_stop_signals() -> None:
    """A service manager signals the whole group; zygote and runner follow the worker's socket instead."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
