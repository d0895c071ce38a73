"""WHAT RUNS, WHEN, WHAT HAPPENED: the ledger's rows."""

from jobs.models.backfill import Backfill
from jobs.models.beat import BeatHeartbeat
from jobs.models.calendar import Blackout, Calendar, CalendarDay
from jobs.models.freeze import Freeze
from jobs.models.job import Job, JobUserGrant
from jobs.models.log import LogChunk
from jobs.models.node import WorkerNode
from jobs.models.outage import Outage
from jobs.models.queue import Queue
from jobs.models.retention import LogUsage, Pruning
from jobs.models.revision import JobRevision
from jobs.models.run import Attempt, Run, RunEvent
from jobs.models.schedule import Schedule

__all__ = [
    "Attempt",
    "Backfill",
    "BeatHeartbeat",
    "Blackout",
    "Calendar",
    "CalendarDay",
    "Freeze",
    "Job",
    "JobRevision",
    "JobUserGrant",
    "LogChunk",
    "LogUsage",
    "Outage",
    "Pruning",
    "Queue",
    "Run",
    "RunEvent",
    "Schedule",
    "WorkerNode",
]
