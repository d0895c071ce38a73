"""The runner: one process per attempt that owns a script from its first instruction to its last descendant.

It sleeps in one poll() over the worker's socket, the script's pipes and the child signal. Everything that can
happen sets a field; `_advance` alone looks at the fields and the clock and decides.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from jobs.runner import frames, linux, tree
from jobs.runner.launch import Failure, Launched, explain, launch
from jobs.runner.outbox import Outbox
from jobs.runner.spec import EndReason, RunnerSpec

READ_BYTES = 64 * 1024
FINAL_READ_BYTES = 2 * 1024 * 1024  # more than a pipe can hold: what a stranger goes on writing is not ours
PIPE_WAIT_SECONDS = 2.0  # after the main process ended, for its pipes to close
SETTLE_SECONDS = 0.1  # after the pipes closed, for processes that are just about to exit
HURRY_SECONDS = 2.0  # TERM grace when the lease is over or the worker is gone
NEVER = float("inf")


@dataclass
class Script:
    """What is known about the script so far."""

    launched: Launched
    started_at: float = field(default_factory=time.time)
    started_monotonic: float = field(default_factory=time.monotonic)
    status: int | None = None  # of the main process, once reaped
    failure: Failure | None = None
    ended_at: float | None = None
    ended_monotonic: float | None = None
    killed: set[int] = field(default_factory=set)


class Supervisor:
    def __init__(
        self, sock: socket.socket, spec: RunnerSpec, reader: frames.FrameReader, oom_kills: int | None
    ) -> None:
        self._oom_kills = oom_kills
        self._sock = sock
        self._spec = spec
        self._reader = reader
        self._outbox = Outbox(spec.output_cap)
        self._reason: EndReason | None = None
        self._worker_gone = False
        self._empty = False  # proven: no process of the script is left
        self._child_signal = linux.ChildSignal()  # before the fork, or an early end goes unnoticed
        self._script = Script(launched=launch(spec))
        self._status_fd: int | None = self._script.launched.status_fd
        # Open read ends: descriptor -> 1 stdout, 2 stderr.
        self._pipes = {self._script.launched.stdout_fd: 1, self._script.launched.stderr_fd: 2}
        self._lease_at = spec.lease_deadline
        self._timeout_at = NEVER if spec.timeout is None else self._script.started_monotonic + spec.timeout
        self._kill_at = NEVER
        self._kill_pause = 0.005

    def run(self) -> None:
        """Returns when no process of the script is left and the worker has been told, or is gone."""
        while not self._empty:
            self._wait(self._next_wake())
            self._advance(time.monotonic())
        self._drain()
        self._outbox.put(frames.pack(frames.END, json.dumps(self._report()).encode()))
        self._send()
        while self._outbox.pending and not self._worker_gone:
            self._wait(NEVER)

    # --- the clock decides

    def _advance(self, now: float) -> None:
        self._reap(now)
        if self._empty:
            return
        if now >= self._lease_at:
            self._lease_at = NEVER
            self._stop("lease_expired", now, min(HURRY_SECONDS, self._spec.kill_grace))
        elif now >= self._timeout_at:
            self._stop("timeout", now, self._spec.kill_grace)
        if now >= self._kill_at:
            self._script.killed |= tree.kill_descendants()
            self._kill_at = time.monotonic() + self._kill_pause
            self._kill_pause = min(self._kill_pause * 2, 0.1)
        elif self._script.status is not None and not self._pipes:
            self._kill_at = min(self._kill_at, now + SETTLE_SECONDS)
        due = self._outbox.flush_due_at()
        if due is not None and now >= due:
            self._outbox.flush(now)

    def _next_wake(self) -> float:
        due = self._outbox.flush_due_at()
        return min(self._lease_at, self._timeout_at, self._kill_at, NEVER if due is None else due)

    def _reap(self, now: float) -> None:
        ended, self._empty = tree.reap()
        script = self._script
        if script.status is None and script.launched.pid in ended:
            script.status = ended[script.launched.pid]
            script.ended_at, script.ended_monotonic = time.time(), now
            self._timeout_at = NEVER
            self._kill_at = min(self._kill_at, now + PIPE_WAIT_SECONDS)

    def _stop(self, reason: EndReason, now: float, grace: float) -> None:
        """TERM to the group now, KILL to everything after the grace. A second call can only hurry."""
        if self._script.status is None and self._reason is None:
            self._reason = reason
            self._signal_group(signal.SIGTERM)
            self._signal_group(signal.SIGCONT)  # a stopped process takes its TERM only then
        self._timeout_at = NEVER
        # Before its exec the child heeds no TERM, and nothing of the user's has run that could need a grace.
        self._kill_at = min(self._kill_at, now + (grace if self._status_fd is None else 0))

    def _signal_group(self, number: signal.Signals) -> None:
        # The main process is not reaped yet, so its number still means its group.
        try:
            os.killpg(self._script.launched.pid, number)
        except ProcessLookupError:  # forked, but not yet the leader of its own session
            os.kill(self._script.launched.pid, number)
        except PermissionError:
            return  # it became another user (sudo): we kill what we may, and the end waits for the rest

    # --- what can be read or written

    def _wait(self, wake_at: float) -> None:
        poll = select.poll()
        if not self._worker_gone:
            poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._outbox.pending else 0))
        poll.register(self._child_signal.fd, select.POLLIN)
        if self._status_fd is not None:
            poll.register(self._status_fd, select.POLLIN)
        if not self._outbox.full:  # else the script waits in its write(): back-pressure, not memory
            for fd in self._pipes:
                poll.register(fd, select.POLLIN)
        delay = None if wake_at == NEVER else max(0.0, wake_at - time.monotonic()) * 1000
        for fd, events in poll.poll(delay):
            self._dispatch(fd, events)

    def _dispatch(self, fd: int, events: int) -> None:
        if fd == self._child_signal.fd:
            self._child_signal.clear()
        elif fd == self._status_fd:
            self._read_status(fd)
        elif fd in self._pipes:
            self._read_pipe(fd)
        elif fd == self._sock.fileno():
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                self._read_worker()
            if not self._worker_gone and events & select.POLLOUT:
                self._send()

    def _read_status(self, fd: int) -> None:
        raw = os.read(fd, 8192)
        os.close(fd)
        self._status_fd = None
        script = self._script
        if raw:
            script.failure = explain(raw, self._spec)
            return
        body = {"pid": script.launched.pid, "at": script.started_at, "monotonic": script.started_monotonic}
        self._outbox.put(frames.pack(frames.STARTED, json.dumps(body).encode()))

    def _read_pipe(self, fd: int) -> int:
        """Bytes read; 0 at the end of the pipe or when it is empty for now."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return 0
        if data:
            self._outbox.accept(self._pipes[fd], data, wall=time.time())
        else:
            del self._pipes[fd]
            os.close(fd)
        return len(data)

    def _read_worker(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose_worker()
            return
        for kind, payload in self._reader.feed(data):
            self.obey(kind, payload)

    def obey(self, kind: bytes, payload: bytes) -> None:
        if self._empty:
            return
        if kind == frames.EXTEND:
            # Two heartbeats may overtake each other: a lease only grows.
            (deadline,) = frames.DEADLINE.unpack(payload)
            if self._lease_at != NEVER:  # too late once the kill has begun
                self._lease_at = max(self._lease_at, deadline)
        elif kind == frames.CANCEL:
            self._stop("cancelled", time.monotonic(), self._spec.kill_grace)

    def _lose_worker(self) -> None:
        self._worker_gone = True
        self._outbox.abandon()
        if not self._empty:
            self._stop("worker_gone", time.monotonic(), min(HURRY_SECONDS, self._spec.kill_grace))

    def _send(self) -> None:
        try:
            self._outbox.send(self._sock)
        except OSError:
            self._lose_worker()

    # --- the end

    def _drain(self) -> None:
        """Nobody of ours writes any more, so one pass takes what the pipes still hold."""
        if self._status_fd is not None:
            self._read_status(self._status_fd)
        for fd in list(self._pipes):
            left = FINAL_READ_BYTES
            while left > 0 and (count := self._read_pipe(fd)):
                left -= count
        self._outbox.flush(time.monotonic())

    def _report(self) -> dict[str, Any]:
        script = self._script
        report: dict[str, Any] = {
            "reason": self._reason or "exited",
            "output_bytes": self._outbox.output_bytes,
            "dropped_bytes": self._outbox.dropped_bytes,
            "truncated": self._outbox.dropped_bytes > 0,
        }
        if script.failure is not None:
            failure = script.failure
            report |= {"reason": "cannot_start", "error": failure.sentence}
            return report | {"error_code": failure.code, "error_subject": failure.subject}
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        status = script.status or 0
        return report | {
            "exit_code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "started_at": script.started_at,
            "ended_at": script.ended_at,
            "started_monotonic": script.started_monotonic,
            "ended_monotonic": script.ended_monotonic,
            "peak_memory_bytes": usage.ru_maxrss * 1024,
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 6),
            "leftover_count": len(script.killed - {script.launched.pid}),
            "oom_hint": self._reason is None and self._looks_like_oom(status),
        }

    def _looks_like_oom(self, status: int) -> bool:
        """A SIGKILL not from us (137: a shell tells it of its child) while the kernel killed for memory."""
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == 128 + signal.SIGKILL):
            return False
        before, after = self._oom_kills, linux.oom_kill_count()
        return before is not None and after is not None and after > before


def run_attempt(sock: socket.socket, oom_kills: int | None) -> None:
    """Everything a freshly forked runner does. Returns early when the worker leaves before it sent a spec.

    `oom_kills` is the kernel's count of a moment ago.
    """
    os.setsid()
    linux.become_subreaper()
    reader = frames.FrameReader()
    waiting: list[tuple[bytes, bytes]] = []
    try:
        sock.sendall(frames.pack(frames.HELLO, frames.PID.pack(os.getpid())))
        while not waiting:
            data = sock.recv(READ_BYTES)
            if not data:
                return
            waiting += reader.feed(data)
    except ConnectionError:
        return
    spec = RunnerSpec.from_json(waiting.pop(0)[1])
    if time.monotonic() >= spec.lease_deadline:
        sock.sendall(frames.pack(frames.END, json.dumps({"reason": "lease_expired"}).encode()))
        return
    sock.setblocking(False)
    supervisor = Supervisor(sock, spec, reader, oom_kills)
    for kind, payload in waiting:
        supervisor.obey(kind, payload)
    supervisor.run()
