"""What people did: append-only; `accounts.audit.record` is the only writer."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.tenant import Tenant


class AuditEntry(models.Model):
    """One deed of one actor. The hash chains each row to the one before, so that a change shows."""

    at = models.DateTimeField(_("at"), db_index=True)
    tenant = models.ForeignKey(
        Tenant, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("tenant")
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("actor"),
    )
    verb = models.CharField(_("verb"), max_length=80)
    object_type = models.CharField(_("object type"), max_length=80, blank=True, default="")
    object_id = models.CharField(_("object id"), max_length=64, blank=True, default="")
    summary = models.CharField(_("summary"), max_length=300, blank=True, default="")
    details = models.JSONField(_("details"), default=dict, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    entry_hash = models.CharField(max_length=64, unique=True, editable=False)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-id"]
        indexes = [models.Index(fields=["tenant", "-at"], name="audit_tenant_at")]

    def __str__(self) -> str:
        return f"{self.verb} {self.summary}"
