"""Deleting runs with everything that hangs on them, a batch at a time, in short transactions.

What hangs on a run is read from the models: a relation that cascades is deleted first, one that is set to NULL is set,
one that protects keeps its run. Rows are never loaded; ids are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from jobs.models import Run
from jobs.states import ACTIVE, TERMINAL

BATCH = 1000


@cache
def relations(model: type[Model], deed: Any) -> tuple[tuple[type[Model], str], ...]:
    """(model, field) of every foreign key to `model` with this on_delete; None: with any."""
    hidden: list[Any] = [field for field in model._meta.get_fields(include_hidden=True) if field.auto_created]
    found = [one for one in hidden if not one.concrete and hasattr(one, "on_delete")]
    return tuple((one.related_model, one.field.name) for one in found if deed is None or one.on_delete is deed)


def prunable(runs: QuerySet[Run]) -> QuerySet[Run]:
    """The runs that may go as far as their state and what points at them say; age is the caller's question.

    A part goes with its container, and a container with a living part stays.
    """
    living = Run.objects.filter(parent=OuterRef("pk"), status__in=list(ACTIVE))
    return _free(runs.filter(parent=None).filter(Q(is_container=False) | ~Exists(living)))


def _free(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Ended, and held by no row that protects its run."""
    for model, field in (*relations(Run, models.PROTECT), *relations(Run, models.RESTRICT)):
        runs = runs.filter(~Exists(model._default_manager.filter(**{field: OuterRef("pk")})))
    return runs.filter(status__in=list(TERMINAL))


def parts_of(ids: Collection[int]) -> Iterator[list[int]]:
    """The parts of containers among `ids`, BATCH at a time, deepest first."""
    level = list(Run.objects.filter(parent__in=ids).order_by("pk").values_list("pk", flat=True))
    for batch in _slices(level):
        yield from parts_of(batch)
        yield batch


def delete_runs(ids: Collection[int]) -> int:
    """Delete these runs and everything that hangs on them, in one transaction; returns how many went.

    They are locked and looked at again first: what another pruner holds, what somebody has begun to point at, and a
    container that still has a part, is left.
    """
    with transaction.atomic():
        parts = Run.objects.filter(parent=OuterRef("pk"))
        rows = _free(Run.objects.filter(pk__in=ids)).filter(~Exists(parts))
        held = list(_locked(rows).values_list("pk", flat=True))
        if held:
            _clear(Run, held)
        return len(held)


def _locked(rows: QuerySet[Run]) -> QuerySet[Run]:
    features = connection.features
    if not features.has_select_for_update:
        return rows  # SQLite: the transaction itself is exclusive
    return rows.order_by("pk").select_for_update(skip_locked=features.has_select_for_update_skip_locked)


def _clear(model: type[Model], ids: list[int]) -> None:
    """Delete rows by id: first what points at them, then they. No collector, no signals, no rows in memory."""
    for other, field in relations(model, models.SET_NULL):
        other._base_manager.filter(**{f"{field}__in": ids}).update(**{field: None})
    for other, field in relations(model, models.CASCADE):
        if other is model:
            continue  # parts were deleted before their container
        below = other._base_manager.filter(**{f"{field}__in": ids})
        if relations(other, models.CASCADE) or relations(other, models.SET_NULL):
            for start in _slices(list(below.order_by().values_list("pk", flat=True))):
                _clear(other, start)
        else:
            _raw_delete(below)
    _raw_delete(model._base_manager.filter(pk__in=ids))


def _slices(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _raw_delete(rows: QuerySet[Any]) -> int:
    """One DELETE; Django's own `delete()` would load the rows to look for what we have deleted already."""
    return int(rows._raw_delete(rows.db))
