"""Cells of a result as a page shows them: NULL is seen, numbers stand right, long ones are cut and can be opened."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from datasources.query import ResultSet

SHOWN = 120  # characters of a cell before it is cut
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet would execute
TYPES: dict[str, str | Promise] = {
    "boolean": _("boolean"), "integer": _("integer"), "number": _("float"), "decimal": _("decimal"),
    "text": _("string"), "binary": _("binary"), "timestamp": _("timestamp"), "date": _("date"), "time": _("time"),
    "interval": _("interval"), "uuid": _("UUID"), "json": _("JSON"),
}  # fmt: skip
NUMERIC = frozenset({"integer", "number", "decimal"})


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`kind` is null, number, binary or text; `rest` is the whole of a text that was cut."""

    text: str
    kind: str = "text"
    rest: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    type: str | Promise
    is_number: bool


@dataclass(frozen=True, kw_only=True)
class Grid:
    columns: list[Column]
    rows: list[list[Cell]]


def grid(found: ResultSet) -> Grid:
    columns = [
        Column(name=name, type=TYPES.get(kind, kind), is_number=kind in NUMERIC)
        for name, kind in zip(found.columns, found.types, strict=True)
    ]
    rows = [[_cell(value, kind) for value, kind in zip(row, found.types, strict=True)] for row in found.rows]
    return Grid(columns=columns, rows=rows)


def _cell(value: Any, kind: str) -> Cell:
    if value is None:
        return Cell(text="NULL", kind="null")
    text = plain(value)
    look = "binary" if kind == "binary" else "number" if kind in NUMERIC else "text"
    if kind == "binary":
        text = f"0x{text}"
    if len(text) <= SHOWN and "\n" not in text:
        return Cell(text=text, kind=look)
    return Cell(text=f"{' '.join(text[:SHOWN].split())}…", kind=look, rest=text)


def plain(value: Any) -> str:
    """As text: JSON for what has parts, true and false as SQL writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def csv_lines(found: ResultSet) -> Iterator[str]:
    """A spreadsheet's file: NULL is empty, and a text that would be a formula is not."""
    yield "\ufeff" + _line(found.columns)
    for row in found.rows:
        yield _line(row)


def _line(values: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_safe(value) for value in values])
    return out.getvalue()


def _safe(value: Any) -> Any:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return "" if value is None else value
    text = plain(value)
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    """A negative decimal is text here and no formula."""
    try:
        float(text)
    except ValueError:
        return False
    return text.lstrip("-").replace(".", "", 1).isdigit()
