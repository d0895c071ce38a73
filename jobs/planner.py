"""How PostgreSQL plans what beat and workers ask."""

from __future__ import annotations

from typing import Any

from django.db.backends.signals import connection_created


def prefer_indexes() -> None:
    """From now on no connection of this process reads a whole table where an index serves.

    Everything the engine asks has its index. Where statistics are older than the last bulk change (a purge, an
    import, autovacuum off), the planner takes a table scan for the cheaper way to one row: 100 due schedules then
    took half a second instead of five milliseconds.
    """
    connection_created.connect(_prefer, dispatch_uid="jobs.planner")


def _prefer(connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
