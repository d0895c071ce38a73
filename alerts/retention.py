"""How long the history of alerts is kept, and what deletes the rest, some hundred rows at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from alerts.models import AlertCheck, AlertRow, HookCall, Incident, Notification
from alerts.states import SETTLED, IncidentStatus

# Conditions look back a week, back-tests at runs: the checks themselves are for charts.
CHECKS_KEPT = timedelta(days=45)
ROWS_KEPT = timedelta(days=90)
CALLS_KEPT = timedelta(days=30)
MESSAGES_KEPT = timedelta(days=400)
INCIDENTS_KEPT = timedelta(days=400)
BATCH = 500


def prune(now: datetime) -> int:
    """One batch of each kind; how many rows went. Call it again while there is something to do."""
    return sum(_delete(rows) for rows in _old(now))


def _old(now: datetime) -> list[QuerySet]:  # type: ignore[type-arg]
    return [
        AlertCheck.objects.filter(at__lt=now - CHECKS_KEPT),
        AlertRow.objects.filter(resolved_at__lt=now - ROWS_KEPT),
        HookCall.objects.filter(at__lt=now - CALLS_KEPT),
        Notification.objects.filter(happened_at__lt=now - MESSAGES_KEPT, status__in=SETTLED),
        Incident.objects.filter(resolved_at__lt=now - INCIDENTS_KEPT, status=IncidentStatus.RESOLVED),
    ]


def _delete(rows: QuerySet) -> int:  # type: ignore[type-arg]
    with transaction.atomic():
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if keys:
            rows.model._default_manager.filter(pk__in=keys).delete()
    return len(keys)
