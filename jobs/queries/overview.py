"""What the home page shows: today's runs, failures first, what runs, what comes next, and the machinery."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from django.db.models import Count, QuerySet

from jobs import nodes
from jobs.models import BeatHeartbeat, Run, Schedule, WorkerNode
from jobs.queries.activity import next_starts
from jobs.states import ACTIVE, EXECUTED, FAILURE, RunStatus

CLOSED_BETWEEN = 3  # of so many times the schedules that are looked at next, some may be closed
BEAT_SILENT_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class TodaySummary:
    """Runs that were due since midnight of the zone. `by_status` holds every status, zeros included."""

    since: datetime
    by_status: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_status.values())

    @property
    def executed(self) -> int:
        return sum(self.by_status[status] for status in EXECUTED)

    @property
    def failed(self) -> int:
        return sum(self.by_status[status] for status in FAILURE)

    @property
    def active(self) -> int:
        return sum(self.by_status[status] for status in ACTIVE)

    @property
    def success_rate(self) -> float | None:
        return self.by_status[RunStatus.SUCCEEDED] / self.executed if self.executed else None


@dataclass(frozen=True, kw_only=True)
class FireTime:
    """A job's next instant, in the zone its schedule speaks in."""

    schedule: Schedule
    at: datetime
    timezone: str


@dataclass(frozen=True, kw_only=True)
class SystemState:
    """`oldest_due` is since when the longest-waiting due run waits; `beats` are the live ones."""

    workers: tuple[WorkerNode, ...]
    beats: tuple[BeatHeartbeat, ...]
    capacity: int
    running: int
    queued: int
    due: int
    oldest_due: datetime | None
    late_fires: int


def today_summary(runs: QuerySet[Run], *, now: datetime, zone: tzinfo) -> TodaySummary:
    """A range, never `__date`: MariaDB without time-zone tables answers such a lookup with nothing."""
    since = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = runs.filter(parent=None, scheduled_for__gte=since, scheduled_for__lte=now).order_by().values_list("status")
    counts = dict.fromkeys(RunStatus.values, 0)
    counts.update(dict(rows.annotate(n=Count("pk"))))
    return TodaySummary(since=since, by_status=counts)


def recent_failures(runs: QuerySet[Run], *, now: datetime, limit: int = 10) -> list[Run]:
    """Failed runs of the last 24 hours, newest first."""
    failed = runs.filter(parent=None, status__in=FAILURE, ended_at__gte=now - timedelta(hours=24))
    return list(failed.select_related("job", "tenant").order_by("-ended_at", "-id")[:limit])


def running_now(runs: QuerySet[Run], *, limit: int = 10) -> list[Run]:
    """Runs in progress, the longest first."""
    rows = runs.filter(parent=None, status=RunStatus.RUNNING).select_related("job", "tenant", "worker")
    return list(rows.order_by("started_at", "id")[:limit])


def next_fire_times(schedules: QuerySet[Schedule], *, limit: int = 10) -> list[FireTime]:
    """What fires next, soonest first; a schedule of a disabled job has no next fire time."""
    rows = schedules.filter(is_enabled=True, next_fire_at__isnull=False, job__is_enabled=True)
    found = rows.select_related("job", "tenant").order_by("next_fire_at", "id")[: limit * CLOSED_BETWEEN]
    starts = next_starts(found)[:limit]
    return [FireTime(schedule=schedule, at=at, timezone=schedule.timezone) for at, schedule in starts]


def system_state(runs: QuerySet[Run], *, schedules: QuerySet[Schedule], now: datetime) -> SystemState:
    """Live workers, the queue's depth, and fire times that nobody has turned into runs for a minute."""
    workers = tuple(nodes.live(now=now).defer("history"))
    queued = runs.filter(status=RunStatus.QUEUED)
    due = queued.filter(not_before__lte=now)
    late = schedules.filter(is_enabled=True, job__is_enabled=True, next_fire_at__lt=now - timedelta(seconds=60))
    return SystemState(
        workers=workers,
        beats=tuple(BeatHeartbeat.objects.filter(last_seen_at__gte=now - BEAT_SILENT_AFTER).order_by("name")),
        capacity=sum(worker.capacity for worker in workers),
        running=runs.filter(status=RunStatus.RUNNING, is_container=False).count(),
        queued=queued.count(),
        due=due.count(),
        oldest_due=due.order_by("not_before").values_list("not_before", flat=True).first(),
        late_fires=late.count(),
    )
