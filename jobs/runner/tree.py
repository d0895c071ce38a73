"""Find and kill descendants. The caller is a subreaper, so every descendant hangs below it, setsid or not."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection


def parent_of(pid: int) -> int | None:
    """None when there is no such process, or only its zombie, which its parent has yet to reap."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # The command name may hold spaces and brackets: count from the last one.
            state, parent = stat.read().rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state in (b"Z", b"X") else int(parent)


def descendants(root: int, *, skip: Collection[int] = ()) -> list[tuple[int, int]]:
    """(pid, parent) of everything alive below `root`, parents first, without the subtrees in `skip`.

    One pass over /proc: /proc/<pid>/task/*/children is missing from many kernels.
    """
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := parent_of(int(name))) is not None:
            children.setdefault(parent, []).append(int(name))
    found: list[tuple[int, int]] = []
    queue = [root]
    while queue:
        parent = queue.pop(0)
        below = [child for child in children.get(parent, ()) if child not in skip]
        found += [(child, parent) for child in below]
        queue += below
    return found


def kill_descendants(*, skip: Collection[int] = ()) -> set[int]:
    """SIGKILL everything below this process once; the caller reaps and repeats until nothing is left."""
    me = os.getpid()
    return {pid for pid, parent in descendants(me, skip=skip) if _kill(pid, parent, me)}


def _kill(pid: int, parent: int, me: int) -> bool:
    """A number may have been reused since we looked, so pin the process first and look again."""
    try:
        pinned = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if parent_of(pid) not in (parent, me):
            return False
        signal.pidfd_send_signal(pinned, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(pinned)
    return True


def reap() -> tuple[dict[int, int], bool]:
    """Collect every ended child: {pid: wait status}, and whether no child is left at all.

    The second value proves that the tree is empty: whatever still lives hangs below a child of the subreaper.
    """
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, True
        if pid == 0:
            return ended, False
        ended[pid] = status
