"""Workers as rows: registered, seen, drained, resumed, forgotten. The worker itself is `jobs.engine.worker`.

States are derived, never stored: a worker that dies writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import User
from jobs import dbclock
from jobs.models import Attempt, Run, WorkerNode

MOST_FORGOTTEN = 500


class NodeState(models.TextChoices):
    """What a worker is, as far as its row tells."""

    ACTIVE = "active", _("Active")
    IDLE = "idle", _("Idle")
    DRAINING = "draining", _("Draining")
    OFFLINE = "offline", _("Offline")
    STOPPED = "stopped", _("Stopped")


def lease() -> timedelta:
    return timedelta(seconds=settings.PORTAL_LEASE_SECONDS)


def is_alive(node: WorkerNode, *, now: datetime) -> bool:
    """Whether the worker was heard of within a lease."""
    return node.stopped_at is None and now - node.last_seen_at <= lease()


def state_of(node: WorkerNode, *, now: datetime) -> NodeState:
    """Offline is a worker that said no goodbye and has been silent for a lease: its runs are taken over by then."""
    if node.stopped_at is not None:
        return NodeState.STOPPED
    if not is_alive(node, now=now):
        return NodeState.OFFLINE
    if node.is_draining or node.drain_requested_at is not None:
        return NodeState.DRAINING
    return NodeState.ACTIVE if node.running_count else NodeState.IDLE


def in_state(state: str, *, now: datetime) -> Q:
    """The rows `state_of` gives this state."""
    draining = Q(is_draining=True) | Q(drain_requested_at__isnull=False)
    alive = Q(stopped_at=None, last_seen_at__gte=now - lease())
    return {
        NodeState.STOPPED: Q(stopped_at__isnull=False),
        NodeState.OFFLINE: Q(stopped_at=None, last_seen_at__lt=now - lease()),
        NodeState.DRAINING: alive & draining,
        NodeState.ACTIVE: alive & ~draining & Q(running_count__gt=0),
        NodeState.IDLE: alive & ~draining & Q(running_count=0),
    }[NodeState(state)]


def live(*, now: datetime) -> QuerySet[WorkerNode]:
    """Workers heard of within a lease that have not said goodbye."""
    return WorkerNode.objects.filter(stopped_at=None, last_seen_at__gte=now - lease()).order_by("name")


def taking_runs_of(queue: str, *, now: datetime) -> list[WorkerNode]:
    """Live workers of the queue that are not draining, one per slot, in the order of their names."""
    rows = live(now=now).filter(is_draining=False, drain_requested_at=None).order_by("slot", "last_seen_at", "pk")
    found = {node.slot: node for node in rows.defer("history") if queue in node.queues}
    return list(found.values())


def served_queues(*, now: datetime) -> set[str]:
    """The queues from which some live worker takes runs."""
    return {str(name) for names in live(now=now).values_list("queues", flat=True) for name in names}


def register(**columns: Any) -> WorkerNode:
    """The row of a worker process that has just started. A drain that was asked for outlives a restart."""
    before = WorkerNode.objects.filter(slot=columns["slot"]).order_by("-started_at", "-pk").first()
    asked = before.drain_requested_at if before else None
    return WorkerNode.objects.create(**columns, drain_requested_at=asked, is_draining=asked is not None)


def is_drain_wanted(node: WorkerNode) -> bool:
    """What an admin wants of this worker: take nothing more (True), or work."""
    return WorkerNode.objects.filter(pk=node.pk, drain_requested_at__isnull=False).exists()


def beat(node: WorkerNode, **columns: Any) -> None:
    """Write a heartbeat: one row by its key."""
    WorkerNode.objects.filter(pk=node.pk).update(**columns)


def request_drain(node: WorkerNode, *, actor: User | None) -> bool:
    """Let the worker finish what runs and take nothing more until it is resumed. False: that was so already."""
    return _ask(node, dbclock.now(), actor=actor, verb="jobs.node.drained")


def resume(node: WorkerNode, *, actor: User | None) -> bool:
    """Let the worker take runs again. False: nobody had asked it to drain."""
    return _ask(node, None, actor=actor, verb="jobs.node.resumed")


def _ask(node: WorkerNode, at: datetime | None, *, actor: User | None, verb: str) -> bool:
    with transaction.atomic():
        rows = WorkerNode.objects.filter(pk=node.pk, drain_requested_at__isnull=at is not None)
        if not rows.update(drain_requested_at=at):
            return False
        audit.record(verb, actor=actor, target=node, summary=node.name)
    node.drain_requested_at = at
    return True


def newest_named(name: str) -> WorkerNode | None:
    """The worker of that name that was seen last."""
    return WorkerNode.objects.filter(Q(name=name) | Q(slot=name)).order_by("-last_seen_at", "-pk").first()


def forget_old(*, now: datetime, keep: timedelta) -> int:
    """Delete rows of workers gone for longer than `keep` that no run points at any more; at most MOST_FORGOTTEN.

    Never by the key of a living worker: it would be seen within that time.
    """
    runs = Run.objects.filter(worker=OuterRef("pk"))
    attempts = Attempt.objects.filter(worker=OuterRef("pk"))
    old = WorkerNode.objects.filter(last_seen_at__lt=now - max(keep, lease()))
    gone: Collection[int] = list(
        old.exclude(Exists(runs)).exclude(Exists(attempts)).values_list("pk", flat=True)[:MOST_FORGOTTEN]
    )
    return WorkerNode.objects.filter(pk__in=gone).delete()[0]
