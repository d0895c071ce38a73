"""One attempt as the worker sees it."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.runner import frames, linux
from jobs.runner.connection import Connection
from jobs.runner.spec import Ended, EndReason, Event, Output, RunnerSpec, Started, Stream
from jobs.runner.startfailure import explain

if TYPE_CHECKING:
    from jobs.runner.client import RunnerPool

STREAMS: dict[int, Stream] = {1: "stdout", 2: "stderr"}


class RunnerHandle:
    """One attempt under way. Dropped before its end, it gives the script up: the runner kills it."""

    def __init__(self, pool: RunnerPool, connection: Connection, spec: RunnerSpec) -> None:
        self.pid = connection.pid
        self._pool = pool
        self._spec = spec
        self._connection: Connection | None = connection  # None: over, and the runner may be somebody else's
        self._lock = threading.Lock()
        self._given_up = False
        self._oom_before = -1
        self._decoders = {number: codecs.getincrementaldecoder("utf-8")("replace") for number in STREAMS}

    def events(self) -> Iterator[Event]:
        """Blocks between events and stops after Ended. For one reader, once."""
        connection = self._connection
        if connection is None:
            raise RuntimeError("The events of an attempt can be read once.")
        reader = frames.FrameReader()
        while data := connection.receive():
            for kind, payload in reader.feed(data):
                if kind == frames.OUTPUT:
                    yield from self._output(payload)
                elif kind == frames.STARTED:
                    yield self._started(payload)
                elif kind == frames.END:
                    self._let_go()
                    ended = self._ended(payload)
                    yield from self._last_output(ended)
                    yield ended
                    return
        yield self._without_end(connection)

    def extend(self, deadline: float) -> None:
        """CLOCK_MONOTONIC seconds. The latest deadline wins; without effect once the attempt is over."""
        self._say(frames.pack(frames.EXTEND, frames.DEADLINE.pack(deadline)))

    def cancel(self) -> None:
        """Begin the kill order. The events go on until Ended."""
        self._say(frames.pack(frames.CANCEL))

    def give_up(self) -> None:
        """Leave the script to the runner, which kills it within seconds."""
        self._given_up = True
        with self._lock:
            if self._connection is not None:
                self._connection.shut()

    def _say(self, frame: bytes) -> None:
        with self._lock:
            if self._connection is not None and self._connection.send(frame):
                self._connection.wake()

    def _let_go(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None and not self._given_up:
            self._pool.give_back(connection)

    def _without_end(self, connection: Connection) -> Ended:
        with self._lock:
            self._connection = None
        connection.close()
        if self._given_up:
            return Ended(reason="worker_gone")
        # The kernel has killed the script with its runner; the zygote kills the rest of the tree.
        self._pool.wait_until_orphans_are_gone(self.pid)
        after = linux.OomCount().read() if self._oom_before >= 0 else None
        was_oom = after is not None and after > self._oom_before
        return Ended(reason="runner_died", ended_at=datetime.now(UTC), oom_hint=was_oom)

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

    def _started(self, payload: bytes) -> Started:
        pid, wall, monotonic, self._oom_before = frames.STARTED_BODY.unpack(payload)
        return Started(pid=pid, at=datetime.fromtimestamp(wall, UTC), monotonic=monotonic)

    def _ended(self, payload: bytes) -> Ended:
        number, code, signal, *times, peak, cpu, passed, dropped, leftovers, oom = frames.END_BODY.unpack_from(payload)
        failure = payload[frames.END_BODY.size :]
        if failure:
            why = explain(failure, self._spec)
            return Ended(reason="cannot_start", error=why.sentence, error_code=why.code, error_subject=why.subject)
        started_at, ended_at, started_monotonic, ended_monotonic = times
        reason: EndReason = frames.REASONS[number]  # type: ignore[assignment]
        return Ended(
            reason=reason,
            exit_code=None if code < 0 else code,
            signal=signal or None,
            started_at=datetime.fromtimestamp(started_at, UTC) if started_at else None,
            ended_at=datetime.fromtimestamp(ended_at, UTC) if ended_at else None,
            started_monotonic=started_monotonic or None,
            ended_monotonic=ended_monotonic or None,
            peak_memory_bytes=peak,
            cpu_seconds=round(cpu, 6),
            output_bytes=passed,
            dropped_bytes=dropped,
            truncated=dropped > 0,
            leftover_count=leftovers,
            oom_hint=oom,
        )
