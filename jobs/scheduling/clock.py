"""Beat's scheduler: the tick runs in beat's own loop, which sleeps until the next due moment, one second at most."""

from __future__ import annotations

import logging
import os
import platform
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from django.db.models import Min
from django_celery_beat.schedulers import DatabaseScheduler

from jobs import backfills, dbclock, watchdog
from jobs.bells import ring
from jobs.models import BeatHeartbeat, Run, Schedule
from jobs.scheduling.tick import tick
from jobs.states import RunStatus
from portal.lib.failpoints import failpoint

log = logging.getLogger(__name__)
LONGEST_SLEEP = 1.0
SHORTEST_SLEEP = 0.005
MOST_BATCHES = 50  # then beat's other duties have a turn
HEARTBEAT = timedelta(seconds=2)
LOOK = timedelta(seconds=5)  # at the others
STALE_HEARTBEAT = timedelta(days=1)


class LedgerScheduler(DatabaseScheduler):  # type: ignore[misc]
    """django-celery-beat's scheduler for the portal's few housekeeping rows, and our tick."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._beat_at: datetime | None = None
        self._rung_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._started_at: datetime | None = None
        super().__init__(*args, **kwargs)
        self.max_interval = LONGEST_SLEEP

    def tick(self, *args: object, **kwargs: object) -> float:
        """Seconds to sleep. Without a database beat goes on trying: nothing is lost, the cursor waits."""
        try:
            housekeeping: float = super().tick(*args, **kwargs) or 0.0
            return min(housekeeping, self._ledger_tick())
        except DatabaseError as error:
            log.warning("The ledger can't be reached; beat tries again.", extra={"error": str(error)})
            watchdog.watch("beat").lost_database()
            connection.close()
            dbclock.clock.reset()
            return LONGEST_SLEEP

    def _ledger_tick(self) -> float:
        close_old_connections()
        now = dbclock.now()
        failpoint("beat.before_tick")
        for _batch in range(MOST_BATCHES):
            if not tick(dbclock.now()).has_more:
                break
        if self._beat_at is None or now - self._beat_at >= HEARTBEAT:
            self._beat(now)
        if self._rung_at is None or now - self._rung_at >= timedelta(seconds=LONGEST_SLEEP):
            self._rung_at = now
            backfills.release(now)
            ring_for_waiting(now)
        if self._looked_at is None or now - self._looked_at >= LOOK:
            self._looked_at = now
            watchdog.look(now, "beat")
        return seconds_to_next(dbclock.now())

    def _beat(self, now: datetime) -> None:
        if self._beat_at is None:
            watchdog.watch("beat").started(now)
        self._started_at = self._started_at or now
        host, pid = platform.node(), os.getpid()
        BeatHeartbeat.objects.update_or_create(
            name=f"{host}/{pid}"[:160],
            defaults={"host": host[:120], "pid": pid, "started_at": self._started_at, "last_seen_at": now},
        )
        if self._beat_at is None:
            BeatHeartbeat.objects.filter(last_seen_at__lt=now - STALE_HEARTBEAT).delete()
        self._beat_at = now


def ring_for_waiting(now: datetime) -> None:
    """Wake the queues in which a due run waits: retries whose back-off is over, and bells that got lost."""
    waiting = Run.objects.filter(status=RunStatus.QUEUED, not_before__lte=now)
    for queue in waiting.order_by().values_list("queue", flat=True).distinct():
        ring(queue)


def seconds_to_next(now: datetime) -> float:
    """How long beat may sleep: until the next fire time or the next retry, at most a second."""
    fire = Schedule.objects.aggregate(at=Min("next_fire_at"))["at"]
    horizon = now + timedelta(seconds=LONGEST_SLEEP)
    retry = Run.objects.filter(status=RunStatus.QUEUED, not_before__gt=now, not_before__lt=horizon).aggregate(
        at=Min("not_before")
    )["at"]
    moments = [moment for moment in (fire, retry) if moment is not None]
    if not moments:
        return LONGEST_SLEEP
    seconds: float = (min(moments) - now).total_seconds()
    return min(max(seconds, SHORTEST_SLEEP), LONGEST_SLEEP)


def beat_is_alive(now: datetime) -> bool:
    """Whether any beat has been seen within one lease."""
    return BeatHeartbeat.objects.filter(
        last_seen_at__gte=now - timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    ).exists()
