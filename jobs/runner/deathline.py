"""The script dies with its runner, whoever else is dead: for scripts that were not forked by Python code of ours.

`prctl(PR_SET_PDEATHSIG)` has to be called by the child itself, between its fork and its exec. posix_spawn(), which
copies no page and so costs a third, runs nothing of ours there. So the kernel is asked for the same in another way:
a pipe that only the runner holds, whose reader has asked to be told of events (O_ASYNC) by SIGKILL (F_SETSIG), sent
to the script's process group (F_SETOWN). The event is the closing of the writing end, when the runner has died.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time

F_SETSIG = 10  # fcntl has no name for it
PATIENCE_SECONDS = 2.0


class Deathline:
    def __init__(self) -> None:
        # The kernel closes the descriptors of a dead process one after another, in an order that it does not promise.
        # One pair has the writing end below, the other above: in one of them it goes first, whatever the order.
        first, first_write = os.pipe2(os.O_CLOEXEC)
        low, second_write = os.pipe2(os.O_CLOEXEC)
        second = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, second_write + 1)
        os.close(low)
        self._ends = (first, second)
        self._writes = (first_write, second_write)
        for fd in self._ends:
            fcntl.fcntl(fd, F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)

    def arm(self, group: int) -> None:
        """From here on the group dies with this process; 0 takes that back."""
        for fd in self._ends:
            fcntl.fcntl(fd, fcntl.F_SETOWN, -group)

    def close(self) -> None:
        """In a child that does not exec: the writing ends first."""
        for fd in (*self._writes, *self._ends):
            os.close(fd)


def is_obeyed() -> bool:
    """Whether this kernel keeps to it: try it on two children. The caller is a subreaper without other children."""
    read, write = os.pipe2(os.O_CLOEXEC)
    runner = os.fork()
    if runner == 0:
        try:
            _die_before_the_script(write)
        finally:
            os._exit(1)
    os.close(write)
    raw = os.read(read, 32)
    os.close(read)
    os.waitpid(runner, 0)
    if not raw:
        return False
    _, status = os.waitpid(int(raw), 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _die_before_the_script(write: int) -> None:
    deathline = Deathline()
    script = os.fork()
    if script == 0:
        deathline.close()
        time.sleep(PATIENCE_SECONDS)
        os._exit(0)
    os.setpgid(script, script)
    deathline.arm(script)
    os.write(write, str(script).encode())
    os._exit(0)
