"""How much a change may change: the limit that holds, and what has to be known before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from datasources.hazards import Hazard
from datasources.problems import Code
from datasources.query import QueryError, Session, Statement
from datasources.tally import Limit
from datasources.target import Allowance, ConnectionTarget

NEEDS_APPROVAL = frozenset({Code.TOO_MANY, Code.LASTING})  # what a second person may allow


def most_of(target: ConnectionTarget, own: int | None = None) -> int | None:
    """The smaller of the datasource's limit and one's own; None when neither is given."""
    return min((most for most in (target.max_affected_rows, own) if most is not None), default=None)


def limit_of(most: int | None, allowed: Allowance | None = None) -> Limit | None:
    """What holds for a change that shall last; None: nothing does, so nothing is counted."""
    if most is None or (allowed is not None and allowed.max_affected is None):
        return None
    return Limit(max_affected=max(allowed.max_affected or 0, most) if allowed else most)


def look(session: Session, statements: Sequence[Statement], limit: Limit | None) -> list[Hazard]:
    """Refuse what could not be undone or counted; what a rehearsal may do all the same is given back."""
    if limit is None:
        return []
    found = session.hazards(statements)
    for hazard in found:
        if hazard.is_lasting or limit.keep:
            raise QueryError.of(Code.LASTING, hazard.sentence, hazard.line)
    return found
