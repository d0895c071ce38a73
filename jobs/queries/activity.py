"""What a page of jobs shows beside each job: status, last and next run, the latest results, the success rate.

A handful of queries for a page, whatever its size and however long the history is: the newest runs are found by the
(job, -id) index from the id of each job's STRIP-th or RECENT-th run on, never by numbering a whole history.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from jobs.calendars import Book
from jobs.models import Job, Run, Schedule
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.exclusions import MICROSECOND, next_start
from jobs.states import ACTIVE, EXECUTED, RunStatus

RECENT = 100  # the success rate looks at so many runs
STRIP = 20  # the strip shows so many

IDLE = "idle"


@dataclass(frozen=True, kw_only=True)
class RunMark:
    """One run, as small as a strip needs it."""

    pk: int
    status: str
    scheduled_for: datetime
    started_at: datetime | None
    ended_at: datetime | None
    reason: str
    reason_args: dict[str, Any] = field(default_factory=dict)

    @property
    def duration(self) -> timedelta | None:
        return self.ended_at - self.started_at if self.started_at and self.ended_at else None

    @property
    def at(self) -> datetime:
        """When it happened, as far as it did."""
        return self.started_at or self.scheduled_for


@dataclass(frozen=True, kw_only=True)
class JobActivity:
    """`marks` is oldest first, at most STRIP; `success_rate` is 0..1 of the executed of the last RECENT."""

    status: str
    running_count: int = 0
    queued_count: int = 0
    last: RunMark | None = None
    active: RunMark | None = None
    marks: tuple[RunMark, ...] = ()
    success_rate: float | None = None
    executed_count: int = 0
    next_fire_at: datetime | None = None
    timezone: str = ""


def job_activity(jobs: Sequence[Job], *, runs: QuerySet[Run], schedules: QuerySet[Schedule]) -> dict[int, JobActivity]:
    """Job id → its activity, for the jobs of one page."""
    ids = [job.pk for job in jobs]
    if not ids:
        return {}
    newest = _newest_runs(ids, runs)
    recent = _recent_outcomes(ids, runs)
    active = _active_counts(ids, runs)
    fires = _next_fires(ids, schedules)
    found = {pk: _activity(newest.get(pk, []), recent.get(pk, {}), active.get(pk, {}), fires.get(pk)) for pk in ids}
    return found | _behind_the_waiting(found, runs)


def current_status(counts: dict[str, int], last: RunMark | None) -> str:
    """running before queued before the last result; idle when there never was a run."""
    if counts.get(RunStatus.RUNNING):
        return RunStatus.RUNNING
    if counts.get(RunStatus.QUEUED):
        return RunStatus.QUEUED
    return last.status if last else IDLE


def success_rate(statuses: Iterable[str]) -> tuple[float | None, int]:
    """Share of the succeeded among the executed, and how many were executed."""
    executed = [status for status in statuses if status in EXECUTED]
    if not executed:
        return None, 0
    return sum(status == RunStatus.SUCCEEDED for status in executed) / len(executed), len(executed)


def _activity(
    newest: list[RunMark], recent: dict[str, int], counts: dict[str, int], fire: tuple[datetime, str] | None
) -> JobActivity:
    ended = [mark for mark in newest if mark.status not in ACTIVE]
    alive = [mark for mark in newest if mark.status in ACTIVE]
    last = ended[0] if ended else None
    rate, executed = success_rate(status for status, number in recent.items() for _ in range(number))
    return JobActivity(
        status=current_status(counts, last),
        running_count=counts.get(RunStatus.RUNNING, 0),
        queued_count=counts.get(RunStatus.QUEUED, 0),
        last=last,
        active=next((mark for mark in alive if mark.status == RunStatus.RUNNING), alive[0] if alive else None),
        marks=tuple(reversed(newest[:STRIP])),
        success_rate=rate,
        executed_count=executed,
        next_fire_at=fire[0] if fire else None,
        timezone=fire[1] if fire else "",
    )


def floors(ids: Sequence[int], count: int) -> dict[int, int]:
    """Job id → the id of its `count`-th newest run, 0 when it has fewer: its newest runs are those from there on.

    Parts are not counted: they are seen on the page of their container.
    """
    nth = Run.objects.filter(job=OuterRef("pk"), parent=None).order_by("-id").values("id")[count - 1 : count]
    rows = Job.objects.filter(pk__in=ids).order_by().values_list("pk", Subquery(nth))
    return {pk: floor or 0 for pk, floor in rows}


def _newest(ids: Sequence[int], runs: QuerySet[Run], count: int) -> QuerySet[Run]:
    wanted = Q(pk__in=[])
    for pk, floor in floors(ids, count).items():
        wanted |= Q(job=pk, id__gte=floor)
    return runs.filter(wanted, parent=None)


def _recent_outcomes(ids: list[int], runs: QuerySet[Run]) -> dict[int, dict[str, int]]:
    """Job id → status → how many of its RECENT newest runs, counted where they are."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = _newest(ids, runs, RECENT).order_by().values_list("job_id", "status").annotate(n=Count("pk"))
    for job_id, status, number in rows:
        found[job_id][status] = number
    return found


def _behind_the_waiting(found: dict[int, JobActivity], runs: QuerySet[Run]) -> dict[int, JobActivity]:
    """The last ended run of jobs whose newest runs are all waiting."""
    hidden = [pk for pk, one in found.items() if one.last is None and len(one.marks) == STRIP]
    if not hidden:
        return {}
    ended = (
        Run.objects.filter(job=OuterRef("pk"), parent=None).exclude(status__in=ACTIVE).order_by("-id").values("id")[:1]
    )
    ids = Job.objects.filter(pk__in=hidden).order_by().values_list(Subquery(ended), flat=True)
    marks = _marks(runs.filter(pk__in=[pk for pk in ids if pk is not None]))
    return {job: replace(found[job], last=rows[0]) for job, rows in marks.items()}


def _newest_runs(ids: list[int], runs: QuerySet[Run]) -> dict[int, list[RunMark]]:
    """Job id → its STRIP newest runs, newest first."""
    return _marks(_newest(ids, runs, STRIP).order_by("-id"))


def _marks(rows: QuerySet[Run]) -> dict[int, list[RunMark]]:
    found: dict[int, list[RunMark]] = defaultdict(list)
    fields = ("job_id", "pk", "status", "scheduled_for", "started_at", "ended_at", "reason", "reason_args")
    for job_id, pk, status, scheduled_for, started_at, ended_at, reason, args in rows.values_list(*fields):
        mark = RunMark(
            pk=pk,
            status=status,
            scheduled_for=scheduled_for,
            started_at=started_at,
            ended_at=ended_at,
            reason=reason,
            reason_args=args,
        )
        found[job_id].append(mark)
    return found


def _active_counts(ids: list[int], runs: QuerySet[Run]) -> dict[int, dict[str, int]]:
    """Job id → status → how many, for queued and running runs."""
    rows = (
        runs.filter(job__in=ids, parent=None, status__in=ACTIVE)
        .order_by()
        .values_list("job_id", "status")
        .annotate(n=Count("pk"))
    )
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for job_id, status, number in rows:
        counts[job_id][status] = number
    return counts


def _next_fires(ids: list[int], schedules: QuerySet[Schedule]) -> dict[int, tuple[datetime, str]]:
    """Job id → when its next run starts, and the zone that schedule speaks in."""
    rows = schedules.filter(job__in=ids, is_enabled=True, next_fire_at__isnull=False).select_related("job")
    fires: dict[int, tuple[datetime, str]] = {}
    for at, schedule in next_starts(rows):
        fires.setdefault(schedule.job_id, (at, schedule.timezone))
    return fires


def next_starts(rows: Iterable[Schedule]) -> list[tuple[datetime, Schedule]]:
    """When each schedule's next run starts, soonest first: what a calendar, a blackout or a freeze closes does not.

    `next_fire_at` is when the tick looks at a schedule again, which may only write down that the moment is closed.
    """
    found = list(rows)
    book = Book.of(found)
    starts = [(_next_start(schedule, book), schedule) for schedule in found]
    return sorted(((at, schedule) for at, schedule in starts if at is not None), key=lambda each: (each[0], each[1].pk))


def _next_start(schedule: Schedule, book: Book) -> datetime | None:
    rule = book.rule(schedule, schedule.job)
    if rule.is_empty or schedule.next_fire_at is None:
        return schedule.next_fire_at
    try:
        return next_start(book.trigger(schedule), rule, schedule.next_fire_at - MICROSECOND)
    except TriggerError:
        return schedule.next_fire_at
