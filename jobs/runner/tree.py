"""Find and kill descendants. The caller is a subreaper, so every descendant hangs below it, setsid or not."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection
from resource import struct_rusage


class Process:
    __slots__ = ("group", "parent", "pid")

    def __init__(self, pid: int, parent: int, group: int) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group


def look(pid: int) -> Process | None:
    """None when there is no such process, or only its zombie, which its parent has yet to reap."""
    try:
        stat = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # The command name may hold spaces and brackets: count from the last one.
        state, parent, group = os.read(stat, 4096).rpartition(b")")[2].split()[:3]
    except (OSError, ValueError):
        return None
    finally:
        os.close(stat)
    return None if state in (b"Z", b"X") else Process(pid, int(parent), int(group))


def descendants(root: int, *, skip: Collection[int] = ()) -> list[Process]:
    """Everything alive below `root`, parents first, without the subtrees in `skip`.

    One pass over /proc: /proc/<pid>/task/*/children is missing from many kernels.
    """
    children: dict[int, list[Process]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := look(int(name))) is not None:
            children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    queue = [root]
    while queue:
        below = [process for process in children.get(queue.pop(0), ()) if process.pid not in skip]
        found += below
        queue += [process.pid for process in below]
    return found


def kill_descendants(*, skip: Collection[int] = ()) -> set[int]:
    """SIGKILL everything below this process once; the caller reaps and repeats until nothing is left."""
    me = os.getpid()
    found = descendants(me, skip=skip)
    # Groups first: a group dies in one blow, while a process may fork between our look and our signal.
    # The script began its own session, so a group with one descendant has no other members.
    for group in {process.group for process in found} - {os.getpgrp()}:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    return {process.pid for process in found if _kill(process, me)}


def _kill(process: Process, me: int) -> bool:
    """A number may have been reused since we looked, so pin the process first and look again."""
    try:
        pinned = os.pidfd_open(process.pid)
    except OSError:
        return True  # the blow to its group has ended it
    try:
        now = look(process.pid)
        if now is not None and now.parent not in (process.parent, me):
            return False
        signal.pidfd_send_signal(pinned, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(pinned)
    return True


def look_stopped(pid: int) -> bool:
    """Whether the process is frozen by SIGSTOP."""
    return _state(pid) == b"T"


def _state(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return b""


def command_of(pid: int) -> bytes:
    """Its argument list; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read()
    except OSError:
        return b""


def reap() -> tuple[list[tuple[int, int, struct_rusage]], bool]:
    """Collect every ended child as (pid, wait status, what it and those it had waited for used), and whether no child
    is left at all.

    The second value proves that the tree is empty: whatever still lives hangs below a child of the subreaper.
    """
    ended: list[tuple[int, int, struct_rusage]] = []
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, True
        if pid == 0:
            return ended, False
        ended.append((pid, status, usage))
