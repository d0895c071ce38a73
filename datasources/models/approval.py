"""A second person's word on a change that is larger than a datasource allows."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from datasources.models.datasource import DataSource
from datasources.states import ApprovalStatus


class WriteApproval(TenantOwned):
    """One script with its parameters on one datasource, asked for, decided, and used once; until `expires_at`.

    `digest` binds it to the very text, the values and the place. `affected_rows` is what was about to be changed and
    what may be changed at most; NULL when it can't be counted or undone.
    """

    permission_parent = "datasource"

    datasource = models.ForeignKey(DataSource, models.CASCADE, related_name="approvals", verbose_name=_("datasource"))
    digest = models.CharField(_("digest"), max_length=64, db_index=True)
    statement = models.TextField(_("statements"))
    values = models.JSONField(_("parameters"), default=dict, blank=True)
    purpose = models.CharField(_("asked for by"), max_length=200)
    reason = models.TextField(_("why it was stopped"), blank=True, default="")
    affected_rows = models.BigIntegerField(_("changed rows"), null=True, blank=True)
    max_affected_rows = models.PositiveIntegerField(_("limit at that time"), null=True, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=ApprovalStatus.choices, default=ApprovalStatus.PENDING
    )
    expires_at = models.DateTimeField(_("expires"))
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("asked by")
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    used_at = models.DateTimeField(_("used"), null=True, blank=True)
    used_for = models.CharField(_("used for"), max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("write approval")
        verbose_name_plural = _("write approvals")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(decided_by=F("asked_by")), name="approval_by_a_second_person"),
        ]

    def __str__(self) -> str:
        return f"{self.datasource_id}: {' '.join(self.statement.split())[:60]}"

    def is_expired(self, now: datetime) -> bool:
        """Whether its time ran out before it was used or refused."""
        return self.status in (ApprovalStatus.PENDING, ApprovalStatus.APPROVED) and now >= self.expires_at
