"""The rows that an incident keeps, as its page and its file show them. Stored JSON is read with care: it may be old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from alerts.wording import render
from datasources.admin.console_cells import Cell, Grid, grid
from datasources.query import ResultSet

MARKS: dict[str, tuple[str, str | Promise]] = {
    "new": ("bad", gettext_lazy("new")),
    "known": ("plain", gettext_lazy("known")),
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`rows` are (tone, mark, cells); `note` says what is left out."""

    grid: Grid
    rows: list[tuple[str, str | Promise, list[Cell]]]
    has_marks: bool
    note: str
    notes: list[str]


def evidence_of(stored: Any) -> Evidence | None:
    """None when no table was kept."""
    found = as_result(stored)
    if not found.columns:
        return None
    shown, marks = grid(found), _marks(stored, len(found.rows))
    rows = [(*MARKS.get(mark, ("", "")), cells) for mark, cells in zip(marks, shown.rows, strict=True)]
    return Evidence(
        grid=shown,
        rows=rows,
        has_marks=any(mark in MARKS for mark in marks),
        note=_note(stored, len(found.rows)),
        notes=[render(note) for note in stored.get("notes") or [] if isinstance(note, Mapping)],
    )


def as_result(stored: Any) -> ResultSet:
    """Every row as wide as the head; without columns nothing is shown."""
    values = stored if isinstance(stored, Mapping) else {}
    columns, kept = values.get("columns"), values.get("rows")
    if not isinstance(columns, list) or not isinstance(kept, list):
        return ResultSet()
    width = len(columns)
    rows = [[*row, *[None] * (width - len(row))][:width] for row in kept if isinstance(row, list)]
    types = [_type_of([row[place] for row in rows]) for place in range(width)]
    return ResultSet(columns=[str(name) for name in columns], rows=rows, types=types)


def _type_of(values: list[Any]) -> str:
    known = [value for value in values if value is not None]
    are_numbers = known and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    return "number" if are_numbers else "text"


def _marks(stored: Mapping[str, Any], count: int) -> list[str]:
    marks = stored.get("marks")
    found = [str(mark) for mark in marks] if isinstance(marks, list) else []
    return [*found, *[""] * count][:count]


def _note(stored: Mapping[str, Any], shown: int) -> str:
    total = stored.get("total")
    if not isinstance(total, int) or total <= shown:
        return ""
    words = ngettext("The first row is shown of %(total)d.", "The first %(shown)d rows are shown of %(total)d.", shown)
    text = words % {"shown": shown, "total": total}
    return f"{text} {_('The result was longer than what is kept of it.')}" if stored.get("is_truncated") else text
