"""SQL text for the claim and the settling, written once instead of compiled by the ORM for each run.

Measured: compiling took nine tenths of a busy worker's CPU. Rows still become model instances (`raw`), with the
columns that are named and the rest deferred.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


def rows(model: type[Row], names: Sequence[str], tail: str, params: Sequence[Any]) -> list[Row]:
    """`SELECT <the columns of names> FROM <model> <tail>`, as instances."""
    sql = f"SELECT {_columns(model, tuple(names))} FROM {_table(model)} {tail}"  # noqa: S608 - names from models, values bound
    return list(model._default_manager.raw(sql, params))


def values(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What a statement returns, as the driver gives it: for numbers."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def places(keys: Collection[Any]) -> str:
    """`(%s, %s, …)` for as many keys; none must not be asked for."""
    return f"({', '.join(['%s'] * len(keys))})"


def moment(at: datetime) -> Any:
    """A time as a parameter of this database."""
    return connection.ops.adapt_datetimefield_value(at)


def for_update(*, skip_locked: bool = False, no_key: bool = False) -> str:
    """The row lock this database knows; SQLite has none, its write transactions exclude each other."""
    features = connection.features
    if not features.has_select_for_update:
        return ""
    lock = " FOR NO KEY UPDATE" if no_key and features.has_select_for_no_key_update else " FOR UPDATE"
    return lock + (" SKIP LOCKED" if skip_locked and features.has_select_for_update_skip_locked else "")


@cache
def _columns(model: type[Model], names: tuple[str, ...]) -> str:
    return ", ".join(connection.ops.quote_name(str(model._meta.get_field(name).column)) for name in names)  # type: ignore[union-attr]


@cache
def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
