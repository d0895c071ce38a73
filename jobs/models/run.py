"""Runs, their attempts, and the events that are history and outbox in one."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant
from jobs.models.backfill import Backfill
from jobs.models.job import Job
from jobs.models.node import WorkerNode
from jobs.models.revision import JobRevision
from jobs.models.schedule import Schedule
from jobs.states import AttemptStatus, LogDeletion, Origin, ReasonCode, RunStatus, WaitReason


class Run(models.Model):
    """One intended execution. Only `jobs.runs` and `jobs.engine` write `status`, `token` and `lease_until`.

    `params` are this run's parameter values; `outputs` is {name: text}; `result` is the kind's own JSON
    (a Python return value, the rows of a SQL script, an HTTP response's head). A container has no attempts of its own:
    its parts (the shards of a run, the nodes of a broadcast) are runs, and it ends when all of them have.
    """

    permission_parent = "job"

    # No index of their own: `run_tenant_recent` and `run_job_recent` begin with them.
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+", db_index=False, verbose_name=_("tenant"))
    job = models.ForeignKey(Job, models.PROTECT, related_name="runs", db_index=False, verbose_name=_("job"))
    revision = models.ForeignKey(JobRevision, models.PROTECT, related_name="+", verbose_name=_("revision"))
    dedupe_key = models.CharField(max_length=191, unique=True, editable=False)
    origin = models.CharField(_("trigger"), max_length=20, choices=Origin.choices)
    schedule = models.ForeignKey(
        Schedule, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("schedule")
    )
    # Found by (job, scheduled_for): an index of its own would cost every run.
    backfill = models.ForeignKey(
        Backfill,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        db_index=False,
        related_name="+",
        verbose_name=_("backfill"),
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("requested by"),
    )
    rerun_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("again of")
    )
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    scheduled_for = models.DateTimeField(_("scheduled for"))
    not_before = models.DateTimeField(_("not before"))
    coalesced = models.PositiveIntegerField(_("fire times in this run"), default=1)

    status = models.CharField(_("status"), max_length=20, choices=RunStatus.choices)
    wait_reason = models.CharField(
        _("waits because"), max_length=30, choices=WaitReason.choices, blank=True, default=""
    )
    reason_code = models.CharField(_("reason code"), max_length=40, choices=ReasonCode.choices, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    exit_code = models.IntegerField(_("exit code"), null=True, blank=True)
    reason_args = models.JSONField(default=dict, blank=True, editable=False)  # `jobs.reasons`
    outputs = models.JSONField(_("outputs"), default=dict, blank=True)
    result = models.JSONField(_("result"), null=True, blank=True)

    queue = models.CharField(_("queue"), max_length=50)
    priority = models.SmallIntegerField(_("priority"), default=0)
    # What the claim goes by: `not_before` less ten minutes for each point of priority, so that waiting counts too.
    claim_order_at = models.DateTimeField(default=timezone.now, editable=False)
    target_slot = models.CharField(_("only on worker"), max_length=160, blank=True, default="", editable=False)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, editable=False, related_name="parts", verbose_name=_("part of")
    )
    is_container = models.BooleanField(default=False, editable=False)
    shard_index = models.PositiveIntegerField(_("shard"), null=True, blank=True, editable=False)
    shard_total = models.PositiveIntegerField(_("shards"), null=True, blank=True, editable=False)
    only_shards = models.JSONField(default=list, blank=True, editable=False)  # of a container; []: all of them
    token = models.PositiveBigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True, editable=False)
    worker = models.ForeignKey(
        WorkerNode,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("worker"),
    )
    tries_used = models.PositiveIntegerField(_("tries used"), default=0)
    lost_count = models.PositiveIntegerField(_("workers lost"), default=0)
    despite_freeze = models.BooleanField(_("runs despite a freeze"), default=False, editable=False)
    released_count = models.PositiveIntegerField(_("attempts given back"), default=0)
    cancel_requested_at = models.DateTimeField(_("cancel requested at"), null=True, blank=True)
    cancel_reason_code = models.CharField(max_length=40, blank=True, default="", editable=False)
    cancel_reason = models.CharField(max_length=500, blank=True, default="", editable=False)
    cancel_reason_args = models.JSONField(default=dict, blank=True, editable=False)

    created_at = models.DateTimeField(_("created at"))
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        # Every run pays for each of them three times (queued, running, ended). docs/adr says who reads which.
        indexes = [
            models.Index(fields=["queue", "status", "tenant", "claim_order_at", "id"], name="run_claim"),
            models.Index(fields=["status", "not_before"], name="run_due"),
            models.Index(fields=["status", "ended_at"], name="run_ended"),
            models.Index(fields=["job", "-id"], name="run_job_recent"),
            models.Index(fields=["job", "status"], name="run_job_status"),
            models.Index(fields=["job", "scheduled_for"], name="run_job_scheduled"),
            models.Index(fields=["scheduled_for", "status"], name="run_scheduled_for"),
            models.Index(fields=["tenant", "-id"], name="run_tenant_recent"),
            models.Index(fields=["tenant", "status", "-id"], name="run_tenant_status"),
            models.Index(fields=["tenant", "scheduled_for", "status"], name="run_tenant_due"),
            models.Index(fields=["tenant", "origin", "-id"], name="run_tenant_origin", condition=~Q(origin="schedule")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="running") | Q(is_container=True) | Q(lease_until__isnull=False, token__gt=0),
                name="running_run_has_lease_and_token",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Attempt(models.Model):
    """One try of a run on a worker."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="attempts", verbose_name=_("run"))
    number = models.PositiveIntegerField(_("number"))
    token = models.PositiveBigIntegerField(editable=False)
    worker = models.ForeignKey(WorkerNode, models.SET_NULL, null=True, related_name="+", verbose_name=_("worker"))
    worker_name = models.CharField(_("worker"), max_length=120, blank=True, default="")
    pid = models.IntegerField(_("process id"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=20, choices=AttemptStatus.choices)
    exit_code = models.IntegerField(_("exit code"), null=True, blank=True)
    signal = models.IntegerField(_("signal"), null=True, blank=True)
    reason_code = models.CharField(_("reason code"), max_length=40, choices=ReasonCode.choices, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    reason_args = models.JSONField(default=dict, blank=True, editable=False)
    started_at = models.DateTimeField(_("started at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    peak_memory_bytes = models.PositiveBigIntegerField(_("peak memory"), null=True, blank=True)
    cpu_seconds = models.FloatField(_("CPU time"), null=True, blank=True)
    log_bytes = models.PositiveBigIntegerField(_("log bytes"), default=0)
    log_truncated = models.BooleanField(_("log cut off"), default=False)
    log_deleted_at = models.DateTimeField(_("log deleted at"), null=True, blank=True)
    log_deleted_for = models.CharField(max_length=10, choices=LogDeletion.choices, blank=True, default="")

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="attempt_number_per_run")]
        indexes = [models.Index(fields=["status", "worker"], name="attempt_status_worker")]

    def __str__(self) -> str:
        return f"{self.run_id}.{self.number}"


class RunEvent(models.Model):
    """A transition of a run. `processed_at` is NULL until the subscribers (alerts) have seen it.

    That a run was queued or has started concerns none of them: such an event is written as seen where they are many.
    """

    run = models.ForeignKey(Run, models.CASCADE, related_name="events", verbose_name=_("run"))
    old = models.CharField(_("from"), max_length=20, blank=True, default="")
    new = models.CharField(_("to"), max_length=20)
    reason_code = models.CharField(_("reason code"), max_length=40, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    reason_args = models.JSONField(default=dict, blank=True, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("actor")
    )
    at = models.DateTimeField(_("at"))
    processed_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("run event")
        verbose_name_plural = _("run events")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.old} → {self.new}"
