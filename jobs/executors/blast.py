"""How much a SQL job may change: a limit, a rehearsal, and what only a second person may allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datasources.problems import Code
from datasources.query import QueryError, Session, Statement
from datasources.tally import Limit
from datasources.target import ConnectionTarget
from jobs.executors.base import Context
from portal.lib.said import said as _

NEEDS_APPROVAL = frozenset({Code.TOO_MANY, Code.LASTING})


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
        given = [most for most in (target.max_affected_rows, params.max_affected_rows) if most is not None]
        if params.dry_run:
            return cls(context=context, limit=Limit(keep=False))
        if not given:
            return cls(context=context)
        allowed = context.writes.spend(params.datasource, params.sql) if context.writes else None
        if allowed is None:
            return cls(context=context, limit=Limit(max_affected=min(given)))
        context.log(_("A second person has approved this change.") + "\n", "system")
        if allowed.max_affected is None:
            return cls(context=context)
        return cls(context=context, limit=Limit(max_affected=max(allowed.max_affected, min(given))))

    def look(self, session: Session, statements: Sequence[Statement]) -> None:
        """Refuse, before anything runs, what could not be undone or counted."""
        if self.limit is None:
            return
        for hazard in session.hazards(statements):
            if hazard.is_lasting or self.limit.keep:
                raise QueryError.of(Code.LASTING, hazard.sentence, hazard.line)
            self.context.log(f"{hazard.sentence}\n", "system")

    def asked(self, error: QueryError, affected: int | None) -> QueryError:
        """The same error; what a second person may allow is asked for, and the error says so."""
        if error.code not in NEEDS_APPROVAL or self.limit is None or not self.limit.keep or not self.context.writes:
            return error
        params = self.context.params
        rows = affected if error.code == Code.TOO_MANY else None
        self.context.writes.ask(params.datasource, params.sql, rows, error.sentence)
        words = _("%(cause)s A second person can approve it under “Write approvals”; then run the job again.")
        return QueryError.of(Code(error.code), words % {"cause": error.sentence}, error.line)
