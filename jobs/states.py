"""The state machine of a run. PURE: `jobs.runs` is the only code that moves a run."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class RunStatus(models.TextChoices):
    """Every status a run can have; a terminal run never changes again."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    BUSINESS_FAILURE = "business_failure", _("Business failure")
    TECHNICAL_FAILURE = "technical_failure", _("Technical failure")
    TIMED_OUT = "timed_out", _("Timed out")
    CANCELLED = "cancelled", _("Cancelled")
    LOST = "lost", _("Lost")
    SKIPPED = "skipped", _("Skipped")
    MISSED = "missed", _("Missed")


S = RunStatus

ACTIVE = frozenset({S.QUEUED, S.RUNNING})
EXECUTED = frozenset({S.SUCCEEDED, S.BUSINESS_FAILURE, S.TECHNICAL_FAILURE, S.TIMED_OUT})
FAILURE = frozenset({S.BUSINESS_FAILURE, S.TECHNICAL_FAILURE, S.TIMED_OUT, S.LOST})
RETRYABLE = frozenset({S.TECHNICAL_FAILURE, S.TIMED_OUT})
NOT_RUN = frozenset({S.SKIPPED, S.MISSED, S.CANCELLED, S.LOST})  # each carries a reason code
TERMINAL = frozenset(set(S) - ACTIVE)

# None is "no row yet": what a run may be born as.
TRANSITIONS: dict[RunStatus | None, frozenset[RunStatus]] = {
    None: frozenset({S.QUEUED, S.SKIPPED, S.MISSED}),
    S.QUEUED: frozenset({S.RUNNING, S.CANCELLED, S.SKIPPED, S.MISSED}),
    S.RUNNING: frozenset({S.QUEUED, *EXECUTED, S.CANCELLED, S.LOST}),
    **{status: frozenset() for status in TERMINAL},
}


class AttemptStatus(models.TextChoices):
    """How one try went. `LOST`: its worker died. `RELEASED`: its worker gave it back (drain), which burns no try."""

    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    BUSINESS_FAILURE = "business_failure", _("Business failure")
    TECHNICAL_FAILURE = "technical_failure", _("Technical failure")
    TIMED_OUT = "timed_out", _("Timed out")
    CANCELLED = "cancelled", _("Cancelled")
    LOST = "lost", _("Lost")
    RELEASED = "released", _("Released")


class LogDeletion(models.TextChoices):
    """Why the log of an attempt is gone."""

    AGE = "age", _("It was older than logs are kept")
    QUOTA = "quota", _("The tenant's logs had outgrown their quota")


class Origin(models.TextChoices):
    """What asked for a run."""

    SCHEDULE = "schedule", _("Schedule")
    MANUAL = "manual", _("Manual")
    API = "api", _("API")
    WORKFLOW = "workflow", _("Workflow")
    BACKFILL = "backfill", _("Backfill")
    AFTER = "after", _("After another job")


class WaitReason(models.TextChoices):
    """Why a queued run does not run yet."""

    NONE = "", ""
    TIME = "time", _("Its time has not come")
    RETRY_BACKOFF = "retry_backoff", _("Waits before the next try")
    OVERLAP = "overlap", _("An earlier run of this job has not ended")
    TENANT_QUOTA = "tenant_quota", _("The tenant runs as many runs as it may")
    QUEUE_LIMIT = "queue_limit", _("The queue runs as many runs as it may")
    NODE_BUSY = "node_busy", _("The worker's machine is too busy")
    NO_CAPABLE_WORKER = "no_capable_worker", _("No worker can run this kind of job")
    UPSTREAM = "upstream", _("An upstream node has not ended")
    TARGET_NODE = "target_node", _("The worker it is meant for is away")
    QUEUE_PAUSED = "queue_paused", _("The queue is paused")
    FROZEN = "frozen", _("A change freeze is in force")


class ReasonCode(models.TextChoices):
    """Why a run ended as it did, or did not run at all."""

    NONE = "", ""
    OVERLAP = "overlap", _("An earlier run of this job had not ended")
    OVERLAP_QUEUE_FULL = "overlap_queue_full", _("Too many runs of this job were waiting already")
    CALENDAR = "calendar", _("The calendar excludes this time")
    FROZEN = "frozen", _("A change freeze was in force")
    JOB_DISABLED = "job_disabled", _("The job was disabled")
    TENANT_DISABLED = "tenant_disabled", _("The tenant was disabled")
    MISFIRE = "misfire", _("Its time had passed by more than the grace period")
    CANCELLED_BY_USER = "cancelled_by_user", _("Cancelled by a user")
    CANCELLED_BY_OVERLAP = "cancelled_by_overlap", _("A newer run of this job took its place")
    BACKFILL_CANCELLED = "backfill_cancelled", _("Its backfill was cancelled")
    WORKER_LOST = "worker_lost", _("The worker died")
    NOT_IDEMPOTENT = "not_idempotent", _("The worker died, and the job must not run twice")
    RELEASED = "released", _("The worker was shut down and gave the run back")
    SHARDS_FAILED = "shards_failed", _("Not all of its parts succeeded")
    NO_TARGET = "no_target", _("No worker of the queue was alive")
    RIGHT_LOST = "right_lost", _("The job's owner lost a right the job needs")
    MISSING_DRIVER = "missing_driver", _("The worker lacks a driver or interpreter")
    BAD_DEFINITION = "bad_definition", _("The job's definition can't be run")
    SCRIPT_FAILED = "script_failed", _("The script ended with an error")
    BUSINESS = "business", _("The script reported a business failure")
    SIGNAL = "signal", _("A signal ended the script")
    OUT_OF_MEMORY = "out_of_memory", _("The script ran out of memory")
    TIMEOUT = "timeout", _("The time limit was reached")
    CANNOT_START = "cannot_start", _("The script could not be started")
    CONNECTION = "connection", _("The other side could not be reached")
    DISK_FULL = "disk_full", _("The worker's disk is full")
    INTERNAL = "internal", _("The portal itself failed")
