"""Rows that no history needs: workers and beats long gone, expired sessions, old write approvals and queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, QuerySet

from datasources import retention as datasources_retention
from jobs.models import BeatHeartbeat, WorkerNode
from jobs.retention.rows import relations

if TYPE_CHECKING:
    from jobs.retention.rounds import Report

BATCH = 500


def sweep(report: Report, *, now: datetime, breathe: Callable[[], None]) -> None:
    report.nodes += _delete_in_batches(unused_nodes(now), breathe)
    BeatHeartbeat.objects.filter(last_seen_at__lt=now - timedelta(days=settings.PORTAL_NODE_KEEP_DAYS)).delete()
    datasources_retention.sweep(now=now, breathe=breathe)
    report.sessions += _delete_in_batches(Session.objects.filter(expire_date__lt=now), breathe)


def unused_nodes(now: datetime) -> QuerySet[WorkerNode]:
    """Silent for PORTAL_NODE_KEEP_DAYS, and nothing names them: an attempt shows its worker as long as it is kept."""
    nodes = WorkerNode.objects.filter(last_seen_at__lt=now - timedelta(days=settings.PORTAL_NODE_KEEP_DAYS))
    for model, field in relations(WorkerNode, None):
        nodes = nodes.filter(~Exists(model._default_manager.filter(**{field: OuterRef("pk")})))
    return nodes


def _delete_in_batches(rows: QuerySet[Any], breathe: Callable[[], None]) -> int:
    done = 0
    while True:
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not keys:
            return done
        done += rows.model._default_manager.filter(pk__in=keys).delete()[0]
        breathe()
