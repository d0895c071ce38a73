"""The worker's end of the connection to one runner."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket

from jobs.runner import tree

READ_BYTES = 64 * 1024
LOOK_SECONDS = 10.0  # of silence, after which we look whether the runner is frozen
MOST_WAKES = 3


class Connection:
    """`owner` is the zygote that forked the runner, and that kills what the runner would leave behind."""

    def __init__(self, sock: socket.socket, pid: int, owner: object) -> None:
        self.pid = pid
        self.owner = owner
        self.attempts = 0
        self.idle_since = 0.0
        self._socket = sock
        self._wakes = 0
        sock.settimeout(LOOK_SECONDS)

    def start(self, order: bytes) -> bool:
        """Hand over an attempt. False: the runner was dead, and nothing was started."""
        self.attempts += 1
        return self.send(order)

    def send(self, frame: bytes) -> bool:
        try:
            self._socket.sendall(frame)
        except OSError:
            return False
        return True

    def receive(self) -> bytes:
        """Blocks; empty when the runner is gone."""
        while True:
            try:
                return self._socket.recv(READ_BYTES)
            except TimeoutError:
                self.wake()
            except OSError:
                return b""

    def wake(self) -> None:
        """A runner frozen by SIGSTOP keeps no limit and heeds no cancel: continue it, and end one that stays so."""
        if not tree.look_stopped(self.pid):
            self._wakes = 0
            return
        self._wakes += 1
        self._signal(signal.SIGKILL if self._wakes > MOST_WAKES else signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """The number may be another process's by now: pin it, and then see that the runner still holds its end."""
        try:
            pinned = os.pidfd_open(self.pid)
        except OSError:
            return
        try:
            if not self._is_at_end():
                signal.pidfd_send_signal(pinned, number)
        except (OSError, ValueError):
            return  # it has ended
        finally:
            os.close(pinned)

    def _is_at_end(self) -> bool:
        poll = select.poll()
        poll.register(self._socket, 0)
        return any(events & (select.POLLHUP | select.POLLNVAL) for _, events in poll.poll(0))

    def shut(self) -> None:
        """Wakes whoever reads; the runner kills its script and ends."""
        with contextlib.suppress(OSError):  # it is over already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()
