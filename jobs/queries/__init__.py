"""Reads for screens. Each function takes the querysets its caller may see; none decides who may see what."""

from jobs.queries.activity import JobActivity, RunMark, job_activity
from jobs.queries.overview import (
    FireTime,
    SystemState,
    TodaySummary,
    next_fire_times,
    recent_failures,
    running_now,
    system_state,
    today_summary,
)

__all__ = [
    "FireTime",
    "JobActivity",
    "RunMark",
    "SystemState",
    "TodaySummary",
    "job_activity",
    "next_fire_times",
    "recent_failures",
    "running_now",
    "system_state",
    "today_summary",
]
