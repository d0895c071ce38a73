"""The worker's side: have scripts run in runner processes. Safe from any thread.

A runner that has ended one attempt, and has proven that nothing of it is left, waits for the next: a fork and an
exec each are all that a short script costs. It never owns two scripts at a time, so its death takes one at most.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from jobs.runner import frames
from jobs.runner.connection import Connection
from jobs.runner.handle import RunnerHandle
from jobs.runner.spec import RunnerSpec, RunnerUnavailable

ANSWER_SECONDS = 10.0  # a fork takes a millisecond; on a stuck machine we would rather know
SPAWN_TRIES = 4
RETRY_SECONDS = 0.05
IDLE_SECONDS = 30.0
MOST_ATTEMPTS = 500  # of one runner: what a process gathers in its life stays small


class RunnerPool:
    """Owns this worker process's zygote, started at the first spawn and again whenever it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._idle: list[Connection] = []
        self._closed = False

    def spawn(self, spec: RunnerSpec) -> RunnerHandle:
        """RunnerUnavailable: nothing was started."""
        order = frames.pack(frames.SPEC, spec.to_wire())
        while (idle := self._take_idle()) is not None:
            if idle.start(order):
                return RunnerHandle(self, idle, spec)
            idle.close()  # it was killed while it waited
        for tried in range(SPAWN_TRIES):
            time.sleep(tried * RETRY_SECONDS)
            fresh = self._fork()
            if fresh is not None and fresh.start(order):
                return RunnerHandle(self, fresh, spec)
        raise RunnerUnavailable(f"No runner could be started in {SPAWN_TRIES} tries: look at this host's load.")

    def give_back(self, connection: Connection) -> None:
        """Its attempt is over: the runner waits for the next one, unless it has served enough."""
        now = connection.idle_since = time.monotonic()
        with self._lock:
            if self._closed or connection.owner is not self._zygote or connection.attempts >= MOST_ATTEMPTS:
                connection.close()
            else:
                self._idle.append(connection)
            self._retire(now)

    def retire_idle(self) -> None:
        """End the runners that have had nothing to do for a while. For whoever looks after the worker."""
        with self._lock:
            self._retire(time.monotonic())

    def wait_until_orphans_are_gone(self, runner_pid: int) -> None:
        """Returns when the zygote has killed what a dead runner left; at once when it is dead itself."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(ANSWER_SECONDS)
        with ours:
            try:
                with theirs:
                    self._send(frames.BARRIER + frames.PID.pack(runner_pid), theirs)
                ours.recv(1)
            except (OSError, RunnerUnavailable):
                return

    def close(self) -> None:
        """No more spawns. Runners that are under way go on and are read as before."""
        with self._lock:
            self._closed = True
            self._drop_idle()
            if self._zygote is not None:
                self._zygote.close()

    def _take_idle(self) -> Connection | None:
        """The one that waits for the shortest time: its memory is the warmest, and the others can retire."""
        with self._lock:
            if self._closed:
                raise RunnerUnavailable("This worker is shutting down and starts no more runners.")
            if not self._idle:
                return None
            if self._zygote is None or not self._zygote.is_usable():
                self._drop_idle()  # nobody would kill what such a runner leaves behind
                return None
            return self._idle.pop()

    def _fork(self) -> Connection | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(ANSWER_SECONDS)
        try:
            with theirs:
                owner = self._send(frames.FORK, theirs)
            hello = ours.recv(frames.HEADER.size + frames.PID.size)
            if hello:
                (pid,) = frames.PID.unpack_from(hello, frames.HEADER.size)
                return Connection(ours, pid, owner)
        except TimeoutError:
            self._discard_zygote()
        except OSError:
            pass  # the zygote or the runner died on the way: try again
        except RunnerUnavailable:
            ours.close()
            raise
        ours.close()
        return None

    def _send(self, message: bytes, theirs: socket.socket) -> object:
        """The zygote that was told."""
        with self._lock:
            if self._closed:
                raise RunnerUnavailable("This worker is shutting down and starts no more runners.")
            if self._zygote is None or not self._zygote.is_usable():
                self._drop_idle()
                self._zygote = _Zygote()
            try:
                self._zygote.send(message, theirs)
            except OSError:
                # Dead, or stuck with a full queue. Its process may need a moment to look dead.
                self._zygote.kill()
                self._zygote = None
                raise
            return self._zygote

    def _discard_zygote(self) -> None:
        """It took a message and did not fork. Runners already under way do not need it."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.kill()
                self._zygote = None

    def _retire(self, now: float) -> None:
        """The list is in the order of its times. With the lock held."""
        while self._idle and now - self._idle[0].idle_since >= IDLE_SECONDS:
            self._idle.pop(0).close()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()


class _Zygote:
    """The child process and our end of its control socket."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(ANSWER_SECONDS)
        self._owner = os.getpid()
        program = str(Path(__file__).with_name("zygote.py"))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", program, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_usable(self) -> bool:
        """Not one inherited through a fork: two processes must not share a control socket."""
        return self._owner == os.getpid() and self._process.poll() is None

    def send(self, message: bytes, theirs: socket.socket) -> None:
        socket.send_fds(self._socket, [message], [theirs.fileno()])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def close(self) -> None:
        """It ends by itself, at once or after its last runner."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
