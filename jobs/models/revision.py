"""An immutable snapshot of a job's definition; every run points at one."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant
from jobs.models.job import Job


class JobRevision(models.Model):
    """`definition` is `JobDefinition.model_dump(mode="json")`; `digest` is its SHA-256. Never updated."""

    permission_parent = "job"

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+", verbose_name=_("tenant"))
    job = models.ForeignKey(Job, models.CASCADE, related_name="revisions", verbose_name=_("job"))
    number = models.PositiveIntegerField(_("number"))
    definition = models.JSONField(_("definition"))
    digest = models.CharField(_("digest"), max_length=64)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("author")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="revision_number_per_job")]

    def __str__(self) -> str:
        return f"#{self.number}"
