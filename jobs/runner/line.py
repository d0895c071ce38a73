"""A runner's end of the connection to its worker, and the one poll() it sleeps in."""

from __future__ import annotations

import select
import socket

from jobs.runner import frames, linux

READ_BYTES = 64 * 1024
READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Line:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.inbox: list[tuple[bytes, bytes]] = []  # frames that have arrived and are not yet heeded
        self.is_gone = False  # the worker has closed its end, or died
        self.poll = select.poll()
        self._fd = sock.fileno()
        self._reader = frames.FrameReader()
        self._wants_room = False
        self._child_signal = linux.ChildSignal()
        self.poll.register(self._fd, select.POLLIN)
        self.poll.register(self._child_signal.fd, select.POLLIN)

    def wait(self, milliseconds: float | None) -> list[tuple[int, int]]:
        """Read what the worker sent, and give the events that are about somebody else's descriptors."""
        others = []
        for fd, events in self.poll.poll(milliseconds):
            if fd == self._fd:
                if events & READABLE:
                    self._receive()
            elif fd == self._child_signal.fd:
                self._child_signal.clear()
            else:
                others.append((fd, events))
        return others

    def next_order(self) -> bytes | None:
        """Sleep until the worker wants a script run; None when it has gone. What came too late is forgotten."""
        while True:
            while self.inbox:
                kind, payload = self.inbox.pop(0)
                if kind == frames.SPEC:
                    return payload
            if self.is_gone:
                return None
            self.wait(None)

    def want_room(self, wanted: bool) -> None:
        """Whether wait() ends when the worker has read some of what was sent."""
        if wanted != self._wants_room and not self.is_gone:
            self._wants_room = wanted
            self.poll.modify(self._fd, select.POLLIN | (select.POLLOUT if wanted else 0))

    def lose(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self.poll.unregister(self._fd)

    def _receive(self) -> None:
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.inbox += self._reader.feed(data)
        else:
            self.lose()
