"""The offer of a worker at this moment: its machine's gate, and what its running jobs leave."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings

from jobs.engine.machine import MIB
from jobs.engine.offer import Offer
from jobs.executors import KINDS

if TYPE_CHECKING:
    from jobs.engine.worker import Worker


def offer_of(worker: Worker) -> Offer:
    """No question to the ledger: the gate was measured by the watch thread, the needs came with the claims."""
    node, running = worker.node, worker.held_jobs()
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
