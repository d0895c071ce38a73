"""The database's clock, which every decision of the engine uses: a wrong clock on a worker changes nothing.

Asking the database each time would cost a query a decision, so each process asks every few seconds and counts on
with the boot clock (which a change of the wall clock does not touch).
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from django.db import connection

RESYNC_SECONDS = 15.0
MOST_SAMPLES = 3
QUICK_SECONDS = 0.004

_QUERIES = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
}


class DatabaseClock:
    """Thread-safe; `now()` is aware UTC and never goes back by itself within one synchronisation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base: datetime | None = None
        self._base_boot = 0.0

    def now(self) -> datetime:
        boot = boot_seconds()
        with self._lock:
            if self._base is None or boot - self._base_boot > RESYNC_SECONDS:
                self._base, self._base_boot = sample()
                boot = boot_seconds()
            return self._base + timedelta(seconds=boot - self._base_boot)

    def reset(self) -> None:
        with self._lock:
            self._base = None


def boot_seconds() -> float:
    """Seconds since boot, suspended time included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def sample() -> tuple[datetime, float]:
    """The database's time and the boot second that belongs to it, from the quickest of a few questions.

    Half of what a question takes is what the answer may be wrong by; making a connection is no part of it.
    """
    connection.ensure_connection()
    samples: list[tuple[float, datetime, float]] = []
    for _try in range(MOST_SAMPLES):
        before = boot_seconds()
        at = ask_database()
        took = boot_seconds() - before
        samples.append((took, at, before + took / 2))
        if took <= QUICK_SECONDS:
            break
    _least, at, boot = min(samples)
    return at, boot


def ask_database() -> datetime:
    """The database's time now, aware UTC."""
    with connection.cursor() as cursor:
        cursor.execute(_QUERIES[connection.vendor])
        (value,) = cursor.fetchone()
    if isinstance(value, str):
        value = datetime.strptime(value, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]
    return value.astimezone(UTC)  # type: ignore[no-any-return]


clock = DatabaseClock()
now = clock.now
