"""The log of an attempt: buffered, masked, written as chunks with gapless numbers, capped."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils import timezone

from jobs.ledgersql import insert_many
from jobs.models import Attempt, LogChunk
from jobs.models.log import Stream
from portal.lib.redact import Redactor
from portal.lib.text import storable

CHUNK_CHARS = 32 * 1024
LONGEST_SYSTEM_LINE = 2000
COLUMNS = ("attempt_id", "seq", "stream", "at", "text")


def not_stored(attempt: Attempt, chunks: Sequence[LogChunk]) -> list[LogChunk]:
    """The chunks the ledger does not have yet: for a write whose answer got lost."""
    stored = LogChunk.objects.filter(attempt=attempt, seq__in=[chunk.seq for chunk in chunks])
    known = set(stored.values_list("seq", flat=True))
    return [chunk for chunk in chunks if chunk.seq not in known]


def store(chunks: Sequence[LogChunk]) -> None:
    """Insert them, and leave the instances as they are.

    `bulk_create` gives them keys before the commit; after a rollback SQLite gives the same keys to other chunks, and
    these could never be written again.
    """
    insert_many(LogChunk, COLUMNS, [[getattr(chunk, name) for name in COLUMNS] for chunk in chunks])


class LogWriter:
    """Collects one attempt's output; `flush()` writes what is ready. Thread-safe.

    Secrets are masked before anything is kept. Beyond `cap` bytes the rest is dropped and `is_truncated` says so;
    lines of the portal itself (`system`) always get through.
    """

    def __init__(self, attempt: Attempt, *, secrets: Iterable[str] = (), cap: int) -> None:
        self.attempt = attempt
        self.cap = cap
        self.stored_bytes = 0
        self.is_truncated = False
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._next_seq = 1
        self._ready: list[LogChunk] = []
        self.is_doubtful = False
        self._secrets = tuple(secrets)
        self._redactors = {str(stream): Redactor(self._secrets) for stream in Stream}

    def write(self, text: str, stream: str = Stream.STDOUT, at: datetime | None = None) -> None:
        """Take a piece of output, which may end in the middle of a line."""
        if not text:
            return
        with self._lock:
            self._keep(self._redactors[stream].feed(text), stream, at or timezone.now())

    def say(self, sentence: str) -> None:
        """A line of the portal's own."""
        self.write(sentence[:LONGEST_SYSTEM_LINE] + "\n", Stream.SYSTEM)

    def __call__(self, text: str, stream: str = "stdout") -> None:
        self.write(text, stream)

    def mask(self, text: str) -> str:
        """The text with this attempt's secrets masked: for reasons, results and outputs."""
        redactor = Redactor(self._secrets)
        return redactor.feed(text) + redactor.flush()

    def close(self) -> None:
        """Let go of what the maskers held back, then write everything."""
        self._let_go()
        self.flush()

    def take_rest(self) -> list[LogChunk]:
        """The last chunks, for the caller to store together with the attempt's end; nothing may be written after."""
        self._let_go()
        with self._write_lock, self._lock:
            rest, self._ready = self._ready, []
        return rest

    def _let_go(self) -> None:
        with self._lock:
            for stream, redactor in self._redactors.items():
                self._keep(redactor.flush(), stream, timezone.now())

    def flush(self) -> None:
        """Write what is ready. When the database fails, it is kept for the next call and the error goes up."""
        with self._write_lock:
            with self._lock:
                batch, self._ready = self._ready, []
            if not batch:
                return
            try:
                store(not_stored(self.attempt, batch) if self.is_doubtful else batch)
                self.is_doubtful = False
            except Exception:
                self.is_doubtful = True  # the commit may have happened, and only its answer got lost
                with self._lock:
                    self._ready = batch + self._ready
                raise

    def _keep(self, text: str, stream: str, at: datetime) -> None:
        text = storable(text)
        if stream != Stream.SYSTEM:
            text = self._within_cap(text)
        if not text:
            return
        while text:
            last = self._ready[-1] if self._ready else None
            if last is None or last.stream != stream or len(last.text) >= CHUNK_CHARS:
                last = LogChunk(attempt=self.attempt, seq=self._next_seq, stream=stream, at=at, text="")
                self._next_seq += 1
                self._ready.append(last)
            room = CHUNK_CHARS - len(last.text)
            last.text += text[:room]
            text = text[room:]

    def _within_cap(self, text: str) -> str:
        size = len(text.encode())
        room = self.cap - self.stored_bytes
        if size <= room:
            self.stored_bytes += size
            return text
        self.is_truncated = True
        kept = text.encode()[: max(room, 0)].decode(errors="ignore")
        self.stored_bytes += len(kept.encode())
        return kept
