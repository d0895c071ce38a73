"""How much a SQL job may change: a limit, a rehearsal, and what only a second person may allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datasources import blast
from datasources.problems import Code
from datasources.query import QueryError, Session, Statement
from datasources.tally import Limit
from datasources.target import ConnectionTarget
from jobs.executors.base import Context
from portal.lib.said import said as _


@dataclass(frozen=True, kw_only=True)
class BlastGuard:
    """`limit` is None when nothing is limited: no number was given, or what can't be counted was allowed."""

    context: Context
    limit: Limit | None = None

    @classmethod
    def of(cls, context: Context, target: ConnectionTarget) -> BlastGuard:
        """What holds for this run. An approval of exactly this change is used up by it."""
        params = context.params
        if target.is_read_only:
            return cls(context=context)
        most = blast.most_of(target, params.max_affected_rows)
        if params.dry_run:
            return cls(context=context, limit=Limit(keep=False))
        if most is None:
            return cls(context=context)
        allowed = context.writes.spend(params.datasource, params.sql) if context.writes else None
        if allowed is not None:
            context.log(_("A second person has approved this change.") + "\n", "system")
        return cls(context=context, limit=blast.limit_of(most, allowed))

    def look(self, session: Session, statements: Sequence[Statement]) -> None:
        """Refuse, before anything runs, what could not be undone or counted."""
        for hazard in blast.look(session, statements, self.limit):
            self.context.log(f"{hazard.sentence}\n", "system")

    def asked(self, error: QueryError, affected: int | None) -> QueryError:
        """The same error; what a second person may allow is asked for, and the error says so."""
        is_limited = self.limit is not None and self.limit.keep
        if error.code not in blast.NEEDS_APPROVAL or not is_limited or not self.context.writes:
            return error
        params = self.context.params
        rows = affected if error.code == Code.TOO_MANY else None
        self.context.writes.ask(params.datasource, params.sql, rows, error.sentence)
        words = _("%(cause)s A second person can approve it under “Write approvals”; then run the job again.")
        return QueryError.of(Code(error.code), words % {"cause": error.sentence}, error.line)
