"""Which queued runs a claim looks at next: priority, then fairness between tenants, then age.

`Run.claim_order_at` holds priority and age in one indexed column: it only moves into the past relative to now, so
waiting ten minutes is worth a point of priority. Tenants are taken in turn among runs of the same whole point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Count, Q, QuerySet

from jobs.models import Run
from jobs.runs import AGEING
from jobs.states import RunStatus

MOST_TENANTS = 32  # whose first runs one claim compares; those with the fewest running runs come first
HEAVY = ("outputs", "result")  # JSON of the last try, which a claim does not need

# A loose index scan: one probe of `run_claim` for each tenant, however many runs it has waiting.
WAITING_TENANTS = """
WITH RECURSIVE waiting (id) AS (
    SELECT MIN(tenant_id) FROM jobs_run WHERE queue = %s AND status = 'queued'
    UNION ALL
    SELECT (SELECT MIN(run.tenant_id) FROM jobs_run run
            WHERE run.queue = %s AND run.status = 'queued' AND run.tenant_id > waiting.id)
    FROM waiting WHERE waiting.id IS NOT NULL
)
SELECT id FROM waiting WHERE id IS NOT NULL
"""


@dataclass(kw_only=True)
class PassedOver:
    """What one claim has found blocked: whole jobs and tenants at once, so that many waiting runs cost one look."""

    runs: set[int] = field(default_factory=set)
    jobs: set[int] = field(default_factory=set)
    tenants: set[int] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Head:
    """A queued run near the front of its tenant's line."""

    run: int
    tenant: int
    claim_order_at: datetime


def waiting_tenants(queue: str) -> list[int]:
    """The tenants with queued runs in the queue, due or not."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING_TENANTS, [queue, queue])
        return [row[0] for row in cursor.fetchall()]


def lock_next(queue: str, wanted: int, *, slot: str, passed: PassedOver, due: datetime) -> tuple[list[Run], bool]:
    """Up to `wanted` due runs nobody else looks at, locked, in the order to be taken; and whether these were all."""
    tenants = [tenant for tenant in waiting_tenants(queue) if tenant not in passed.tenants]
    if not tenants:
        return [], True
    if len(tenants) == 1:
        rows = _due(queue, slot=slot, passed=passed, due=due).filter(tenant=tenants[0])
        runs = list(_locking(rows.order_by("claim_order_at", "pk"))[:wanted])
        return runs, len(runs) < wanted
    running = _running_by_tenant()
    tenants = sorted(tenants, key=lambda tenant: running.get(tenant, 0))[:MOST_TENANTS]
    heads = _heads(tenants, wanted, queue=queue, slot=slot, passed=passed, due=due)
    order = [head.run for head in fair_order(heads, running, now=due)[: wanted * 2]]
    place = {key: index for index, key in enumerate(order)}
    rows = _due(queue, slot=slot, passed=passed, due=due).filter(pk__in=order)
    locked = sorted(_locking(rows.order_by("pk"))[: wanted * 2], key=lambda run: place[run.pk])
    return locked[:wanted], len(heads) < wanted


def fair_order(heads: Sequence[Head], running: Mapping[int, int], *, now: datetime) -> list[Head]:
    """PURE: highest whole point of priority first, then the tenant with the fewest runs, then the oldest."""
    lines: dict[int, list[Head]] = {}
    for head in sorted(heads, key=lambda head: (head.claim_order_at, head.run), reverse=True):
        lines.setdefault(head.tenant, []).append(head)
    taken = dict(running)
    order: list[Head] = []
    while lines:
        tenant = min(
            lines, key=lambda tenant: (-_points(lines[tenant][-1], now), taken.get(tenant, 0), _age(lines[tenant]))
        )
        order.append(lines[tenant].pop())
        taken[tenant] = taken.get(tenant, 0) + 1
        if not lines[tenant]:
            del lines[tenant]
    return order


def _points(head: Head, now: datetime) -> int:
    return (now - head.claim_order_at) // AGEING


def _age(line: list[Head]) -> tuple[datetime, int]:
    return line[-1].claim_order_at, line[-1].run


def _due(queue: str, *, slot: str, passed: PassedOver, due: datetime) -> QuerySet[Run]:
    rows = Run.objects.filter(queue=queue, status=RunStatus.QUEUED, not_before__lte=due, target_slot__in=["", slot])
    for name, keys in (("pk", passed.runs), ("job", passed.jobs), ("tenant", passed.tenants)):
        if keys:
            rows = rows.exclude(Q(**{f"{name}__in": keys}))
    return rows


def _locking(rows: QuerySet[Run]) -> QuerySet[Run]:
    rows = rows.defer(*HEAVY)
    features = connection.features
    if not features.has_select_for_update:
        return rows
    return rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)


def _running_by_tenant() -> dict[int, int]:
    rows = Run.objects.filter(status=RunStatus.RUNNING, is_container=False).order_by().values("tenant")
    return {row["tenant"]: row["count"] for row in rows.annotate(count=Count("pk"))}


def _heads(
    tenants: Sequence[int], wanted: int, *, queue: str, slot: str, passed: PassedOver, due: datetime
) -> list[Head]:
    heads: list[Head] = []
    for tenant in tenants:
        rows = _due(queue, slot=slot, passed=passed, due=due).filter(tenant=tenant)
        ordered = rows.order_by("claim_order_at", "pk").values_list("pk", "claim_order_at")[:wanted]
        heads += [Head(run=key, tenant=tenant, claim_order_at=at) for key, at in ordered]
    return heads
