"""Rows of row-level alerts: acknowledged and commented by people."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from alerts import books
from alerts.models import AlertRow

LONGEST_COMMENT = 500


def acknowledge_row(row: AlertRow, *, actor: User, comment: str = "") -> bool:
    """Somebody knows of it. False: it was acknowledged already, and only the comment is kept."""
    return _write(row, actor=actor, is_acknowledged=True, comment=comment)


def withdraw_row(row: AlertRow, *, actor: User, comment: str = "") -> bool:
    """Nobody takes care of it any more. False: nobody did."""
    return _write(row, actor=actor, is_acknowledged=False, comment=comment)


def comment_row(row: AlertRow, *, actor: User, comment: str) -> None:
    """An empty comment takes the old one away."""
    _write(row, actor=actor, is_acknowledged=None, comment=comment)


def _write(row: AlertRow, *, actor: User, is_acknowledged: bool | None, comment: str) -> bool:
    """The one writer: None leaves the acknowledgement as it is. Raises PermissionDenied."""
    books.require(actor, "change", row)
    with transaction.atomic():
        fresh = AlertRow.objects.select_for_update().get(pk=row.pk)
        was = fresh.acknowledged_at is not None
        moved = is_acknowledged is not None and was != is_acknowledged
        if moved:
            fresh.acknowledged_at = timezone.now() if is_acknowledged else None
            fresh.acknowledged_by = actor.get_username() if is_acknowledged else ""
        if comment.strip() or is_acknowledged is None:
            fresh.comment = comment.strip()[:LONGEST_COMMENT]
        fresh.save(update_fields=["acknowledged_at", "acknowledged_by", "comment"])
        verb = "commented" if not moved else "acknowledged" if is_acknowledged else "withdrawn"
        audit.record(
            f"alerts.alertrow.{verb}",
            actor=actor,
            target=fresh,
            tenant=fresh.status.rule.tenant,
            summary=f"{fresh.status.rule.slug}: {fresh}",
        )
    row.refresh_from_db()
    return moved
