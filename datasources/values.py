"""PURE: values of a result row as JSON, nothing lost that matters: decimals as text, times in ISO, bytes as hex."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

JSON = Any
LONGEST_TEXT = 65_536  # characters of one cell
LONGEST_BYTES = 4_096
LARGEST_INT = 2**53  # beyond it a browser's number loses digits


def to_json(value: Any) -> JSON:
    """What `json.dumps` takes without losing digits. Long text and bytes are cut and end in "…"."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -LARGEST_INT <= value <= LARGEST_INT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT] + "…"
    if isinstance(value, bytes | bytearray | memoryview):
        return _hex(bytes(value[: LONGEST_BYTES + 1]))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return _other(value)


def _other(value: Any) -> JSON:
    if isinstance(value, timedelta):
        return _clock(value)
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    return to_json(str(value))


_TYPES: list[tuple[type | tuple[type, ...], str]] = [
    (bool, "boolean"), (int, "integer"), (float, "number"), (Decimal, "decimal"), (str, "text"),
    ((bytes, bytearray, memoryview), "binary"), (datetime, "timestamp"), (date, "date"), (time, "time"),
    (timedelta, "interval"), (UUID, "uuid"), ((Mapping, list, tuple, set, frozenset), "json"),
]  # fmt: skip


def type_of(value: Any) -> str:
    """A short word for the type of a database's value; empty for NULL."""
    if value is None:
        return ""
    return next((word for types, word in _TYPES if isinstance(value, types)), "other")


def size_of(row: Iterable[JSON]) -> int:
    """About how many bytes the row takes as JSON."""
    return sum(_size(value) + 1 for value in row) + 2


def _size(value: JSON) -> int:
    if isinstance(value, str):
        return len(value) + 2 if value.isascii() else len(value.encode("utf-8", "replace")) + 2
    if isinstance(value, dict):
        return size_of(value.keys()) + size_of(value.values())
    if isinstance(value, list):
        return size_of(value)
    return len(repr(value))


def _hex(value: bytes) -> str:
    return value[:LONGEST_BYTES].hex() + ("…" if len(value) > LONGEST_BYTES else "")


def _clock(value: timedelta) -> str:
    """MySQL's TIME and PostgreSQL's INTERVAL: "-26:00:01", "00:00:00.500000"."""
    sign = "-" if value < timedelta(0) else ""
    seconds, micro = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{micro:06d}" if micro else text
