"""One small, single-threaded process per worker that forks runners: a millisecond each.

Started as `python -I -S zygote.py <descriptor>`. It ends when the worker's end of that socket is closed and
its runners have ended. It kills what a runner that was itself killed leaves behind.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import sys
import time
import traceback
from pathlib import Path

# Last, so that nothing of ours can stand in for the library.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from jobs.runner import frames, linux, tree
from jobs.runner.supervise import run_attempt

OOM_LOOK_SECONDS = 5
FIRST_PAUSE = 5  # milliseconds between two looks for orphans that do not die


class Zygote:
    def __init__(self, control: socket.socket) -> None:
        self._control: socket.socket | None = control
        self._runners: set[int] = set()
        self._child_signal = linux.ChildSignal()
        self._waiting: list[tuple[int, int]] = []  # (dead runner, descriptor to close when its orphans are gone)
        self._orphans = False
        self._pause = FIRST_PAUSE
        self._oom_kills: int | None = None
        self._oom_look_at = float("-inf")

    def serve(self) -> None:
        while self._control is not None or self._runners or self._orphans:
            poll = select.poll()
            poll.register(self._child_signal.fd, select.POLLIN)
            if self._control is not None:
                poll.register(self._control, select.POLLIN)
            ready = {fd for fd, _ in poll.poll(self._pause if self._orphans else None)}
            self._child_signal.clear()
            self._tend()
            if self._control is not None and self._control.fileno() in ready:
                self._obey(self._control)

    def _tend(self) -> None:
        """Reap. A runner that did not end by itself left orphans, and they are our children now."""
        ended, empty = tree.reap()
        broken = any(status != 0 or pid not in self._runners for pid, status in ended.items())
        self._runners -= ended.keys()
        if broken or self._orphans:
            self._orphans = not empty and bool(tree.kill_descendants(skip=self._runners))
            self._pause = min(self._pause * 2, 1000)
        if not self._orphans:
            self._pause = FIRST_PAUSE
            self._answer()

    def _answer(self) -> None:
        """A dying runner closes its socket before its children become ours, so it must be reaped first."""
        for runner, fd in self._waiting:
            if runner not in self._runners:
                os.close(fd)
        self._waiting = [(runner, fd) for runner, fd in self._waiting if runner in self._runners]

    def _look_at_oom_kills(self) -> None:
        """Reading /proc/vmstat takes as long as a fork, so not for each one."""
        now = time.monotonic()
        if now >= self._oom_look_at:
            self._oom_look_at = now + OOM_LOOK_SECONDS
            self._oom_kills = linux.oom_kill_count()

    def _obey(self, control: socket.socket) -> None:
        try:
            message, fds, _, _ = socket.recv_fds(control, 16, 1)
        except ConnectionError:
            message, fds = b"", []
        for fd in fds:
            os.set_inheritable(fd, False)  # recv_fds drops its flags argument: MSG_CMSG_CLOEXEC would be lost
        if not message:
            control.close()
            self._control = None
        elif not fds:  # no descriptor was free: the worker sees its socket closed and tries again
            return
        elif message == frames.FORK:
            self._fork(control, fds[0])
        elif message.startswith(frames.BARRIER):
            (runner,) = frames.PID.unpack_from(message, len(frames.BARRIER))
            self._waiting.append((runner, fds[0]))
            self._orphans = True
            self._tend()

    def _fork(self, control: socket.socket, fd: int) -> None:
        self._look_at_oom_kills()
        try:
            pid = os.fork()
        except OSError as error:  # out of processes or memory: the worker sees the closed socket
            sys.stderr.write(f"No runner could be forked: {error}.\n")
            os.close(fd)
            return
        if pid:
            self._runners.add(pid)
            os.close(fd)
            return
        code = 70
        try:
            control.close()
            self._child_signal.close()
            for _, waiting in self._waiting:
                os.close(waiting)
            run_attempt(socket.socket(fileno=fd), self._oom_kills)
            code = 0
        except BaseException:  # a forked child never returns into the loop
            traceback.print_exc()
        finally:
            os._exit(code)


def main() -> None:
    os.chdir("/")
    linux.outlive_stop_signals()
    linux.become_subreaper()
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, shared pages in each runner
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    Zygote(control).serve()


if __name__ == "__main__":
    main()
