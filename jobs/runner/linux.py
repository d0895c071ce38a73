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

_prctl = ctypes.CDLL(None, use_errno=True).prctl
_prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)  # told once, so that a call right after a fork does little


def prctl(option: int, value: int) -> None:
    if _prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def become_subreaper() -> None:
    """Orphaned descendants become our children instead of init's, setsid or not. Not inherited by a fork."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """SIGKILL for this process when the thread that forked it ends. Cleared by a fork and by setuid."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def go_first() -> bool:
    """Run before every ordinary process of this host, but for what it is made to leave them; False: we may not.

    Not inherited by a fork.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        return False
    return True


def go_as_before(was_first: bool) -> None:
    if was_first:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class OomCount:
    """How many processes the kernel has killed for memory: of our own cgroup where it tells, else of this host."""

    def __init__(self) -> None:
        self._path, self._before = next(
            (place for place in _oom_places() if _count_after(*place) is not None), ("/proc/vmstat", b"\noom_kill ")
        )

    def read(self) -> int | None:
        return _count_after(self._path, self._before)


def _oom_places() -> list[tuple[str, bytes]]:
    """Files that count, the nearest first: cgroup v2, cgroup v1 as the host sees it, the same inside a container."""
    try:
        groups = [line.split(":", 2) for line in _read("/proc/self/cgroup").decode().splitlines()]
    except OSError:
        return []
    own = {names: path.rstrip("/") for _, names, path in groups}
    places = []
    if "" in own:
        places.append((f"/sys/fs/cgroup{own['']}/memory.events", b"\noom_kill "))
    if "memory" in own:
        roots = (f"/sys/fs/cgroup/memory{own['memory']}", "/sys/fs/cgroup/memory")
        places += [(f"{root}/memory.oom_control", b"\noom_kill ") for root in roots]
    return places


def _count_after(path: str, before: bytes) -> int | None:
    try:
        _, _, rest = _read(path).partition(before)
        return int(rest.partition(b"\n")[0]) if rest else None
    except (OSError, ValueError):
        return None


def thread_count() -> int:
    """Of the whole host: cheap to ask, unlike our own descendants. 0 when it can't be told."""
    try:
        return int(_read("/proc/loadavg").split()[3].partition(b"/")[2])
    except (OSError, ValueError, IndexError):
        return 0


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 64 * 1024)
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
