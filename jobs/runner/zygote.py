"""One small, single-threaded process per worker that forks runners: a millisecond each.

Each import here is a page or more in every runner, and a runner's fork copies them: keep it small.

Started as `python -I -S zygote.py <descriptor>`. It ends when the worker's end of that socket is closed and
its runners have ended. It kills what a runner that was itself killed leaves behind.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import socket
import sys

# Last, so that nothing of ours can stand in for the library.
sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))

from jobs.runner import deathline, frames, linux, tree
from jobs.runner.launch import lower_limit
from jobs.runner.supervise import serve

FIRST_PAUSE = 5  # milliseconds between two looks for orphans that do not die


class Zygote:
    def __init__(self, control: socket.socket, *, has_deathline: bool) -> None:
        self._has_deathline = has_deathline
        self._control: socket.socket | None = control
        self._runners: set[int] = set()
        self._child_signal = linux.ChildSignal()
        self._waiting: list[tuple[int, int]] = []  # (dead runner, descriptor to close when its orphans are gone)
        self._orphans = False
        self._pause = FIRST_PAUSE

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
        broken = any(status != 0 or pid not in self._runners for pid, status, _ in ended)
        self._runners -= {pid for pid, _, _ in ended}
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
            serve(socket.socket(fileno=fd), has_deathline=self._has_deathline)
            code = 0
        except BaseException:  # a forked child never returns into the loop
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)


def main() -> None:
    os.chdir("/")
    os.umask(0o077)
    lower_limit(resource.RLIMIT_CORE, 0)
    linux.outlive_stop_signals()
    linux.become_subreaper()
    has_deathline = deathline.is_obeyed()
    gc.collect()
    gc.disable()  # it would touch, and so copy, shared pages in each runner; a runner retires before it grows
    gc.freeze()
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    Zygote(control, has_deathline=has_deathline).serve()


if __name__ == "__main__":
    main()
