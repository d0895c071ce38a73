"""From the script's pipes to the worker's socket: capped, batched, in order, and bounded in memory."""

from __future__ import annotations

import socket

from jobs.runner import frames

BATCH_BYTES = 64 * 1024
BATCH_SECONDS = 0.05
FULL_BYTES = 256 * 1024


class Outbox:
    """Holds at most FULL_BYTES and one read more: when `full`, the caller stops reading the pipes."""

    def __init__(self, cap: int) -> None:
        self._room = max(cap, 0)
        self._pieces: list[tuple[int, float, bytearray]] = []
        self._piece_bytes = 0
        self._wire = bytearray()
        self._flushed_at = float("-inf")
        self._abandoned = False
        self.output_bytes = 0
        self.dropped_bytes = 0

    @property
    def full(self) -> bool:
        """Never once the cap is reached: from there on output is read and dropped."""
        return self._room > 0 and len(self._wire) + self._piece_bytes >= FULL_BYTES

    @property
    def pending(self) -> bool:
        return bool(self._wire)

    def accept(self, stream: int, data: bytes, *, wall: float) -> None:
        kept = data[: self._room]
        self.dropped_bytes += len(data) - len(kept)
        if not kept:
            return
        self._room -= len(kept)
        self.output_bytes += len(kept)
        if self._abandoned:
            return
        if not self._pieces or self._pieces[-1][0] != stream:
            self._pieces.append((stream, wall, bytearray()))
        self._pieces[-1][2].extend(kept)
        self._piece_bytes += len(kept)

    def flush_due_at(self) -> float | None:
        """Monotonic seconds. The first line after a silence leaves at once, the next ones in batches."""
        if not self._pieces:
            return None
        if self._piece_bytes >= BATCH_BYTES:
            return float("-inf")
        return self._flushed_at + BATCH_SECONDS

    def flush(self, now: float) -> None:
        for stream, wall, data in self._pieces:
            self.put(frames.pack(frames.OUTPUT, frames.OUTPUT_HEAD.pack(stream, wall) + data))
        self._pieces.clear()
        self._piece_bytes = 0
        self._flushed_at = now

    def put(self, frame: bytes) -> None:
        if not self._abandoned:
            self._wire += frame

    def send(self, sock: socket.socket) -> None:
        """Write what the non-blocking socket takes. OSError: the worker is gone."""
        while self._wire:
            try:
                sent = sock.send(self._wire[:BATCH_BYTES])
            except BlockingIOError:
                return
            del self._wire[:sent]

    def abandon(self) -> None:
        """Nobody listens any more: drop everything, now and later."""
        self._abandoned = True
        self._pieces.clear()
        self._piece_bytes = 0
        self._wire.clear()
