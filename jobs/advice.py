"""What to do about each reason: one sentence per code, beside the sentence that says what happened. PURE."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs.states import ReasonCode, WaitReason

R, W = ReasonCode, WaitReason

OF_REASONS: dict[str, Promise] = {
    R.OVERLAP: _("If runs may wait or overlap, change the job's overlap rule."),
    R.OVERLAP_QUEUE_FULL: _("Raise the overlap limit, or run the job less often."),
    R.CALENDAR: _("If it should run on such a day, change the calendar or the schedule's rule for excluded days."),
    R.FROZEN: _("When the freeze has ended, run the job if it is still needed; or exempt the job from freezes."),
    R.JOB_DISABLED: _("Enable the job, then run it."),
    R.TENANT_DISABLED: _("Ask a platform admin to enable the tenant."),
    R.MISFIRE: _("The portal was not running at that time. Run the job by hand if it is still needed."),
    R.CANCELLED_BY_USER: _("Run it again when it is needed."),
    R.CANCELLED_BY_OVERLAP: _("If both should run to their end, change the job's overlap rule."),
    R.BACKFILL_CANCELLED: _("Start a new backfill for the part that is still needed."),
    R.WORKER_LOST: _("Look at the worker's machine: it stopped, restarted or lost the database."),
    R.NOT_IDEMPOTENT: _("Check what the script has done until then, and run it again if that does no harm."),
    R.RELEASED: _("Nothing to do: another worker takes it, and no try was used up."),
    R.SHARDS_FAILED: _("Open the failed parts and read their logs; run only those again."),
    R.NO_TARGET: _("Start a worker that serves the queue, then run it again."),
    R.RIGHT_LOST: _("Give the job's owner the right again, or let somebody who has it save the job."),
    R.MISSING_DRIVER: _("Install what is missing on the worker, or choose another queue."),
    R.BAD_DEFINITION: _("Open the job, correct it and save it."),
    R.SCRIPT_FAILED: _("Read the end of the log: it says where the script stopped."),
    R.BUSINESS: _("The script said so by its exit code; it is not tried again. Read its log."),
    R.SIGNAL: _("Something outside the script ended it. Read the end of the log and look at the machine."),
    R.OUT_OF_MEMORY: _("Let the script read its input in pieces, or give the worker more memory."),
    R.TIMEOUT: _("Make the script faster, or raise the job's time limit."),
    R.CANNOT_START: _("Check the interpreter's path and the worker's disk."),
    R.CONNECTION: _("Test the connection, then run the job again."),
    R.DISK_FULL: _("Free space on the worker's disk, then run the job again."),
    R.INTERNAL: _("Tell the platform admin the number of this run."),
}

OF_WAITS: dict[str, Promise] = {
    W.TIME: _("It starts by itself when its time comes."),
    W.RETRY_BACKOFF: _("It starts by itself; the delay is the job's back-off rule."),
    W.OVERLAP: _("It starts when the earlier run ends. Cancel that one, or change the job's overlap rule."),
    W.TENANT_QUOTA: _("It starts when another run of the tenant ends."),
    W.QUEUE_LIMIT: _("It starts when another run of the queue ends; a platform admin may raise the limit."),
    W.NODE_BUSY: _("It starts when the machine has room, or on another worker."),
    W.NO_CAPABLE_WORKER: _("Start a worker that serves this queue and this kind of job."),
    W.UPSTREAM: _("It starts when the nodes before it have ended."),
    W.TARGET_NODE: _("It starts when that worker is back; cancel it if that worker is gone for good."),
    W.QUEUE_PAUSED: _("It starts when a platform admin resumes the queue."),
    W.FROZEN: _("It starts when the freeze ends; an exempt job is not held."),
}


def for_reason(code: str) -> str:
    """What to do about a run that ended, or did not run, with this code."""
    return str(OF_REASONS.get(code, ""))


def for_wait(code: str) -> str:
    """What to do about a run that waits with this code."""
    return str(OF_WAITS.get(code, ""))
