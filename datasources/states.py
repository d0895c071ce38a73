"""PURE: the life of a write approval, and what the query console does."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ApprovalStatus(models.TextChoices):
    PENDING = "pending", _("Waiting for a second person")
    APPROVED = "approved", _("Approved")
    REFUSED = "refused", _("Refused")
    USED = "used", _("Used")


class QueryMode(models.TextChoices):
    """How a text is run by hand. Only `WRITE` leaves anything behind."""

    READ = "read", _("Run, read-only")
    PLAN = "plan", _("Explained")
    REHEARSE = "rehearse", _("Rehearsed")
    WRITE = "write", _("Changed data")


TRANSITIONS: dict[str, frozenset[str]] = {
    ApprovalStatus.PENDING: frozenset({ApprovalStatus.APPROVED, ApprovalStatus.REFUSED}),
    ApprovalStatus.APPROVED: frozenset({ApprovalStatus.USED, ApprovalStatus.REFUSED}),
    ApprovalStatus.REFUSED: frozenset(),
    ApprovalStatus.USED: frozenset(),
}
