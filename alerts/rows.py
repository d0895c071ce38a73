"""Rows of row-level alerts: found by checks, acknowledged and commented by people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from alerts import books
from alerts.models import AlertRow, AlertStatus
from alerts.rowdiff import RowDiff

LONGEST_COMMENT = 500
BATCH = 500  # rows in a statement
BY_PEOPLE = {"acknowledged_at": None, "acknowledged_by": "", "comment": ""}


def keep_found(status: AlertStatus, found: RowDiff, columns: Sequence[str], at: datetime) -> None:
    """A row that came back is the same row again, and nobody has acknowledged it this time."""
    rows = AlertRow.objects.filter(status=status)
    rows.filter(identity__in=found.resolved, resolved_at=None).update(resolved_at=at)
    rows.filter(identity__in=[row.hash for row in found.still_there]).update(last_at=at, resolved_at=None)
    seen = {"columns": list(columns), "first_at": at, "last_at": at, "resolved_at": None, **BY_PEOPLE}
    fresh = [
        AlertRow(status=status, identity=row.hash, key=list(row.key), row=list(row.row), **seen) for row in found.new
    ]
    names = ["status", "identity"] if connection.features.supports_update_conflicts_with_target else None
    AlertRow.objects.bulk_create(
        fresh, batch_size=BATCH, update_conflicts=True, unique_fields=names, update_fields=["key", "row", *seen]
    )


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
