"""The hostile corpus, read from its files: `corpus/README.md` says what the keys mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "corpus"
KINDS = ("postgres", "mysql", "sqlite")


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One statement and what is expected of each layer."""

    sql: str
    about: str
    passes_guard: bool = False
    breaks_alone: bool = False
    bites: bool = False

    def filled(self, **places: str) -> str:
        """With `{folder}` and the like set; other braces are left alone."""
        text = self.sql
        for name, value in places.items():
            text = text.replace("{" + name + "}", value)
        return text


@cache
def statements(kind: str) -> tuple[Hostile, ...]:
    """All for this engine, those for every engine first."""
    return tuple(each for name in ("any", kind) for each in _read(name))


def _read(name: str) -> Iterator[Hostile]:
    for group in yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")):
        unknown = set(group) - {"about", "sql", "guard", "alone", "bites"}
        assert not unknown, f"{name}.yaml: {unknown}"
        for sql in group["sql"]:
            yield Hostile(
                sql=sql,
                about=group["about"],
                passes_guard=group.get("guard") == "passes",
                breaks_alone=group.get("alone") == "breaks",
                bites=group.get("bites", False),
            )
