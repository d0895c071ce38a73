"""Cells of a result as what they mean: exact numbers, moments, columns by name. PURE.

A cell is JSON as `datasources.values` writes it: decimals, large integers and times are text. Numbers are Fractions
here, so that no comparison is off by a rounding.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any

JSON = Any
LONGEST_NUMBER = 400
SHOWN_LENGTH = 40
SHOWN_DIGITS = 6  # after the point, where a number has no end
MILLISECONDS_FROM = 100_000_000_000  # a larger count since 1970 is in milliseconds
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def number(cell: JSON) -> Fraction | None:
    """The exact number in a cell; None where there is none. True is 1."""
    if isinstance(cell, int):
        return Fraction(int(cell))
    if isinstance(cell, float):
        cell = repr(cell)  # 0.1 is what the database meant, not the nearest binary fraction
    if not isinstance(cell, str) or len(cell) > LONGEST_NUMBER:
        return None
    text = cell.strip()
    return Fraction(Decimal(text)) if _NUMBER.fullmatch(text) else None


def moment(cell: JSON, zone: tzinfo) -> datetime | None:
    """The moment in a cell, in UTC: ISO text (in `zone` where it names none), or seconds or milliseconds since 1970."""
    try:
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            return datetime.fromtimestamp(cell / 1000 if abs(cell) >= MILLISECONDS_FROM else cell, UTC)
        if not isinstance(cell, str):
            return None
        found = datetime.fromisoformat(cell.strip())
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def shown(value: Fraction) -> str:
    """The number as people write it, cut where it has no end or would be too long to read."""
    if value.denominator == 1:
        return _short(str(value.numerator)) if abs(value) < 10**SHOWN_LENGTH else f"{_decimal(value):.6e}"
    rounded = round(value, SHOWN_DIGITS)
    if rounded == 0 or abs(value) >= 10**SHOWN_LENGTH:
        return f"{_decimal(value):.6e}"
    return f"{_decimal(rounded):f}".rstrip("0").rstrip(".")


def plain(value: Fraction) -> float | None:
    """As a float for a chart; None when no float is that large."""
    try:
        return float(value)
    except OverflowError:
        return None


def cell_text(cell: JSON) -> str:
    """A cell in a sentence."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return _short(cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False))


def find_column(columns: Sequence[str], name: str) -> list[int]:
    """The places of the column: those spelled so, else those that differ in case only."""
    exact = [place for place, one in enumerate(columns) if one == name]
    return exact or [place for place, one in enumerate(columns) if one.casefold() == name.casefold()]


def digest(values: Iterable[JSON]) -> str:
    """The same for the same values in any order, each as often."""
    whole = hashlib.sha256()
    for line in sorted(canonical(value) for value in values):
        whole.update(line.encode("utf-8", "surrogatepass"))
        whole.update(b"\n")
    return whole.hexdigest()[:32]


def canonical(value: JSON) -> str:
    """One spelling for equal JSON values: 1 and 1.0 are one number, "1" is text."""
    return json.dumps(_one_spelling(value), ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def _one_spelling(value: JSON) -> JSON:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_one_spelling(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _one_spelling(item) for name, item in value.items()}
    return value


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_LENGTH else f"{line[: SHOWN_LENGTH - 1]}…"
