"""Work folders made in quiet moments, so that a script that is due finds its own ready.

A folder with its two files, and the note of who owns the script, are four entries on the disk. Where many files have
been deleted lately that costs milliseconds of CPU (an ext4 without a journal looks at each of them before it gives a
number again), and sixteen scripts that start at once pay it one after the other.

A spare has never been used, and one that anybody has touched is thrown away: at the isolation level "shared" a script
may write wherever its worker may, and what it left there must not wait for the next attempt.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import threading
from itertools import count
from pathlib import Path

from jobs.executors.script import BLANK, OUTPUT

QUIET_SECONDS = 0.3  # without a start, before spares are made
_NAME = re.compile(r"spare-(\d{1,9})-([0-9a-f]{8})-\d{1,18}(\.pid|\.gone)?")
Marks = tuple[tuple[int, int, int], ...]  # of what a spare consists of: which it is, its links, its last change


class Spares:
    """Thread-safe. Keeps up to `most` spare folders in `root`; without any it makes what is asked for."""

    def __init__(self, root: Path, *, most: int) -> None:
        self._root = root
        self._most = most
        self._ready: list[tuple[Path, Marks]] = []
        self._token = secrets.token_hex(4)  # in a container the next process may have the same number
        self._numbers = count(1)
        self._taken = threading.Event()
        self._lock = threading.Lock()

    def make(self, folder: Path) -> None:
        """The new, private folder of an attempt, directly in `root`. Raises OSError, also when it is in use."""
        self._taken.set()
        with self._lock:
            spare, marks = self._ready.pop() if self._ready else (None, ())
        if spare is None or not _became(spare, marks, folder):
            folder.mkdir(mode=0o700, parents=True)

    def keep_ready(self, stop: threading.Event) -> None:
        """In a thread of its own, until `stop`. Where disks are full or slow, spares are nobody's trouble."""
        with contextlib.suppress(OSError):
            self._tidy()
        self._taken.set()
        while not stop.is_set():
            if not self._taken.wait(1.0):
                continue
            self._taken.clear()
            if not stop.wait(QUIET_SECONDS) and not self._taken.is_set():
                with contextlib.suppress(OSError):
                    self.fill()
        self.drop()

    def fill(self) -> None:
        """Until there are enough, or a script starts."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        while len(self._ready) < self._most and not self._taken.is_set():
            folder = self._root / f"spare-{os.getpid()}-{self._token}-{next(self._numbers)}"
            folder.mkdir(mode=0o700)
            try:
                for path in (folder / BLANK, folder / OUTPUT, _note_of(folder)):
                    path.touch(mode=0o600, exist_ok=False)
                spare = (folder, _marks(folder))
            except OSError:
                _remove(folder)
                raise
            with self._lock:
                self._ready.append(spare)

    def drop(self) -> None:
        """Remove them: the worker ends."""
        with self._lock:
            spares, self._ready = self._ready, []
        for folder, _seen in spares:
            _remove(folder)

    def _tidy(self) -> None:
        """What was left by a process that had this one's number before it."""
        for path in self._root.iterdir():
            match = _NAME.fullmatch(path.name)
            if match and int(match[1]) == os.getpid() and match[2] != self._token and match[3] != ".pid":
                _remove(path)


def owner_of(name: str) -> int | None:
    """The process that has made an entry of that name as a spare; None: it is none."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def _marks(folder: Path) -> Marks:
    found = (path.lstat() for path in (folder, folder / BLANK, folder / OUTPUT, _note_of(folder)))
    return tuple((each.st_ino, each.st_nlink, each.st_ctime_ns) for each in found)


def _became(spare: Path, marks: Marks, folder: Path) -> bool:
    """False: somebody has tidied up or meddled with it, or the folder is in use already."""
    try:
        if _marks(spare) != marks:
            _remove(spare)
            return False
        spare.rename(folder)
    except OSError:
        _remove(spare)
        return False
    with contextlib.suppress(OSError):
        _note_of(spare).rename(_note_of(folder))
    return True


def _remove(spare: Path) -> None:
    """By another name first: where two processes have the same number, the other may just be taking it."""
    gone = spare.with_name(f"{spare.name}.gone")
    with contextlib.suppress(OSError):
        spare.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
    with contextlib.suppress(OSError):
        _note_of(spare).unlink()


def _note_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.pid")
