"""How many rows a transaction has changed so far, triggers included, and whether that is too many."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from datasources.drivers import Driver
from datasources.problems import Code, QueryError
from portal.lib.said import said as _


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A session with a limit counts; above `max_affected` (None: any number) it undoes all and refuses to go on.

    With `keep` False it is a rehearsal: whatever happens is undone at the end.
    """

    max_affected: int | None = None
    keep: bool = True


class Tally:
    """Counts by what the statements report and, where the database counts by itself, by that too: the larger holds."""

    def __init__(self, limit: Limit, driver: Driver) -> None:
        self.limit = limit
        self.total = 0
        self._driver = driver
        self._reported = 0
        self._counted_before: int | None = None

    def begin(self, connection: Connection) -> None:
        """A transaction was opened."""
        self.total = self._reported = 0
        self._counted_before = self._driver.changed_rows(connection)

    def add(self, connection: Connection, reported: int | None) -> int:
        """After a statement: the rows it changed. Raises `QueryError` when the transaction has changed too many."""
        before = self.total
        self._reported += max(reported or 0, 0)
        counted = self._driver.changed_rows(connection)
        known = self._counted_before is not None and counted is not None
        self.total = max(self._reported, (counted or 0) - (self._counted_before or 0) if known else 0, before)
        most = self.limit.max_affected
        if most is not None and self.total > most:
            words = _("%(count)d rows would be changed, and at most %(most)d may be: all was undone, nothing changed.")
            raise QueryError.of(Code.TOO_MANY, words % {"count": self.total, "most": most})
        return self.total - before
