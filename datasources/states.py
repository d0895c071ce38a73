"""PURE: the life of a write approval."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ApprovalStatus(models.TextChoices):
    PENDING = "pending", _("Waiting for a second person")
    APPROVED = "approved", _("Approved")
    REFUSED = "refused", _("Refused")
    USED = "used", _("Used")


TRANSITIONS: dict[str, frozenset[str]] = {
    ApprovalStatus.PENDING: frozenset({ApprovalStatus.APPROVED, ApprovalStatus.REFUSED}),
    ApprovalStatus.APPROVED: frozenset({ApprovalStatus.USED, ApprovalStatus.REFUSED}),
    ApprovalStatus.REFUSED: frozenset(),
    ApprovalStatus.USED: frozenset(),
}
