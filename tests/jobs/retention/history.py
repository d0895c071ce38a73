"""History of a given age."""

from datetime import timedelta
from typing import Any

from jobs import dbclock
from jobs.models import Job, LogChunk, Run
from jobs.states import AttemptStatus, RunStatus
from tests.jobs import rows


def aged(of: Job, days: float, status: str = RunStatus.SUCCEEDED, **fields: Any) -> Run:
    """A run that was created, and ended, so many days ago."""
    return rows.run(of, status, dbclock.now() - timedelta(days=days), **fields)


def logged(of: Job, days: float, *texts: str, **fields: Any) -> Run:
    """A run of that age whose one attempt has a log of these chunks."""
    run = aged(of, days, **fields)
    size = sum(len(text.encode()) for text in texts)
    ended = run.ended_at or run.scheduled_for
    attempt = rows.attempt(run, status=AttemptStatus.SUCCEEDED, ended_at=ended, log_bytes=size)
    for number, text in enumerate(texts, 1):
        rows.chunk(attempt, number, text)
    return run


def texts_of(run: Run) -> list[str]:
    return list(LogChunk.objects.filter(attempt__run=run).order_by("seq").values_list("text", flat=True))


def kept(*runs: Run) -> list[int]:
    """Which of them are still there, by their place in the list."""
    left = set(Run.objects.values_list("pk", flat=True))
    return [place for place, run in enumerate(runs) if run.pk in left]
