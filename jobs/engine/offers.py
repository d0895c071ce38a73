"""The offer of a worker at this moment: its machine's gate, and what its running jobs leave."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings

from jobs.engine.machine import MIB
from jobs.engine.offer import Offer
from jobs.executors import KINDS
from jobs.reasons import Reason, say

if TYPE_CHECKING:
    from jobs.engine.claim import Claimed
    from jobs.engine.worker import Worker

log = logging.getLogger(__name__)


def offer_of(worker: Worker) -> Offer:
    """No question to the ledger: the gate was measured by the watch thread, the needs came with the claims."""
    node, running = worker.node, worker.holdings.jobs()
    memory, cpu = node.memory_bytes // MIB, node.cpu_count
    known = frozenset(KINDS.kinds())
    capabilities = frozenset(node.capabilities)
    return Offer(
        slot=node.slot,
        name=node.name,
        kinds=capabilities & known,
        capabilities=capabilities,
        total_memory=memory or None,
        total_cpu=cpu or None,
        free_memory=memory - sum(job.needs_memory for job in running) if memory else None,
        free_cpu=cpu - sum(job.needs_cpu for job in running) if cpu else None,
        running=len(running),
        gate=worker.gate.reason,
        longest_wait=timedelta(seconds=settings.PORTAL_NODE_GATE_MAX_WAIT),
    )


def forced_by_patience(worker: Worker, claimed: Claimed) -> Reason | None:
    """What to tell of a run that a busy machine took because it had waited too long; the log is told too."""
    gate, due_at = worker.gate.reason, claimed.run.not_before
    waited = claimed.attempt.started_at - due_at
    is_alone = len(worker.holdings.attempts()) <= 1
    if gate is None or is_alone or waited < timedelta(seconds=settings.PORTAL_NODE_GATE_MAX_WAIT):
        return None
    log.warning("A busy machine took a run that had waited too long.", extra={"run": claimed.run.pk, "why": gate.text})
    return say(gate.code, "node_busy.forced", due_at=due_at, gate=gate)
