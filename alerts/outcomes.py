"""From a run to the triggers it pulls. PURE.

A run that ended pulls at most one of `states.RUN_ENDS`, and any of `states.RUN_REMARKS` besides. A cancelled run
pulls none: somebody wanted it so.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts.states import Trigger
from jobs.fates import late_after
from jobs.states import AttemptStatus, Origin, RunStatus

_END_OF = {
    RunStatus.SUCCEEDED: Trigger.SUCCESS,
    RunStatus.BUSINESS_FAILURE: Trigger.BUSINESS_FAILURE,
    RunStatus.TECHNICAL_FAILURE: Trigger.TECHNICAL_FAILURE,
    RunStatus.TIMED_OUT: Trigger.TIMEOUT,
    RunStatus.MISSED: Trigger.MISSED,
    RunStatus.SKIPPED: Trigger.SKIPPED,
    RunStatus.LOST: Trigger.LOST,
}
_OF_TRY = {
    AttemptStatus.BUSINESS_FAILURE: Trigger.BUSINESS_FAILURE,
    AttemptStatus.TECHNICAL_FAILURE: Trigger.TECHNICAL_FAILURE,
    AttemptStatus.TIMED_OUT: Trigger.TIMEOUT,
    AttemptStatus.LOST: Trigger.LOST,
}


def end_of(status: str) -> Trigger | None:
    """What a run that ended so is called in a rule."""
    return _END_OF.get(status)  # type: ignore[call-overload, no-any-return]


def failed_try(status: str) -> Trigger | None:
    """What a try that will be repeated is called; None for one that was given back."""
    return _OF_TRY.get(status)  # type: ignore[call-overload, no-any-return]


def is_late(origin: str, scheduled_for: datetime, started_at: datetime | None, grace: timedelta | None) -> bool:
    """Whether a scheduled run started later than its schedule tolerates; what people ask for is never late."""
    if origin != Origin.SCHEDULE or started_at is None:
        return False
    return started_at - scheduled_for > late_after(grace)
