"""Removes what a killed worker left on this host's disk: the work folders of attempts that are over, its spare ones."""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
from pathlib import Path

from django.db import Error as DatabaseError
from django.db import connection

from jobs.engine import spares
from jobs.models import Attempt
from jobs.states import AttemptStatus

log = logging.getLogger(__name__)
YOUNG_SECONDS = 600.0  # what a worker has just made is not in the ledger's answer yet
MOST_AT_ONCE = 500
_NAME = re.compile(r"(\d{1,18})-(\d{1,9})(\.pid)?")


def sweep_forever(folder: Path, stop: threading.Event, *, every: float) -> None:
    """In a thread of its own, until `stop`; `every` in seconds."""
    while not stop.wait(every):
        try:
            sweep(folder)
        except (DatabaseError, OSError) as error:
            log.warning("Old work folders could not be looked for.", extra={"error": str(error)})
        connection.close()


def sweep(folder: Path, *, now: float | None = None) -> int:
    """Remove up to MOST_AT_ONCE entries whose attempt does not run any more; a database error goes up.

    Anything with another name is left alone, and so is what its worker still writes to. `now` is as
    `time.time()`. Returns how many were removed.
    """
    old = (time.time() if now is None else now) - YOUNG_SECONDS
    found: dict[tuple[int, int], list[Path]] = {}
    spare: list[Path] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and _age_of(path) < old:
            found.setdefault((int(match[1]), int(match[2])), []).append(path)
        elif _is_spare_of_the_dead(path.name) and _age_of(path) < old:
            spare.append(path)
        if len(found) + len(spare) >= MOST_AT_ONCE:
            break
    return sum(_remove(path) for path in spare) + _remove_ended(found)


def _is_spare_of_the_dead(name: str) -> bool:
    """A worker elsewhere that shares the folder may lose its spares to this: it makes what it needs."""
    owner = spares.owner_of(name)
    return owner is not None and not Path(f"/proc/{owner}").exists()


def _remove_ended(found: dict[tuple[int, int], list[Path]]) -> int:
    if not found:
        return 0
    running = Attempt.objects.filter(run_id__in={run for run, _number in found}, status=AttemptStatus.RUNNING)
    kept = set(running.values_list("run_id", "number"))
    return sum(_remove(path) for key, paths in found.items() if key not in kept for path in paths)


def _age_of(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:  # its worker has just removed it
        return float("inf")


def _remove(path: Path) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        log.warning("A work folder that nobody needs could not be removed.", extra={"error": str(error)})
        return False
    return True
