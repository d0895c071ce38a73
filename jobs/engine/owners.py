"""Which process owns an attempt's script, noted on this host's disk the moment it is known.

The ledger learns it from the watch thread, which may wait for a ledger or a broker for as long as they are away. A
worker that is killed meanwhile leaves a note here; the one that takes its place on this host waits for that process.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from django.conf import settings


def note(run: int, attempt: int, pid: int) -> None:
    """Replaces an earlier note. A full disk is no reason to fail: the ledger will know it within a second or so."""
    with contextlib.suppress(OSError):
        _path(run, attempt).write_text(str(pid))


def forget(run: int, attempt: int) -> None:
    with contextlib.suppress(OSError):
        _path(run, attempt).unlink(missing_ok=True)


def noted(run: int, attempt: int) -> int | None:
    """None: no script has been started, or not on this host, or the disk was full."""
    try:
        return int(_path(run, attempt).read_text())
    except (OSError, ValueError):
        return None


def _path(run: int, attempt: int) -> Path:
    return Path(settings.DATA_DIR) / "work" / f"{run}-{attempt}.pid"
