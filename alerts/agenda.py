"""Whether the passes have anything to do: one statement, without a turn, for the many times when they have not.

An idle portal asks this every second in every process; taking a turn each time is most of what it would cost.
"""

from __future__ import annotations

from datetime import datetime

from alerts.states import UNRESOLVED
from jobs.engine import statements

_OPEN = sorted(status.value for status in UNRESOLVED)
_EVENTS = "SELECT 1 FROM jobs_runevent WHERE processed_at IS NULL LIMIT 1"
# Of each part of `clockwork.pass_time`, what makes it due.
_TIME = f"""
SELECT EXISTS (SELECT 1 FROM alerts_alertstatus WHERE wakes_at <= %s)
    OR EXISTS (SELECT 1 FROM alerts_incident WHERE next_step_at <= %s AND resolved_at IS NULL)
    OR EXISTS (SELECT 1 FROM alerts_incident WHERE snoozed_until <= %s AND status IN {statements.places(_OPEN)})
    OR EXISTS (SELECT 1 FROM jobs_outage WHERE notified_at IS NULL)
    OR EXISTS (SELECT 1 FROM jobs_outage WHERE over_notified_at IS NULL AND ended_at IS NOT NULL)
"""  # noqa: S608 - constants


def has_events() -> bool:
    """Run events that no rule has seen."""
    return bool(statements.values(_EVENTS, []))


def has_come(now: datetime) -> bool:
    """An alert that wakes, a step of an escalation, the end of a snooze, or an outage to be told of."""
    at = statements.moment(now)
    return bool(statements.values(_TIME, [at, at, at, *_OPEN])[0][0])
