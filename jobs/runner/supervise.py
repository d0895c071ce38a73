"""The supervision of one attempt: it owns a script from its first instruction to its last descendant.

The runner sleeps in one poll() over the worker's socket, the script's pipes and the child signal. Everything that
can happen sets a field; `_advance` alone looks at the fields and the clock and decides.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time

from jobs.runner import frames, linux, tree
from jobs.runner.ending import Facts, OomWatch, never_started
from jobs.runner.launch import NOT_STARTED, Launcher
from jobs.runner.line import Line
from jobs.runner.order import Order
from jobs.runner.outbox import Outbox

READ_BYTES = 64 * 1024
FINAL_READ_BYTES = 2 * 1024 * 1024  # more than a pipe can hold: what a stranger goes on writing is not ours
PIPE_WAIT_SECONDS = 2.0  # after the main process ended, for its pipes to close
SETTLE_SECONDS = 0.1  # after the pipes closed, for processes that are just about to exit
HURRY_SECONDS = 2.0  # TERM grace when the lease is over or the worker is gone
STARTED_SECONDS = 0.05  # what a script that ends sooner has to say is one message
CROWD_SECONDS = 0.5
NEVER = float("inf")


class Supervisor:
    def __init__(self, line: Line, order: Order, launcher: Launcher, oom: OomWatch) -> None:
        self._line = line
        self._order = order
        self._launcher = launcher
        self._oom = oom
        self._outbox = Outbox(order.output_cap)
        self._empty = False  # proven: no process of the script is left
        self._facts = Facts()
        began = self._facts.started_monotonic
        self._pid, out_fd, err_fd = launcher.launch(order)
        self._pipes = {out_fd: 1, err_fd: 2}  # open read ends: descriptor -> 1 stdout, 2 stderr
        self._is_listening = False
        self._tell_at = began + STARTED_SECONDS
        self._lease_at = order.lease_deadline
        self._timeout_at = NEVER if order.timeout is None else began + order.timeout
        self._crowd_at = NEVER if order.process_limit is None else began + CROWD_SECONDS
        self._crowd_above = order.process_limit or 0  # there can't be more of ours than of all
        self._kill_at = NEVER
        self._kill_pause = 0.005
        self._is_first = False

    def run(self) -> None:
        """Returns when no process of the script is left and the worker has been told, or is gone."""
        self._obey()  # what came together with the order
        while not self._empty:
            self._wait(self._next_wake())
            self._advance(time.monotonic())
        linux.go_as_before(self._is_first)
        self._launcher.let_go()
        self._drain()
        self._outbox.put(self._facts.frame(self._pid, self._outbox, self._oom, self._launcher.report.take()))
        self._send()
        while self._outbox.pending and not self._line.is_gone:
            self._wait(NEVER)
            self._send()
        self._line.want_room(False)

    # --- the clock decides

    def _advance(self, now: float) -> None:
        self._reap(now)
        self._obey()
        if self._empty:
            return
        self._look_at_limits(now)
        if now >= self._kill_at:
            self._facts.killed |= tree.kill_descendants()
            self._kill_at = time.monotonic() + self._kill_pause
            self._kill_pause = min(self._kill_pause * 2, 0.1)
        elif self._facts.status is not None and not self._pipes:
            self._kill_at = min(self._kill_at, now + SETTLE_SECONDS)
        due = self._outbox.flush_due_at()
        if due is not None and now >= due:
            self._tell_start()
            self._outbox.flush(now)
        elif now >= self._tell_at:
            self._tell_start()
        self._send()

    def _look_at_limits(self, now: float) -> None:
        if now >= self._lease_at:
            self._lease_at = NEVER
            self._stop("lease_expired", now, min(HURRY_SECONDS, self._order.kill_grace))
        elif now >= self._timeout_at:
            self._stop("timeout", now, self._order.kill_grace)
        elif now >= self._crowd_at:
            self._crowd_at = now + CROWD_SECONDS
            self._look_at_crowd(now)

    def _look_at_crowd(self, now: float) -> None:
        """Counting our own takes a walk over /proc, so only when the host as a whole has grown."""
        total = linux.thread_count()
        if total <= self._crowd_above:
            return
        limit = self._order.process_limit or 0
        # Beside thousands that want the processors the walk would never end, and they double meanwhile. One blow
        # freezes the script's group whole; where we may, we also go before what has left it.
        is_first = linux.go_first()
        self._signal_group(signal.SIGSTOP)
        if len(tree.descendants(os.getpid())) > limit:
            self._signal_group(signal.SIGKILL)
            self._stop("too_many_processes", now, 0)
            self._is_first = is_first
        else:
            self._signal_group(signal.SIGCONT)
            linux.go_as_before(is_first)
        self._crowd_above = total + limit // 4

    def _next_wake(self) -> float:
        due = self._outbox.flush_due_at()
        wakes = (self._lease_at, self._timeout_at, self._kill_at, self._tell_at, self._crowd_at)
        return min(*wakes, NEVER if due is None else due)

    def _reap(self, now: float) -> None:
        ended, self._empty = tree.reap()
        for pid, status, usage in ended:
            self._facts.add(usage)
            if pid == self._pid:
                self._facts.end(status, now)
                self._timeout_at = NEVER
                self._kill_at = min(self._kill_at, now + PIPE_WAIT_SECONDS)

    def _stop(self, reason: str, now: float, grace: float) -> None:
        """TERM to the group now, KILL to everything after the grace. A second call can only hurry."""
        if self._facts.status is None and not self._facts.reason:
            self._facts.reason = reason
            if not self._has_begun():
                grace = 0  # it would heed no TERM, and nothing of the user's has run that could need a grace
            self._signal_group(signal.SIGTERM)
            self._signal_group(signal.SIGCONT)  # a stopped process takes its TERM only then
        self._timeout_at = NEVER
        self._kill_at = min(self._kill_at, now + grace)

    def _has_begun(self) -> bool:
        """Whether the child has become the script: until then it has our own command line."""
        return tree.command_of(self._pid) != tree.command_of(os.getpid())

    def _signal_group(self, number: signal.Signals) -> None:
        if self._pid == NOT_STARTED or self._facts.status is not None:
            return
        # The main process is not reaped yet, so its number still means its group.
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:  # forked, but not yet the leader of its own session
            os.kill(self._pid, number)
        except PermissionError:
            return  # it became another user (sudo): we kill what we may, and the end waits for the rest

    # --- what can be read or written

    def _wait(self, wake_at: float) -> None:
        self._listen(not self._outbox.full)  # else the script waits in its write(): back-pressure, not memory
        self._line.want_room(self._outbox.pending)
        delay = None if wake_at == NEVER else max(0.0, wake_at - time.monotonic()) * 1000
        for fd, events in self._line.wait(delay):
            if fd in self._pipes:
                self._take(fd, events)
        if self._line.is_gone:
            self._outbox.abandon()

    def _listen(self, wanted: bool) -> None:
        if wanted == self._is_listening:
            return
        self._is_listening = wanted
        for fd in self._pipes:
            if wanted:
                self._line.poll.register(fd, select.POLLIN)
            else:
                self._line.poll.unregister(fd)

    def _take(self, fd: int, events: int) -> int:
        """Read what a pipe holds; 0 at its end. Only for a pipe that poll() has named: the read would wait."""
        data = os.read(fd, READ_BYTES) if events & select.POLLIN else b""
        if data:
            self._outbox.accept(self._pipes[fd], data, wall=time.time())
        else:
            self._close(fd)
        return len(data)

    def _close(self, fd: int) -> None:
        if self._is_listening:
            self._line.poll.unregister(fd)
        del self._pipes[fd]
        os.close(fd)

    def _obey(self) -> None:
        """What the worker said. Two heartbeats may overtake each other: a lease only grows."""
        inbox, self._line.inbox = self._line.inbox, []
        for kind, payload in inbox:
            if self._empty:
                continue
            if kind == frames.CANCEL:
                self._stop("cancelled", time.monotonic(), self._order.kill_grace)
            elif kind == frames.EXTEND and self._lease_at != NEVER:  # too late once the kill has begun
                self._lease_at = max(self._lease_at, frames.DEADLINE.unpack(payload)[0])
        if self._line.is_gone and not self._empty:
            self._stop("worker_gone", time.monotonic(), min(HURRY_SECONDS, self._order.kill_grace))

    def _tell_start(self) -> None:
        """Once, and unless the script turned out not to start."""
        if self._tell_at == NEVER:
            return
        self._tell_at = NEVER
        facts, before = self._facts, self._oom.before
        body = (self._pid, facts.started_at, facts.started_monotonic, -1 if before is None else before)
        if self._pid != NOT_STARTED and not self._launcher.report.is_written:
            self._outbox.put(frames.pack(frames.STARTED, frames.STARTED_BODY.pack(*body)))

    def _send(self) -> None:
        try:
            self._outbox.send(self._line.sock)
        except OSError:
            self._line.lose()
            self._outbox.abandon()

    def _drain(self) -> None:
        """Nobody of ours writes any more, so one pass takes what the pipes still hold."""
        for fd in list(self._pipes):
            left = FINAL_READ_BYTES
            while left > 0 and (events := _waiting(fd)) and (count := self._take(fd, events)):
                left -= count
            if fd in self._pipes:  # a stranger holds the other end
                self._close(fd)
        self._outbox.flush(time.monotonic())


def _waiting(fd: int) -> int:
    """The events of a descriptor, without waiting for any."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return next((events for _, events in poll.poll(0)), 0)


def serve(sock: socket.socket, *, has_deathline: bool) -> None:
    """Everything a freshly forked runner does: one attempt after another, never two at once, until its worker goes.

    Between two attempts it has no child, which the kernel has proven, and holds nothing of either.
    """
    os.setsid()
    linux.become_subreaper()
    try:
        sock.sendall(frames.pack(frames.HELLO, frames.PID.pack(os.getpid())))
    except OSError:
        return
    line, launcher, oom = Line(sock), Launcher(has_deathline=has_deathline), OomWatch()
    while (raw := line.next_order()) is not None:
        order = Order(raw)
        if time.monotonic() >= order.lease_deadline:
            sock.send(never_started("lease_expired"))
            continue
        oom.begin()
        Supervisor(line, order, launcher, oom).run()
        del order, raw
