"""What a worker process holds: every attempt it has claimed and not handed in yet, executing or about to."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings

from jobs import dbclock
from jobs.engine.claim import Claimed
from jobs.engine.execution import Execution, Interrupt, note_runners
from jobs.logs import LogWriter
from jobs.models import Job, Run, WorkerNode
from jobs.states import RunStatus


class Holdings:
    """Thread-safe. By attempt, not by run: an attempt that was fenced may still be ending beside its successor."""

    def __init__(self, lease: timedelta) -> None:
        self._lease = lease
        self._executions: dict[int, Execution] = {}
        self._lock = threading.Lock()

    def take(self, claimed: Iterable[Claimed]) -> None:
        """From here on their leases are kept, whatever becomes of the thread that is to execute them."""
        for each in claimed:
            self.of(each)

    def of(self, claimed: Claimed) -> Execution:
        """The execution of this attempt; it is made when there is none."""
        with self._lock:
            found = self._executions.get(claimed.attempt.pk)
            if found is None:
                writer = LogWriter(claimed.attempt, cap=settings.PORTAL_LOG_BYTES_PER_ATTEMPT)
                found = Execution(claimed, writer, claimed.boot + self._lease.total_seconds())
                self._executions[claimed.attempt.pk] = found
            return found

    def drop(self, claimed: Claimed) -> None:
        """It was handed in, or nobody will execute it."""
        with self._lock:
            self._executions.pop(claimed.attempt.pk, None)

    def executions(self) -> list[Execution]:
        with self._lock:
            return list(self._executions.values())

    def attempts(self) -> set[int]:
        with self._lock:
            return set(self._executions)

    def jobs(self) -> list[Job]:
        """The job of each, executing or about to."""
        return [execution.claimed.run.job for execution in self.executions()]

    def check(self, node: WorkerNode, *, renew: bool) -> None:
        """Ask the ledger: who was fenced, who is to be cancelled; and renew the leases of the others."""
        executions = self.executions()
        if not executions:
            return
        began = dbclock.boot_seconds()
        keys = {execution.claimed.run.pk for execution in executions}
        ours = Run.objects.filter(pk__in=keys, worker=node, status=RunStatus.RUNNING)
        rows = {pk: (token, asked) for pk, token, asked in ours.values_list("pk", "token", "cancel_requested_at")}
        confirmed = []
        for execution in executions:
            token, asked = rows.get(execution.claimed.run.pk, (None, None))
            if token != execution.claimed.attempt.token:
                execution.interrupt(Interrupt.FENCED)
                continue
            if asked is not None:
                execution.interrupt(Interrupt.CANCELLED)
            confirmed.append(execution)
        note_runners(confirmed)
        if renew and confirmed:
            held = [execution.claimed.run.pk for execution in confirmed]
            ours.filter(pk__in=held).update(lease_until=dbclock.now() + self._lease)
            for execution in confirmed:
                execution.extend(began + self._lease.total_seconds())
