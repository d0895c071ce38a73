"""The screens of jobs, runs and workers."""

from jobs.admin.backfill_admin import BackfillAdmin
from jobs.admin.calendar_admin import CalendarAdmin
from jobs.admin.freeze_admin import BlackoutAdmin, FreezeAdmin
from jobs.admin.job_admin import JobAdmin
from jobs.admin.node_admin import WorkerNodeAdmin
from jobs.admin.outage_admin import OutageAdmin
from jobs.admin.queue_admin import QueueAdmin
from jobs.admin.run_admin import RunAdmin
from jobs.admin.tenant_admin import TenantWithLogs

__all__ = [
    "BackfillAdmin",
    "BlackoutAdmin",
    "CalendarAdmin",
    "FreezeAdmin",
    "JobAdmin",
    "OutageAdmin",
    "QueueAdmin",
    "RunAdmin",
    "TenantWithLogs",
    "WorkerNodeAdmin",
]
