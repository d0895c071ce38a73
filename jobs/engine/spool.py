"""Results on disk while the ledger is away: a file each, brought with its token when the ledger is back.

A worker that is killed meanwhile leaves them; the next one on the same data folder brings them. A result that is
brought twice, or whose run was taken over, changes nothing: the token decides.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection

from jobs import dbclock
from jobs.engine.finish import Ending, Finished, finish_many, finish_refused, was_finished, without_payload
from jobs.models import Attempt, LogChunk
from jobs.states import AttemptStatus

log = logging.getLogger(__name__)
SUFFIX = ".result.json"
MOST_FAILURES = 3


class Spool:
    """Thread-safe. `folder` is made when first needed; files are readable by the portal's user alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}  # how often the ledger was away when a file was brought

    def keep(self, finished: Finished) -> None:
        """Write the result down, whole or not at all. OSError when the disk can't take it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{finished.attempt.pk}{SUFFIX}"
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(_plain(finished), file)  # ASCII: half a letter of a script must not lose its result
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def attempts(self) -> set[int]:
        """The attempts whose result lies here."""
        names = (path.name.removesuffix(SUFFIX) for path in self._files())
        return {int(name) for name in names if name.isdecimal()}

    def replay(self) -> int:
        """Bring everything to the ledger; when it is away that goes up. Returns how many were taken.

        What the ledger refuses is brought without its payload: one bad result must not keep the worker from its work.
        """
        taken = 0
        with self._lock:
            for path in sorted(self._files()):
                taken += self._bring(path)
        return taken

    def _bring(self, path: Path) -> bool:
        try:
            finished = _restored(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:  # another worker of this host was faster
            return False
        except (OSError, ValueError, KeyError, TypeError):
            log.exception("A kept result can't be read; it is put aside.", extra={"file": path.name})
            path.rename(path.with_suffix(".bad"))
            return False
        if finished is None:  # its run was deleted meanwhile
            path.unlink(missing_ok=True)
            return False
        try:
            written = self._finish(path.name, finished)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("A kept result can't be stored in any form; it is put aside.", extra={"file": path.name})
            path.rename(path.with_suffix(".bad"))
            return False
        path.unlink(missing_ok=True)
        self._failures.pop(path.name, None)
        if not written and not was_finished(finished.attempt):
            log.warning("A kept result came too late: its run was taken over.", extra={"run": finished.run.pk})
        return written

    def _finish(self, name: str, finished: Finished) -> bool:
        try:
            return finish_many([finished])[0]
        except (OperationalError, InterfaceError):
            # MySQL calls it so, too, when one statement is larger than it takes.
            self._failures[name] = self._failures.get(name, 0) + 1
            if self._failures[name] < MOST_FAILURES or not _is_ledger_there():
                raise
            log.exception("The ledger is there and does not take a kept result.", extra={"run": finished.run.pk})
        except Exception:
            log.exception("The ledger refused a kept result.", extra={"run": finished.run.pk})
        return finish_refused(without_payload(finished))

    def _files(self) -> Iterator[Path]:
        return self._folder.glob(f"*{SUFFIX}") if self._folder.is_dir() else iter(())


def replay_quietly(spool: Spool) -> None:
    """For a start: without a database there is nothing to do yet."""
    try:
        spool.replay()
    except DatabaseError:
        connection.close()


def _is_ledger_there() -> bool:
    connection.close()
    try:
        dbclock.ask_database()
    except DatabaseError:
        return False
    return True


def _plain(finished: Finished) -> dict[str, Any]:
    ending = asdict(finished.ending)
    chunks = [[chunk.seq, chunk.stream, chunk.at.isoformat(), chunk.text] for chunk in finished.chunks]
    return {"run": finished.run.pk, "attempt": finished.attempt.pk, "ending": ending, "chunks": chunks}


def _restored(kept: dict[str, Any]) -> Finished | None:
    attempt = Attempt.objects.select_related("run").filter(pk=kept["attempt"]).first()
    if attempt is None:
        return None
    ending = Ending(**{**kept["ending"], "status": AttemptStatus(kept["ending"]["status"])})
    chunks = [
        LogChunk(attempt=attempt, seq=seq, stream=stream, at=datetime.fromisoformat(at), text=text)
        for seq, stream, at, text in kept["chunks"]
    ]
    return Finished(run=attempt.run, attempt=attempt, ending=ending, chunks=chunks, is_doubtful=True)
