"""The wire between a worker and a runner: one byte of kind, four bytes of length, a payload."""

from __future__ import annotations

import struct
from collections.abc import Iterator

HEADER = struct.Struct("!cI")
OUTPUT_HEAD = struct.Struct("!Bd")  # 1 stdout, 2 stderr; wall-clock seconds
DEADLINE = struct.Struct("!d")
PID = struct.Struct("!I")
STARTED_BODY = struct.Struct("!Iddq")  # pid, wall, monotonic, the kernel's OOM count (-1: unknown)
# Place in REASONS, exit code (-1: none), signal (0: none), started and ended on the wall clock, the same on the
# monotonic clock, peak bytes, CPU seconds, bytes passed on, bytes dropped, leftovers, OOM hint; then a Failure.
END_BODY = struct.Struct("!BiiddddQdQQI?")
REASONS = ("exited", "timeout", "cancelled", "lease_expired", "worker_gone", "too_many_processes")

# worker to zygote: bare messages, each with one descriptor; BARRIER is followed by a PID
FORK, BARRIER = b"F", b"B"
# worker to runner
SPEC, EXTEND, CANCEL = b"S", b"X", b"C"
# runner to worker; after its END a runner waits for the next SPEC
HELLO, STARTED, OUTPUT, END = b"H", b"B", b"O", b"E"


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


class FrameReader:
    """Cuts a byte stream into frames, whatever the pieces it arrives in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._buffer)
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield kind, payload
