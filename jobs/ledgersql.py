"""Many rows in one statement, where the ORM would take a row of SQL text for each: the ledger's hot paths write here.

Values are Python values, converted by each model field as `save()` does; a foreign key is given by its id.
Names are a field's name or its column (`job` or `job_id`). PostgreSQL gets one array per column (unnest),
SQLite and MariaDB/MySQL one JSON document (json_each, JSON_TABLE: MariaDB 10.6, MySQL 8.0). The caller holds the
transaction, and cuts batches of some hundreds or thousands of rows.
"""

# ruff: noqa: S608 - every name in a statement is a model's, every value a parameter

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import CharField, Field, ForeignKey, IntegerField, Model, TextField

Row = Sequence[Any]
Fields: TypeAlias = "tuple[Field[Any, Any], ...]"


def update_many(
    model: type[Model],
    keys: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    where: Mapping[str, Any] | None = None,
    same: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Update each row found by its `keys` (and by `where`, equal for all) with its own values of `columns`.

    A row of `rows` is its key values, then its column values; no two have the same keys. `same` sets columns
    to one value in all. Returns the first key of each row that was there to update, in no order:
    with keys ("id", "token") and where={"status": …}, what is missing was fenced. `auto_now` is not touched.
    """
    names = _fields(model, [*keys, *columns])
    values = _prepared(names, rows)
    if not values:
        return []
    guard, fixed = _constants(model, where or {}), _constants(model, same or {})
    found, update = names[: len(keys)], names[len(keys) :]
    if connection.vendor == "mysql":
        return _mysql_update(model, (found, update), values, guard, fixed)
    sql = _update_text(model, tuple(found), tuple(update), _first(guard), _first(fixed))
    rows_found = _fetch(sql, [*_second(fixed), *_source_params(values), *_second(guard)])
    return [row[0] for row in rows_found]


def insert_many(
    model: type[Model],
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    same: Mapping[str, Any] | None = None,
    unique: str = "",
    returning: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Insert a row for each of `rows`, which hold the values of `columns`; `same` is equal in all, the rest default.

    With `unique` (a column that is UNIQUE), rows whose value is taken are left out; without, a conflict raises.
    Returns the columns `returning` of the rows inserted, as the driver gives them: name ids, numbers and texts only.
    """
    names = _fields(model, columns)
    values = _prepared(names, rows)
    if not values:
        return []
    fixed = _constants(model, _defaults(model, names, same or {}) | dict(same or {}))
    wanted = _fields(model, returning)
    if connection.vendor == "mysql":
        return _mysql_insert(model, (names, values), fixed, unique, wanted)
    sql = _insert_text(model, tuple(names), _first(fixed), unique)
    return _fetch(sql + _returning(wanted), [*_second(fixed), *_source_params(values)])


# --- values ---


def _fields(model: type[Model], names: Iterable[str]) -> list[Field[Any, Any]]:
    return [model._meta.get_field(name) for name in names]  # type: ignore[misc]


def _prepared(fields: Sequence[Field[Any, Any]], rows: Iterable[Row]) -> list[list[Any]]:
    """The columns, not the rows, each converted as `save()` would."""
    columns = list(zip(*rows, strict=True))
    if columns and len(columns) != len(fields):
        raise ValueError(f"Each row has {len(columns)} values for {len(fields)} columns.")
    return [_converted(field, column) for field, column in zip(fields, columns, strict=False)]


def _converted(field: Field[Any, Any], values: Iterable[Any]) -> list[Any]:
    """Numbers and texts pass as they are: asking the field about each would be most of the work."""
    kind = field.target_field if isinstance(field, ForeignKey) else field
    if isinstance(kind, IntegerField):
        return list(values)
    if isinstance(kind, CharField | TextField):
        return [None if value is None else str(value) for value in values]
    here = connections[DEFAULT_DB_ALIAS]  # not the proxy, which looks itself up at each use
    return [field.get_db_prep_save(value, here) for value in values]


def _constants(model: type[Model], values: Mapping[str, Any]) -> list[tuple[Field[Any, Any], Any]]:
    fields = _fields(model, values)
    return [
        (field, field.get_db_prep_save(value, connection)) for field, value in zip(fields, values.values(), strict=True)
    ]


def _defaults(model: type[Model], given: Sequence[Field[Any, Any]], same: Mapping[str, Any]) -> dict[str, Any]:
    """What `save()` would write into the columns that nobody named; one value for all rows."""
    named = {field.attname for field in [*given, *_fields(model, same)]}
    blank = model()
    return {
        field.attname: field.pre_save(blank, add=True)
        for field in model._meta.concrete_fields
        if field.attname not in named and not field.primary_key
    }


def _first(pairs: Iterable[tuple[Field[Any, Any], Any]]) -> Fields:
    return tuple(field for field, _value in pairs)


def _second(pairs: Iterable[tuple[Field[Any, Any], Any]]) -> list[Any]:
    return [value for _field, value in pairs]


# --- SQL ---


@cache
def _update_text(model: type[Model], found: Fields, update: Fields, guard: Fields, fixed: Fields) -> str:
    target = _quote(model._meta.db_table)
    sets = [f"{_column(one)} = v.{_alias(len(found) + place)}" for place, one in enumerate(update)]
    sets += [f"{_column(one)} = {_literal(one)}" for one in fixed]
    test = [f"{target}.{_column(one)} = v.{_alias(place)}" for place, one in enumerate(found)]
    test += [f"{target}.{_column(one)} = {_literal(one)}" for one in guard]
    sql = f"UPDATE {target} SET {', '.join(sets)} FROM {_source((*found, *update))} WHERE {' AND '.join(test)}"
    return sql + f" RETURNING {target}.{_column(found[0])}"


@cache
def _insert_text(model: type[Model], names: Fields, fixed: Fields, unique: str) -> str:
    into = ", ".join(_column(one) for one in (*names, *fixed))
    chosen = ", ".join([*(f"v.{_alias(place)}" for place in range(len(names))), *(_literal(one) for one in fixed)])
    # "WHERE true": without it SQLite reads ON CONFLICT as a join's ON.
    sql = f"INSERT INTO {_quote(model._meta.db_table)} ({into}) SELECT {chosen} FROM {_source(names)} WHERE true"
    return sql + (f" ON CONFLICT ({_column(_fields(model, [unique])[0])}) DO NOTHING" if unique else "")


def _quote(name: str) -> str:
    return str(connection.ops.quote_name(name))


def _column(field: Field[Any, Any]) -> str:
    return _quote(str(field.column))


def _alias(place: int) -> str:
    return f"c{place}"


def _type(field: Field[Any, Any]) -> str:
    """The column's type without a length: a cast must not cut a text that is too long, the column shall refuse it."""
    kind = str(field.rel_db_type(connection) if field.primary_key else field.cast_db_type(connection))
    return "text" if kind.startswith("varchar") and connection.vendor == "postgresql" else kind


def _literal(field: Field[Any, Any]) -> str:
    return f"%s::{_type(field)}" if connection.vendor == "postgresql" else "%s"


def _source(fields: Fields) -> str:
    """The rows as a table `v` with the columns c0, c1, … (PostgreSQL, SQLite)."""
    names = ", ".join(_alias(place) for place in range(len(fields)))
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{_type(field)}[]" for field in fields)
        return f"unnest({arrays}) AS v({names})"
    chosen = ", ".join(f"json_extract(value, '$[{place}]') AS {_alias(place)}" for place in range(len(fields)))
    return f"(SELECT {chosen} FROM json_each(%s)) AS v"


def _source_params(columns: list[list[Any]]) -> list[Any]:
    if connection.vendor == "postgresql":
        return columns
    return [json.dumps(list(zip(*columns, strict=True)))]


def _returning(fields: Sequence[Field[Any, Any]]) -> str:
    return f" RETURNING {', '.join(_column(field) for field in fields)}" if fields else ""


def _fetch(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


# --- MariaDB and MySQL ---


def _mysql_update(
    model: type[Model],
    fields: tuple[list[Field[Any, Any]], list[Field[Any, Any]]],
    columns: list[list[Any]],
    guard: list[tuple[Field[Any, Any], Any]],
    fixed: list[tuple[Field[Any, Any], Any]],
) -> list[Any]:
    """UPDATE returns no rows there: where not all match, the ones that do are locked and listed first."""
    keys, update = fields
    first = f"t.{_column(keys[0])}"
    source = _mysql_source([*keys, *update])
    test = [f"t.{_column(one)} = v.{_alias(place)}" for place, one in enumerate(keys)]
    # The list first: read the other way round, the whole table would be locked row by row, others' rows included.
    forced = " FORCE INDEX (PRIMARY)" if keys[0].primary_key else ""
    joined = f"{source} STRAIGHT_JOIN {_quote(model._meta.db_table)} AS t{forced} ON {' AND '.join(test)}"
    guarded = " AND ".join([f"t.{_column(one)} = %s" for one, _value in guard] or ["true"])
    chosen = f"SELECT {first} FROM {joined} WHERE {guarded} FOR UPDATE"
    found = [row[0] for row in _fetch(chosen, [_document(columns), *_second(guard)])]
    if not found:
        return []
    sets = [f"t.{_column(one)} = v.{_alias(len(keys) + place)}" for place, one in enumerate(update)]
    sets += [f"t.{_column(one)} = %s" for one, _value in fixed]
    params = [_document(columns), *_second(fixed), *_second(guard)]
    _fetch(f"UPDATE {joined} SET {', '.join(sets)} WHERE {guarded}", params)
    return found


def _mysql_source(fields: Sequence[Field[Any, Any]]) -> str:
    columns = ", ".join(f"{_alias(place)} {_mysql_type(one)} PATH '$[{place}]'" for place, one in enumerate(fields))
    return f"JSON_TABLE(%s, '$[*]' COLUMNS ({columns})) AS v"


def _mysql_type(field: Field[Any, Any]) -> str:
    """JSON columns pass as text: JSON_TABLE would read their JSON text as a JSON string."""
    kind = str(field.rel_db_type(connection))
    return "longtext" if kind in ("json", "longtext") or kind.startswith("varchar") else kind


def _document(columns: list[list[Any]]) -> str:
    rows = zip(*columns, strict=True)
    return json.dumps([[int(value) if isinstance(value, bool) else value for value in row] for row in rows])


def _mysql_insert(
    model: type[Model],
    content: tuple[list[Field[Any, Any]], list[list[Any]]],
    fixed: list[tuple[Field[Any, Any], Any]],
    unique: str,
    wanted: list[Field[Any, Any]],
) -> list[tuple[Any, ...]]:
    names, columns = content
    rows = list(zip(*columns, strict=True))
    constants = _second(fixed)
    into = ", ".join(_column(one) for one in [*names, *(one for one, _value in fixed)])
    places = f"({', '.join(['%s'] * (len(names) + len(fixed)))})"
    ignore = " IGNORE" if unique else ""
    sql = f"INSERT{ignore} INTO {_quote(model._meta.db_table)} ({into}) VALUES {', '.join([places] * len(rows))}"
    params = [value for row in rows for value in [*row, *constants]]
    if not wanted or connection.features.can_return_rows_from_bulk_insert:
        return _fetch(sql + _returning(wanted), params)
    if not unique:
        raise ValueError("MySQL has no RETURNING: name the unique column by which new rows are found again.")
    key = names.index(_fields(model, [unique])[0])
    values = columns[key]
    known = {row[0] for row in _select(model, [names[key]], names[key], values)}
    _fetch(sql, params)
    return _select(model, wanted, names[key], [value for value in values if value not in known])


def _select(
    model: type[Model], fields: Sequence[Field[Any, Any]], key: Field[Any, Any], values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    if not values:
        return []
    chosen = ", ".join(_column(field) for field in fields)
    places = ", ".join(["%s"] * len(values))
    sql = f"SELECT {chosen} FROM {_quote(model._meta.db_table)} WHERE {_column(key)} IN ({places})"
    return _fetch(sql, values)
