"""What stands in each queue, and who serves it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from jobs import nodes
from jobs.models import Job, Queue, Run
from jobs.states import RunStatus


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """`row` is None for a queue nobody has decided anything about. `oldest_due` is since when a due run waits."""

    name: str
    row: Queue | None
    queued: int = 0
    running: int = 0
    oldest_due: datetime | None = None
    workers: int = 0
    jobs: int = 0

    @property
    def is_paused(self) -> bool:
        return self.row is not None and self.row.is_paused

    @property
    def is_unserved(self) -> bool:
        """Whether something is, or may come, in it, and no live worker takes from it."""
        return not self.workers and bool(self.queued or self.jobs)


def queue_states(*, now: datetime) -> list[QueueState]:
    """Every queue that has a row, a job, an unended run or a live worker, by name. Six queries."""
    rows = {row.name: row for row in Queue.objects.all()}
    active = Run.objects.order_by().values_list("queue")
    queued = dict(active.filter(status=RunStatus.QUEUED).annotate(count=Count("pk")))
    due = active.filter(status=RunStatus.QUEUED, not_before__lte=now)
    oldest = dict(due.annotate(oldest=Min("not_before")))
    running = dict(active.filter(status=RunStatus.RUNNING, is_container=False).annotate(count=Count("pk")))
    workers = Counter(str(name) for names in nodes.live(now=now).values_list("queues", flat=True) for name in names)
    jobs = dict(Job.objects.filter(archived_at=None).order_by().values_list("queue").annotate(count=Count("pk")))
    return [
        QueueState(
            name=name,
            row=rows.get(name),
            queued=queued.get(name, 0),
            running=running.get(name, 0),
            oldest_due=oldest.get(name),
            workers=workers[name],
            jobs=jobs.get(name, 0),
        )
        for name in sorted({*rows, *queued, *running, *workers, *jobs})
    ]
