"""The few calls the standard library does not wrap, and the signal wake-up both loops need."""

from __future__ import annotations

import ctypes
import os
import signal
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

HANDLED = {
    signal.SIGCHLD,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGPIPE,
    signal.SIGXFSZ,
}

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
        fd = os.open("/proc/vmstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        _, _, rest = os.read(fd, 64 * 1024).partition(b"\noom_kill ")
        return int(rest.partition(b"\n")[0]) if rest else None
    finally:
        os.close(fd)


def _note(_number: int, _frame: FrameType | None) -> None:
    """The byte in the wake-up pipe is the message."""


def outlive_stop_signals() -> None:
    """A service manager signals the whole group; zygote and runner follow the worker's socket instead.

    Handled, not ignored: exec gives handled signals back their default, so that a script starts clean and the
    fork before it has nothing to do. SIGPIPE and SIGXFSZ are here because Python ignores them.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, _note if number in HANDLED else signal.SIG_DFL)
        except (OSError, ValueError):  # the C library keeps two for itself
            continue


class ChildSignal:
    """A descriptor that becomes readable when a child has ended. Opened anew after each fork."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)

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
