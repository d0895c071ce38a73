"""Says why queued runs wait that no claim has looked at: behind a blocked one, or with every slot taken."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from jobs.engine.claim import label
from jobs.engine.offer import Offer
from jobs.engine.scene import Scene
from jobs.models import Run, WorkerNode
from jobs.reasons import Reason, say
from jobs.states import RunStatus, WaitReason

log = logging.getLogger(__name__)
MOST_AT_ONCE = 400
MOST_AGAIN = 100  # of the oldest labelled ones, whose reason may be another by now
PATIENCE = timedelta(seconds=3)
# What does not keep a run that is due: either nobody has said why it waits, or what was said is over.
OVER_BY_NOW = (WaitReason.NONE, WaitReason.TIME, WaitReason.RETRY_BACKOFF)


def label_waiting(now: datetime, *, offer: Offer, queues: Collection[str]) -> int:
    """For a worker's sweep: judge what waits without taking it. Returns how many rows were labelled."""
    ours = _unlabelled(now).filter(queue__in=queues, target_slot__in=["", offer.slot])
    again = _waiting(now).filter(queue__in=queues, target_slot__in=["", offer.slot]).exclude(wait_reason="")
    runs = [*ours[:MOST_AT_ONCE], *again[:MOST_AGAIN]]
    if not runs:
        return 0
    scene = Scene.of(runs, offer, now=now, lock=False)
    return label([(run, _reason(scene, run)) for run in runs])


def label_unserved(now: datetime) -> int:
    """For beat: runs in queues that no living worker serves. Returns how many rows were labelled."""
    queues = set(_unlabelled(now).order_by().values_list("queue", flat=True).distinct()[:MOST_AT_ONCE])
    if not queues:
        return 0
    alive = WorkerNode.objects.filter(
        stopped_at=None, last_seen_at__gte=now - timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    )
    served = {queue for names in alive.values_list("queues", flat=True) for queue in names}
    runs = list(_unlabelled(now).filter(queue__in=queues - served)[:MOST_AT_ONCE])
    return label([(run, say(WaitReason.NO_CAPABLE_WORKER, "no_capable_worker.queue", queue=run.queue)) for run in runs])


def _waiting(now: datetime) -> QuerySet[Run]:
    return Run.objects.filter(status=RunStatus.QUEUED, not_before__lte=now - PATIENCE).order_by("not_before")


def _unlabelled(now: datetime) -> QuerySet[Run]:
    return _waiting(now).filter(wait_reason__in=OVER_BY_NOW)


def _reason(scene: Scene, run: Run) -> Reason:
    verdict = scene.judge(run)
    return verdict.wait or say(WaitReason.NODE_BUSY, "node_busy.slots", queue=run.queue)


def warn_of_long_waits(now: datetime, *, queues: Collection[str], warned: set[int]) -> None:
    """One line in the log for each run that has waited too long for a machine with room; `warned` are those told of."""
    patience = timedelta(seconds=settings.PORTAL_NODE_GATE_MAX_WAIT)
    waiting = Run.objects.filter(status=RunStatus.QUEUED, queue__in=queues, wait_reason=WaitReason.NODE_BUSY)
    rows = waiting.filter(not_before__lt=now - patience).order_by("not_before").values_list("pk", "reason")
    found = dict(rows[:MOST_AT_ONCE])
    for run in found.keys() - warned:
        log.warning("A run has waited too long for a machine with room.", extra={"run": run, "why": found[run]})
    warned.clear()
    warned.update(found)
