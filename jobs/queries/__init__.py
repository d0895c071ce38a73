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
from jobs.queries.storage import LastPruning, LogStorage, last_pruning, log_storage

__all__ = [
    "FireTime",
    "JobActivity",
    "LastPruning",
    "LogStorage",
    "RunMark",
    "SystemState",
    "TodaySummary",
    "job_activity",
    "last_pruning",
    "log_storage",
    "next_fire_times",
    "recent_failures",
    "running_now",
    "system_state",
    "today_summary",
]
