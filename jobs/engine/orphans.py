"""Runs that the ledger says a worker holds, and that it does not: the answer to a claim's commit got lost."""

from __future__ import annotations

from collections.abc import Collection

from jobs.engine.finish import Ending, finish
from jobs.models import Attempt, WorkerNode
from jobs.reasons import say
from jobs.states import AttemptStatus, ReasonCode


class Orphans:
    """Remembers what was missing at the last look: a claim that has just been committed is not known here yet."""

    def __init__(self) -> None:
        self._suspects: set[int] = set()

    def release(self, node: WorkerNode, known: Collection[int]) -> None:
        """Give back what was missing among the `known` attempts at two looks."""
        rows = Attempt.objects.filter(worker=node, status=AttemptStatus.RUNNING).select_related("run")
        strangers = {row.pk: row for row in rows.exclude(pk__in=known)}
        for key in self._suspects & strangers.keys():
            attempt = strangers[key]
            words = say(ReasonCode.RELEASED, "released.orphan", worker=node.name)
            finish(attempt.run, attempt, Ending.because(AttemptStatus.RELEASED, words))
        self._suspects = set(strangers)
