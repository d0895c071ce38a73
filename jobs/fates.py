"""What became of a due moment: one word for each, from its run's row. PURE."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from jobs.states import FAILURE, ReasonCode, RunStatus

DEFAULT_LATE_AFTER = timedelta(seconds=60)


class Fate(TextChoices):
    """Every due moment has exactly one; `UNACCOUNTED` must never happen."""

    ON_TIME = "on_time", _("Ran on time")
    LATE = "late", _("Ran late")
    FAILED = "failed", _("Ran and failed")
    RUNNING = "running", _("Running")
    WAITING = "waiting", _("Waiting")
    SKIPPED = "skipped", _("Skipped")
    CALENDAR = "calendar", _("Excluded by the calendar")
    FROZEN = "frozen", _("Frozen")
    CANCELLED = "cancelled", _("Cancelled")
    MISSED = "missed", _("Missed")
    UNDECIDED = "undecided", _("Not decided yet")
    UNACCOUNTED = "unaccounted", _("Unaccounted for")


RAN = frozenset({Fate.ON_TIME, Fate.LATE, Fate.FAILED})
RUNNABLE = frozenset({Fate.MISSED, Fate.UNACCOUNTED})  # what "run what was missed" offers

_BY_STATUS = {
    RunStatus.QUEUED: Fate.WAITING,
    RunStatus.RUNNING: Fate.RUNNING,
    RunStatus.CANCELLED: Fate.CANCELLED,
    RunStatus.MISSED: Fate.MISSED,
    RunStatus.SKIPPED: Fate.SKIPPED,
    **dict.fromkeys(FAILURE, Fate.FAILED),
}
_BY_REASON = {ReasonCode.CALENDAR: Fate.CALENDAR, ReasonCode.FROZEN: Fate.FROZEN}


def fate_of(status: str, reason_code: str, late_by: timedelta | None, late_after: timedelta) -> Fate:
    """`late_by` is how long after its time the run started; None when it never did."""
    if status in {RunStatus.SKIPPED, RunStatus.MISSED, RunStatus.CANCELLED} and reason_code in _BY_REASON:
        return _BY_REASON[ReasonCode(reason_code)]
    if status == RunStatus.SUCCEEDED:
        return Fate.LATE if late_by is not None and late_by > late_after else Fate.ON_TIME
    return _BY_STATUS[RunStatus(status)]


def late_after(grace: timedelta | None) -> timedelta:
    """From when on a start is late: the schedule's grace, or a minute where there is none."""
    return grace or DEFAULT_LATE_AFTER
