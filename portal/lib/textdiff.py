"""PURE: the difference of two texts, as lines with what each of them is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def unified(old: Sequence[str], new: Sequence[str], names: tuple[str, str]) -> list[tuple[str, str]]:
    """(class, line): "add", "del", "at" or "" for each line of a unified diff; empty when they are the same."""
    found = difflib.unified_diff(old, new, *names, lineterm="", n=4)
    return [(_class_of(line), line) for line in found]


def _class_of(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return "at"
    return {"+": "add", "-": "del"}.get(line[:1], "")
