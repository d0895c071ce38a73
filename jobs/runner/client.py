"""The worker's side: start runners, read what they say, extend, cancel. Safe from any thread."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.runner import frames
from jobs.runner.spec import Ended, Event, Output, RunnerSpec, RunnerUnavailable, Started, Stream

READ_BYTES = 64 * 1024
ANSWER_SECONDS = 10.0  # a fork takes a millisecond; on a stuck machine we would rather know
SPAWN_TRIES = 4
RETRY_SECONDS = 0.05
STREAMS: dict[int, Stream] = {1: "stdout", 2: "stderr"}


class RunnerPool:
    """Owns this worker process's zygote, started at the first spawn and again whenever it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._closed = False

    def spawn(self, spec: RunnerSpec) -> RunnerHandle:
        """RunnerUnavailable: nothing was started."""
        raw = spec.to_json()
        for tried in range(SPAWN_TRIES):
            time.sleep(tried * RETRY_SECONDS)
            handle = self._try_spawn(raw)
            if handle is not None:
                return handle
        raise RunnerUnavailable(f"No runner could be started in {SPAWN_TRIES} tries: look at this host's load.")

    def _try_spawn(self, raw_spec: bytes) -> RunnerHandle | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(ANSWER_SECONDS)
        pid = None
        try:
            with theirs:
                self._send(frames.FORK, theirs)
            # A runner reads its spec only after its hello is on the wire: without a hello nothing ran.
            ours.sendall(frames.pack(frames.SPEC, raw_spec))
            hello = ours.recv(frames.HEADER.size + frames.PID.size)
            if hello:
                (pid,) = frames.PID.unpack_from(hello, frames.HEADER.size)
        except TimeoutError:
            self._discard_zygote()
        except OSError:
            pass  # the zygote or the runner died on the way: try again
        finally:
            if pid is None:
                ours.close()
        if pid is None:
            return None
        ours.settimeout(None)
        return RunnerHandle(self, ours, pid)

    def _send(self, message: bytes, theirs: socket.socket) -> None:
        with self._lock:
            if self._closed:
                raise RunnerUnavailable("This worker is shutting down and starts no more runners.")
            if self._zygote is None or not self._zygote.is_usable():
                self._zygote = _Zygote()
            try:
                self._zygote.send(message, theirs)
            except OSError:
                # Dead, or stuck with a full queue. Its process may need a moment to look dead.
                self._zygote.kill()
                self._zygote = None
                raise

    def _discard_zygote(self) -> None:
        """It took a message and did not fork. Runners already under way do not need it."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.kill()
                self._zygote = None

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
            if self._zygote is not None:
                self._zygote.close()


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


class RunnerHandle:
    """One attempt under way. Dropped before its end, it gives the script up: the runner kills it."""

    def __init__(self, pool: RunnerPool, sock: socket.socket, pid: int) -> None:
        self.pid = pid
        self._pool = pool
        self._socket = sock
        self._send_lock = threading.Lock()
        self._given_up = False
        self._decoders = {number: codecs.getincrementaldecoder("utf-8")("replace") for number in STREAMS}

    def events(self) -> Iterator[Event]:
        """Blocks between events and stops after Ended. For one reader, once."""
        reader = frames.FrameReader()
        while data := self._receive():
            for kind, payload in reader.feed(data):
                if kind == frames.OUTPUT:
                    yield from self._output(payload)
                elif kind == frames.STARTED:
                    yield _started(payload)
                elif kind == frames.END:
                    ended = _ended(payload)
                    yield from self._last_output(ended)
                    yield ended
                    self._socket.close()
                    return
        yield self._without_end()

    def extend(self, deadline: float) -> None:
        """CLOCK_MONOTONIC seconds. The latest deadline wins; without effect once the attempt is over."""
        self._send(frames.pack(frames.EXTEND, frames.DEADLINE.pack(deadline)))

    def cancel(self) -> None:
        """Begin the kill order. The events go on until Ended."""
        self._send(frames.pack(frames.CANCEL))

    def give_up(self) -> None:
        """Leave the script to the runner, which kills it within seconds."""
        self._given_up = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is over already

    def _send(self, frame: bytes) -> None:
        with self._send_lock:
            try:
                self._socket.sendall(frame)
            except OSError:
                return  # the runner has ended; events() says how

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(READ_BYTES)
        except OSError:
            return b""

    def _without_end(self) -> Ended:
        self._socket.close()
        if self._given_up:
            return Ended(reason="worker_gone")
        # The kernel has killed the script with its runner; the zygote kills the rest of the tree.
        self._pool.wait_until_orphans_are_gone(self.pid)
        return Ended(reason="runner_died", ended_at=datetime.now(UTC))

    def _output(self, payload: bytes) -> Iterator[Output]:
        number, wall = frames.OUTPUT_HEAD.unpack_from(payload)
        text = self._decoders[number].decode(payload[frames.OUTPUT_HEAD.size :])
        if text:  # else it was the first part of one character
            yield Output(stream=STREAMS[number], at=datetime.fromtimestamp(wall, UTC), text=text)

    def _last_output(self, ended: Ended) -> Iterator[Output]:
        """Half a character at the very end. One that the cap cut is not the script's doing, and left out."""
        for number, decoder in self._decoders.items():
            text = decoder.decode(b"", final=True)
            if text and not ended.truncated:
                yield Output(stream=STREAMS[number], at=ended.ended_at or datetime.now(UTC), text=text)


def _started(payload: bytes) -> Started:
    body: dict[str, Any] = json.loads(payload)
    return Started(pid=body["pid"], at=datetime.fromtimestamp(body["at"], UTC), monotonic=body["monotonic"])


def _ended(payload: bytes) -> Ended:
    body: dict[str, Any] = json.loads(payload)
    for name in ("started_at", "ended_at"):
        if body.get(name) is not None:
            body[name] = datetime.fromtimestamp(body[name], UTC)
    return Ended(**body)
