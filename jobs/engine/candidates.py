"""Which queued runs a claim looks at next: priority, then fairness between tenants, then age.

`Run.claim_order_at` holds priority and age in one indexed column: it only moves into the past relative to now, so
waiting ten minutes is worth a point of priority. Tenants are taken in turn among runs of the same whole point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs.engine import statements
from jobs.models import Run
from jobs.runs import AGEING
from jobs.scheduling.calendars import FreezeSpan

MOST_TENANTS = 32  # whose first runs are compared at a time; those with the fewest running runs come first
# What claiming and executing look at; the JSON of earlier tries stays where it is.
COLUMNS = (
    "id", "tenant", "job", "revision", "schedule", "parent", "origin", "params", "scheduled_for", "not_before",
    "claim_order_at", "status", "wait_reason", "reason", "queue", "priority", "token", "tries_used", "lost_count",
    "released_count", "cancel_requested_at", "started_at", "is_container", "shard_index", "shard_total", "target_slot",
    "despite_freeze",
)  # fmt: skip

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

RUNNING_BY_TENANT = """
SELECT tenant_id, COUNT(*) FROM jobs_run WHERE status = 'running' AND NOT is_container GROUP BY tenant_id
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
    return [row[0] for row in statements.values(WAITING_TENANTS, [queue, queue])]


@dataclass(frozen=True, kw_only=True)
class Line:
    """The due runs of a queue that a worker may take, no freeze holds, and a claim has not passed over."""

    queue: str
    slot: str
    passed: PassedOver
    due: datetime
    frozen: Sequence[FreezeSpan] = ()

    def lock_next(self, wanted: int) -> tuple[list[Run], bool]:
        """Up to `wanted` runs nobody else looks at, locked, in the order to be taken; and whether these were all.

        None, but not all: others were looking at the first ones, which are passed over from now on.
        """
        tenants = [tenant for tenant in waiting_tenants(self.queue) if tenant not in self.passed.tenants]
        if not tenants:
            return [], True
        if len(tenants) == 1:
            runs = self._lock("tenant_id = %s", [tenants[0]], order="claim_order_at, id", most=wanted)
            return runs, len(runs) < wanted
        running = dict(statements.values(RUNNING_BY_TENANT, []))
        heads, were_all = self._first_heads(sorted(tenants, key=lambda tenant: running.get(tenant, 0)), wanted)
        if not heads:
            return [], True
        order = [head.run for head in fair_order(heads, running, now=self.due)[: wanted * 2]]
        place = {key: index for index, key in enumerate(order)}
        locked = self._lock(f"id IN {statements.places(order)}", order, order="id", most=wanted * 2)
        if not locked:
            self.passed.runs.update(order)
            return [], False
        return sorted(locked, key=lambda run: place[run.pk])[:wanted], were_all

    def _first_heads(self, tenants: Sequence[int], wanted: int) -> tuple[list[Head], bool]:
        """Of as many tenants as are compared at a time, the first that have any; and whether there are no more."""
        for start in range(0, len(tenants), MOST_TENANTS):
            window = tenants[start : start + MOST_TENANTS]
            heads = [head for tenant in window for head in self._heads(tenant, wanted)]
            if heads:
                return heads, start + MOST_TENANTS >= len(tenants) and len(heads) < wanted
        return [], True

    def _lock(self, which: str, params: Sequence[Any], *, order: str, most: int) -> list[Run]:
        where, known = self._where(which, params)
        tail = f"WHERE {where} ORDER BY {order} LIMIT {int(most)}{statements.for_update(skip_locked=True)}"
        return statements.rows(Run, COLUMNS, tail, known)

    def _heads(self, tenant: int, most: int) -> list[Head]:
        where, known = self._where("tenant_id = %s", [tenant])
        tail = f"WHERE {where} ORDER BY claim_order_at, id LIMIT {int(most)}"
        runs = statements.rows(Run, ("id", "claim_order_at"), tail, known)
        return [Head(run=run.pk, tenant=tenant, claim_order_at=run.claim_order_at) for run in runs]

    def _where(self, which: str, params: Sequence[Any]) -> tuple[str, list[Any]]:
        where = f"queue = %s AND status = 'queued' AND {which} AND not_before <= %s AND target_slot IN ('', %s)"
        known = [self.queue, *params, statements.moment(self.due), self.slot]
        for column, keys in (("id", self.passed.runs), ("job_id", self.passed.jobs)):
            if keys:
                where += f" AND {column} NOT IN {statements.places(keys)}"
                known += keys
        for freeze in self.frozen:  # the sweep says so to the runs they hold
            held, more = "NOT despite_freeze AND parent_id IS NULL", []
            if freeze.tenant_id is not None:
                held, more = held + " AND tenant_id = %s", [freeze.tenant_id]
            if freeze.exempt:
                held += f" AND job_id NOT IN {statements.places(freeze.exempt)}"
                more = [*more, *freeze.exempt]
            where, known = f"{where} AND NOT ({held})", [*known, *more]
        return where, known


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
