"""What really happened, outside the database: each script leaves a line at its start, while it lives, at its end.

A line is `word run attempt pid seconds`, with the seconds since boot, in one append. A later attempt that finds a
process of its own run alive says `overlap`.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = """
say() {{
  read -r up _ </proc/uptime
  printf '%s %s %s %s %s\\n' "$1" "$PORTAL_RUN_ID" "$PORTAL_ATTEMPT" "$$" "$up" >>'{path}'
}}
say start
if [ "$PORTAL_ATTEMPT" -gt 1 ]; then
  while read -r word run attempt pid up; do
    if [ "$word $run" = "start $PORTAL_RUN_ID" ] && [ "$pid" != "$$" ] \\
      && grep -qsz "^PORTAL_RUN_ID=$run\\$" "/proc/$pid/environ"; then say overlap; fi
  done <'{path}'
fi
i=0
while [ $i -lt {steps} ]; do sleep 0.25; say alive; i=$((i+1)); done
{body}
say end
exit {code}
"""

MOMENT = 0.005  # half of what /proc/uptime can tell


@dataclass(frozen=True, kw_only=True)
class Line:
    word: str
    run: int
    attempt: int
    pid: int
    at: float


class Witness:
    """The witness file of one stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "witness.txt"

    def job(self, slug: str, seconds: float = 0, *, body: str = "", code: int = 0, **fields: Any) -> dict[str, Any]:
        """The definition of a shell job that runs about so long, for `Stack.add_jobs`."""
        script = SCRIPT.format(path=self.path, steps=round(seconds * 4), body=body, code=code)
        return {"slug": slug, "kind": "shell", "params": {"script": script}, **fields}

    def lines(self) -> list[Line]:
        text = self.path.read_text() if self.path.exists() else ""
        rows = [row.split() for row in text.splitlines()]
        return [
            Line(word=word, run=int(run), attempt=int(attempt), pid=int(pid), at=float(at))
            for word, run, attempt, pid, at in rows
        ]

    def words(self, run: int) -> list[tuple[str, int]]:
        """What the attempts of a run said, but for signs of life."""
        return [(line.word, line.attempt) for line in self.lines() if line.run == run and line.word != "alive"]

    def starts(self) -> list[int]:
        """The runs that started, once per start."""
        return [line.run for line in self.lines() if line.word == "start"]

    def most_at_once(self) -> int:
        """How many scripts lived at the same moment, at most."""
        moments = []
        for lines in self.by_attempt().values():
            # A script that left one line lived a moment; otherwise an end goes before a start of the same moment.
            moments += [(lines[0].at, 1), (max(lines[-1].at, lines[0].at + MOMENT), -1)]
        most = now = 0
        for _at, step in sorted(moments):
            now += step
            most = max(most, now)
        return most

    def by_attempt(self) -> dict[tuple[int, int], list[Line]]:
        found: dict[tuple[int, int], list[Line]] = defaultdict(list)
        for line in self.lines():
            found[line.run, line.attempt].append(line)
        return found


def living(folder: Path) -> Iterator[tuple[int, int]]:
    """(pid, run) of every living process of a script of the stack on this folder; run 0 where it can't be told."""
    work = str(folder / "work") + "/"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            environ = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
            place = f"{(entry / 'cwd').readlink()}/"
            run = next((line.partition("=")[2] for line in environ if line.startswith("PORTAL_RUN_ID=")), "")
            if run and any(work in line for line in environ):
                yield int(entry.name), int(run)
            elif place.startswith(work):
                yield int(entry.name), int(place.removeprefix(work).split("-")[0])
