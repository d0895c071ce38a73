"""Instants of a job that are run afterwards: a period, or what was missed."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from jobs.backfillplan import BackfillKind, BackfillState, Direction
from jobs.models.job import Job
from jobs.models.revision import JobRevision
from jobs.models.schedule import Schedule


class Backfill(TenantOwned):
    """`instants` is [ISO instant in UTC] in the order they run; the first `released_count` of them have their run.

    Every run is of the revision that was published when the backfill was made.
    """

    permission_parent = "job"

    job = models.ForeignKey(Job, models.CASCADE, related_name="backfills", verbose_name=_("job"))
    revision = models.ForeignKey(JobRevision, models.CASCADE, related_name="+", verbose_name=_("revision"))
    schedule = models.ForeignKey(
        Schedule, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("schedule")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=BackfillKind.choices)
    expression = models.CharField(_("expression"), max_length=200, blank=True, default="")
    timezone = models.CharField(_("time zone"), max_length=64, blank=True, default="")
    from_at = models.DateTimeField(_("from"))
    to_at = models.DateTimeField(_("to"))
    direction = models.CharField(_("order"), max_length=10, choices=Direction.choices, default=Direction.OLDEST)
    max_parallel = models.PositiveSmallIntegerField(_("at once"), default=1)
    priority = models.SmallIntegerField(_("priority"), default=0)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    instants = models.JSONField(_("instants"), default=list, blank=True)
    total_count = models.PositiveIntegerField(_("number of instants"), default=0)
    released_count = models.PositiveIntegerField(_("released"), default=0)
    state = models.CharField(_("status"), max_length=10, choices=BackfillState.choices, default=BackfillState.ACTIVE)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("cancelled by"),
    )

    class Meta:
        verbose_name = _("backfill")
        verbose_name_plural = _("backfills")
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"], name="backfill_state")]

    def __str__(self) -> str:
        return f"#{self.pk}"
