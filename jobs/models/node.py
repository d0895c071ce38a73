"""One start of one worker process."""

from uuid import uuid4

from django.db import models
from django.utils.translation import gettext_lazy as _


class WorkerNode(models.Model):
    """A worker process. A restart is a new row; `slot` names what restarts (host + worker name).

    `is_draining`: the process takes nothing more, by a signal or by `drain_requested_at`, which an admin sets and
    clears and a restart inherits. `history` is [[seconds since the epoch, CPU %, memory %, running], …], oldest first.
    """

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=120)
    slot = models.CharField(max_length=160, db_index=True)
    host = models.CharField(_("host"), max_length=120)
    boot_id = models.CharField(max_length=64, blank=True, default="")
    pid = models.IntegerField(_("process id"))
    version = models.CharField(_("version"), max_length=40, blank=True, default="")
    queues = models.JSONField(_("queues"), default=list)
    capabilities = models.JSONField(_("capabilities"), default=list)
    capacity = models.PositiveIntegerField(_("capacity"))
    running_count = models.PositiveIntegerField(_("running"), default=0)
    cpu_count = models.FloatField(_("cores"), default=0)
    memory_bytes = models.PositiveBigIntegerField(_("memory"), default=0)
    cpu_percent = models.FloatField(_("CPU"), default=0)
    memory_percent = models.FloatField(_("memory"), default=0)
    gate_reason = models.CharField(max_length=500, blank=True, default="", editable=False)
    gate_reason_args = models.JSONField(default=dict, blank=True, editable=False)  # `jobs.reasons`
    history = models.JSONField(default=list, blank=True, editable=False)
    is_draining = models.BooleanField(_("draining"), default=False)
    drain_requested_at = models.DateTimeField(_("drain asked for at"), null=True, blank=True)
    started_at = models.DateTimeField(_("started at"))
    last_seen_at = models.DateTimeField(_("last seen at"), db_index=True)
    stopped_at = models.DateTimeField(_("stopped at"), null=True, blank=True)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["-last_seen_at"]

    def __str__(self) -> str:
        return self.name
