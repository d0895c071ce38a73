"""What of datasources is deleted after its time: write approvals that are over, and what people asked by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from datasources.models import QueryRecord, WriteApproval

BATCH = 500


def sweep(*, now: datetime, breathe: Callable[[], None]) -> int:
    """Bounded transactions; returns how many rows went. The audit trail keeps who asked, decided and ran what."""
    return _delete(old_approvals(now), breathe) + _delete(old_queries(now), breathe)


def old_approvals(now: datetime) -> QuerySet[WriteApproval]:
    """Decided, used or run out: whatever could still be used has its time before it."""
    return WriteApproval.objects.filter(expires_at__lt=now - timedelta(days=settings.PORTAL_APPROVAL_DAYS))


def old_queries(now: datetime) -> QuerySet[QueryRecord]:
    return QueryRecord.objects.filter(started_at__lt=now - timedelta(days=settings.PORTAL_QUERY_DAYS))


def _delete(rows: QuerySet[Any], breathe: Callable[[], None]) -> int:
    done = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        done += rows.model._default_manager.filter(pk__in=keys).delete()[0]
        breathe()
    return done
