"""The children's log files: rotated at each start, daily and when large; followed for lines an operator must see."""

import re
import shutil
from contextlib import suppress
from datetime import date
from pathlib import Path

KEEP = 3
MAX_BYTES = 20 * 1024 * 1024
# structlog's level column, gunicorn's, Valkey's "#" mark, and the last words of a process without logging.
IMPORTANT = re.compile(
    r"\[(error|critical|warning)\s*\]|\[(ERROR|CRITICAL|WARNING)\]|^\d+:[A-Z] .{15,30} # |^Error: |can't be"
)
UNIMPORTANT = re.compile(r"overcommit_memory")  # the server's advice for machines with large data sets
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def rotate(path: Path) -> None:
    """name.log becomes name.log.1, and so on; the oldest goes."""
    if not path.exists() or path.stat().st_size == 0:
        return
    _make_room(path)
    path.replace(path.with_name(f"{path.name}.1"))


def _make_room(path: Path) -> None:
    for number in range(KEEP - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))


class Follower:
    """Reads what a child appended to its log since the last look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._rest = b""
        self._in_traceback = False

    def important_lines(self) -> list[str]:
        """New complete lines that report a problem; of a traceback only that there is one."""
        shown = []
        for line in self._new_lines():
            if line.startswith("Traceback (most recent call last)"):
                self._in_traceback = True
            elif self._in_traceback and line and not line[0].isspace():
                self._in_traceback = False
                shown.append(line)
            elif IMPORTANT.search(line) and not UNIMPORTANT.search(line):
                shown.append(line)
        return shown

    def last_words(self) -> str:
        """The last line that is no decoration: what a child said before it ended."""
        try:
            tail = self.path.read_bytes()[-4000:].decode(errors="replace")
        except OSError:
            return ""
        lines = [COLOURS.sub("", line).strip() for line in tail.splitlines()]
        return next((line for line in reversed(lines) if re.search(r"\w{3}", line)), "")

    def _new_lines(self) -> list[str]:
        try:
            size = self.path.stat().st_size
            if size < self._offset:  # it was rotated
                self._offset, self._rest = 0, b""
            if size == self._offset:
                return []
            with self.path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read(256 * 1024)
        except OSError:
            return []
        self._offset += len(fresh)
        *complete, self._rest = (self._rest + fresh).split(b"\n")
        self._rest = self._rest[-8192:]
        return [COLOURS.sub("", line.decode(errors="replace")).rstrip() for line in complete]


def turn(path: Path) -> None:
    """Copy the log aside and empty it; its writer appends, so it goes on at the start.

    On a full disk there is no copy: a log that could not be emptied would keep the disk full.
    """
    _make_room(path)
    aside = path.with_name(f"{path.name}.1")
    try:
        shutil.copyfile(path, aside)
    except OSError:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    with path.open("r+b") as file:
        file.truncate(0)


class Turner:
    """Turns each log when a new day has begun since it was first seen, and when it has grown large."""

    def __init__(self) -> None:
        self._days: dict[Path, date] = {}

    def tend(self, path: Path, today: date) -> bool:
        """True when the log was turned."""
        size = path.stat().st_size if path.exists() else 0
        is_new_day = self._days.setdefault(path, today) != today
        self._days[path] = today
        if size >= MAX_BYTES or (is_new_day and size):
            turn(path)
            return True
        return False
