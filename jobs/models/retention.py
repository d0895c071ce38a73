"""What keeps history within bounds: who prunes right now, what the last pruning did, and what a tenant's logs weigh."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant


class Pruning(models.Model):
    """One row, NAME: the pruner's lease, and the report of its last round. Times are the database's."""

    NAME = "history"

    name = models.CharField(max_length=20, unique=True, default=NAME)
    owner = models.CharField(max_length=36, blank=True, default="")
    busy_until = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    report = models.JSONField(_("report"), default=dict, blank=True)
    error = models.CharField(_("error"), max_length=500, blank=True, default="")
    counted_attempt_id = models.PositiveBigIntegerField(default=0)  # up to here logs are in LogUsage.settled_bytes

    class Meta:
        verbose_name = _("pruning of history")
        verbose_name_plural = _("prunings of history")

    def __str__(self) -> str:
        return self.name


class LogUsage(models.Model):
    """A tenant's stored log bytes, counted every few minutes by `jobs.logquota`.

    `settled_bytes` are those of attempts up to `Pruning.counted_attempt_id`; `stored_bytes` is all of it.
    `oldest_run_id`: no older run of the tenant has a log that the quota may delete.
    """

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    settled_bytes = models.BigIntegerField(default=0)
    stored_bytes = models.BigIntegerField(_("stored log bytes"), default=0)
    oldest_run_id = models.PositiveBigIntegerField(default=0)
    counted_at = models.DateTimeField(_("counted at"), null=True, blank=True)

    class Meta:
        verbose_name = _("log usage")
        verbose_name_plural = _("log usages")

    def __str__(self) -> str:
        return str(self.tenant_id)
