"""How long the history of alerts is kept, and what deletes the rest, some hundred rows at a time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from alerts.models import AlertCheck, AlertRow, HookCall, Incident, Notification
from alerts.states import SETTLED, IncidentStatus
from alerts.turns import take_turn

# Conditions look back a week, back-tests at runs: the checks themselves are for charts.
CHECKS_KEPT = timedelta(days=45)
ROWS_KEPT = timedelta(days=90)
CALLS_KEPT = timedelta(days=30)
MESSAGES_KEPT = timedelta(days=400)
INCIDENTS_KEPT = timedelta(days=400)
BATCH = 500
LONGEST = 5.0  # seconds: then the post office has other things to do


def keep_up(now: datetime) -> int:
    """Batch after batch for a while, each in a transaction of its own; how many rows went.

    One process at a time: two would delete the same rows, and wait for each other.
    """
    done, ends = 0, time.monotonic() + LONGEST
    while time.monotonic() < ends:
        with transaction.atomic():
            this = prune(now) if take_turn("lock:retention") else 0
        done += this
        if not this:
            break
    return done


def prune(now: datetime) -> int:
    """One batch of each kind; how many rows went. Call it again while there is something to do."""
    return sum(_delete(rows) for rows in _old(now))


def _old(now: datetime) -> list[QuerySet]:  # type: ignore[type-arg]
    """The oldest first, each in the order of an index: what is young is not looked at."""
    return [
        AlertCheck.objects.filter(at__lt=now - CHECKS_KEPT).order_by("at"),
        AlertRow.objects.filter(resolved_at__lt=now - ROWS_KEPT).order_by("resolved_at"),
        HookCall.objects.filter(at__lt=now - CALLS_KEPT).order_by("at"),
        Notification.objects.filter(happened_at__lt=now - MESSAGES_KEPT, status__in=SETTLED).order_by("happened_at"),
        Incident.objects.filter(resolved_at__lt=now - INCIDENTS_KEPT, status=IncidentStatus.RESOLVED).order_by(
            "resolved_at"
        ),
    ]


def _delete(rows: QuerySet) -> int:  # type: ignore[type-arg]
    with transaction.atomic():
        keys = list(rows.values_list("pk", flat=True)[:BATCH])
        if keys:
            rows.model._default_manager.filter(pk__in=keys).delete()
    return len(keys)
