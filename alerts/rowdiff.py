"""Rows with an identity: which are new, which are still there, which are gone. PURE.

A row is known by the values of its key columns. NULL is a value here, equal to itself: a row without a key must not
be new each time. Rows of one key are one row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from alerts.cells import JSON, canonical, find_column
from alerts.wording import Sentence, say


@dataclass(frozen=True, kw_only=True)
class KeyedRow:
    """The first row of this key, and how many there are. `hash` stays the same as long as the key does."""

    hash: str
    key: tuple[JSON, ...]
    row: tuple[JSON, ...]
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class RowDiff:
    """`resolved` are hashes of rows that are gone; `unseen` those of which nothing is known this time.

    `problem` says why the rows can't be told apart: then all known ones are unseen. `notes` are for the page.
    """

    new: tuple[KeyedRow, ...] = ()
    still_there: tuple[KeyedRow, ...] = ()
    resolved: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    problem: Sentence | None = None
    notes: tuple[Sentence, ...] = field(default=())

    @property
    def identities(self) -> frozenset[str]:
        """What is `previous` next time."""
        return frozenset([*(one.hash for one in (*self.new, *self.still_there)), *self.unseen])

    @property
    def sentence(self) -> Sentence:
        """3 new, 12 known, 5 resolved."""
        return say("rows.counts", new=len(self.new), known=len(self.still_there), resolved=len(self.resolved))


def key_hash(key: Sequence[JSON]) -> str:
    """32 hexadecimal digits. 1 and 1.0 are one key, "1" is another."""
    return hashlib.sha256(canonical(list(key)).encode()).hexdigest()[:32]


def diff(
    previous: Collection[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[JSON]],
    key_columns: Sequence[str],
    *,
    is_truncated: bool = False,
) -> RowDiff:
    """Compare the rows with the hashes of last time. Without key columns the whole row is its key."""
    places, problem = _places(columns, key_columns)
    if problem:
        return RowDiff(unseen=tuple(sorted(previous)), problem=problem)
    found = _keyed(rows, places)
    gone = tuple(sorted(set(previous) - set(found)))
    return RowDiff(
        new=tuple(row for row in found.values() if row.hash not in previous),
        still_there=tuple(row for row in found.values() if row.hash in previous),
        resolved=() if is_truncated else gone,
        unseen=gone if is_truncated else (),
        notes=tuple(_notes(found, len(rows), is_truncated=is_truncated)),
    )


def _places(columns: Sequence[str], key_columns: Sequence[str]) -> tuple[list[int], Sentence | None]:
    if not key_columns:
        return list(range(len(columns))), None
    places = []
    for name in key_columns:
        found = find_column(columns, name)
        if len(found) != 1:
            return [], say("rows.many_key_columns" if found else "rows.no_key_column", column=name)
        places.append(found[0])
    return places, None


def _keyed(rows: Sequence[Sequence[JSON]], places: Sequence[int]) -> dict[str, KeyedRow]:
    counted: dict[str, int] = {}
    first: dict[str, tuple[tuple[JSON, ...], tuple[JSON, ...]]] = {}
    for row in rows:
        key = tuple(row[place] for place in places)
        name = key_hash(key)
        counted[name] = counted.get(name, 0) + 1
        first.setdefault(name, (key, tuple(row)))
    return {name: KeyedRow(hash=name, key=key, row=row, count=counted[name]) for name, (key, row) in first.items()}


def _notes(found: dict[str, KeyedRow], row_count: int, *, is_truncated: bool) -> list[Sentence]:
    notes = []
    null_count = sum(one.count for one in found.values() if None in one.key)
    if row_count > len(found):
        notes.append(say("rows.duplicates", count=row_count - len(found)))
    if null_count:
        notes.append(say("rows.null_key", count=null_count))
    if is_truncated:
        notes.append(say("rows.truncated", count=row_count))
    return notes
