"""Containers: runs made of parts (the shards of a run, the nodes of a broadcast). Parts are runs of their own.

A container is claimed like any run (overlap, the job's switch), but it holds no worker: it is running while its parts
are queued or run, and ends with the last of them (`jobs.runs.close_container`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef
from pydantic import ValidationError

from jobs import nodes, runs
from jobs.bells import ring_on_commit
from jobs.definitions import FanOutRule, definition_errors
from jobs.engine.published import definition_of
from jobs.models import Run, RunEvent, WorkerNode
from jobs.policies import FanOut
from jobs.reasons import Reason, say
from jobs.states import ACTIVE, ReasonCode, RunStatus, WaitReason

MOST_SWEPT = 200
NO_REASON: dict[str, Any] = {"reason_code": "", "reason": "", "reason_args": {}}


def expand(container: Run, *, now: datetime) -> None:
    """Move a queued container to running and create its parts; the caller holds the claim's transaction and locks.

    A broadcast for which there is no live worker is skipped, and says so. A definition this version can't read fails,
    like that of a single run: raising here would hold up the whole queue.
    """
    try:
        rule = definition_of(container).fan_out
    except ValidationError as error:
        why = say(ReasonCode.BAD_DEFINITION, cause=str(definition_errors(error)[0]))
        if runs.move(container, RunStatus.RUNNING, now=now, wait_reason=WaitReason.NONE, **NO_REASON):
            runs.move(container, RunStatus.TECHNICAL_FAILURE, now=now, **why.columns())
        return
    targets = _targets(container, rule, now=now)
    if not targets:
        why = say(ReasonCode.NO_TARGET, queue=container.queue)
        runs.move(container, RunStatus.SKIPPED, now=now, **why.columns())
        return
    total = _total(container, rule, len(targets))
    changes: dict[str, Any] = {"started_at": now, "shard_total": total, "wait_reason": WaitReason.NONE}
    if not runs.move(container, RunStatus.RUNNING, now=now, **changes, **NO_REASON):
        return
    keys = [f"shard:{container.pk}:{index}" for index in targets]
    Run.objects.bulk_create(
        [_part(container, index, slot, total=total, now=now) for index, slot in targets.items()], batch_size=200
    )
    made = Run.objects.filter(parent=container, dedupe_key__in=keys)
    RunEvent.objects.bulk_create(
        [RunEvent(run_id=pk, old="", new=RunStatus.QUEUED, at=now) for pk in made.values_list("pk", flat=True)],
        batch_size=200,
    )
    ring_on_commit([container.queue] * len(targets))


def _targets(container: Run, rule: FanOutRule, *, now: datetime) -> dict[int, str]:
    """Number of each part → the worker it must run on ("": any)."""
    only = set(container.only_shards)
    if rule.mode != FanOut.BROADCAST:
        return dict.fromkeys((index for index in range(rule.total or 1) if not only or index in only), "")
    if only and container.rerun_of is not None:
        again = container.rerun_of.parts.filter(shard_index__in=only).order_by("shard_index")
        return {index: slot for index, slot in again.values_list("shard_index", "target_slot") if index is not None}
    taking = nodes.taking_runs_of(container.queue, now=now)
    return {index: node.slot for index, node in enumerate(taking)}


def _total(container: Run, rule: FanOutRule, count: int) -> int:
    if container.only_shards and container.rerun_of is not None and container.rerun_of.shard_total:
        return container.rerun_of.shard_total
    return rule.total or count


def _part(container: Run, index: int, slot: str, *, total: int, now: datetime) -> Run:
    """A part keeps its whole's place in the queue. It has no schedule: the whole is what came of the fire time."""
    return Run(
        tenant_id=container.tenant_id,
        job_id=container.job_id,
        revision_id=container.revision_id,
        dedupe_key=f"shard:{container.pk}:{index}",
        origin=container.origin,
        requested_by_id=container.requested_by_id,
        params=container.params,
        scheduled_for=container.scheduled_for,
        not_before=now,
        claim_order_at=container.claim_order_at,
        created_at=now,
        status=RunStatus.QUEUED,
        queue=container.queue,
        priority=container.priority,
        parent_id=container.pk,
        target_slot=slot,
        shard_index=index,
        shard_total=total,
    )


def advance(container_ids: Collection[int], *, now: datetime) -> None:
    """End each container whose parts have all ended; idempotent, and the sweep calls it again."""
    for pk in sorted(container_ids):
        runs.close_container(pk, now=now)


def sweep(now: datetime) -> None:
    """What no claim and no end looks at: containers left behind, and parts whose worker is away."""
    alive = Run.objects.filter(parent=OuterRef("pk"), status__in=list(ACTIVE))
    left = Run.objects.filter(status=RunStatus.RUNNING, is_container=True).exclude(Exists(alive))
    advance(list(left.values_list("pk", flat=True)[:MOST_SWEPT]), now=now)
    waiting = Run.objects.filter(status=RunStatus.QUEUED, parent__status=RunStatus.RUNNING, not_before__lte=now)
    for part in waiting.exclude(target_slot="").order_by("pk")[:MOST_SWEPT]:
        _look_for_target(part, now=now)


def _look_for_target(part: Run, *, now: datetime) -> None:
    """Say that the worker is away, or give up when it has been for too long."""
    node = WorkerNode.objects.filter(slot=part.target_slot).order_by("-last_seen_at", "-pk").first()
    why = _absence(node, part, now=now)
    if why is None:
        if part.wait_reason == WaitReason.TARGET_NODE:
            _note(part, None)
        return
    seen_at = node.last_seen_at if node else part.created_at
    away = now - max(seen_at, part.not_before)
    if why.key == "target_node.away" and away >= timedelta(seconds=settings.PORTAL_TARGET_AWAY_SECONDS):
        minutes = round(settings.PORTAL_TARGET_AWAY_SECONDS / 60)
        gone = say(ReasonCode.NO_TARGET, "no_target.away", worker=part.target_slot, minutes=minutes)
        runs.move(part, RunStatus.SKIPPED, now=now, **gone.columns())
        return
    _note(part, why)


def _absence(node: WorkerNode | None, part: Run, *, now: datetime) -> Reason | None:
    """Why the part's worker does not take it; None when it will."""
    if node is None or not nodes.is_alive(node, now=now):
        seen_at = node.last_seen_at if node else part.created_at
        return say(WaitReason.TARGET_NODE, "target_node.away", worker=part.target_slot, seen_at=seen_at)
    if node.is_draining or node.drain_requested_at:
        return say(WaitReason.TARGET_NODE, "target_node.draining", worker=part.target_slot)
    return None


def _note(part: Run, why: Reason | None) -> None:
    """The part's wait reason, written only when it is another."""
    columns = {"reason": why.text, "reason_args": why.stored_args} if why else {"reason": "", "reason_args": {}}
    wait = why.code if why else WaitReason.NONE
    if (part.wait_reason, part.reason) != (wait, columns["reason"]):
        Run.objects.filter(pk=part.pk, status=RunStatus.QUEUED).update(wait_reason=wait, **columns)
