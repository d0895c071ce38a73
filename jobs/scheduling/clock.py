"""Beat's scheduler: the tick runs in beat's own loop, which sleeps until the next due moment, one second at most."""

from __future__ import annotations

import logging
import os
import platform
from collections import Counter
from datetime import datetime, timedelta

from celery.signals import beat_init
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from django.db.models import F, Min, Q
from django_celery_beat.schedulers import DatabaseScheduler

from jobs import backfills, dbclock, freezing, watchdog
from jobs.bells import know_enough, ring, ring_in_background
from jobs.deadlocks import is_deadlock
from jobs.engine.labels import label_unserved
from jobs.models import BeatHeartbeat, Run, Schedule, WorkerNode
from jobs.planner import prefer_indexes
from jobs.scheduling.tick import AHEAD, tick
from jobs.states import RunStatus
from portal.lib.failpoints import failpoint

log = logging.getLogger(__name__)
LONGEST_SLEEP = 1.0
SHORTEST_SLEEP = 0.002
AFTER_DEADLOCK = 0.05
MOST_BATCHES = 50  # then beat's other duties have a turn
HEARTBEAT = timedelta(seconds=2)
LOOK = timedelta(seconds=5)  # at the others
STALE_HEARTBEAT = timedelta(days=1)
BETWEEN_RINGS = timedelta(milliseconds=50)  # however many retries come due
MOST_FRUITLESS = 9  # 2 ms doubled so often is a second


@beat_init.connect  # type: ignore[untyped-decorator]
def _start(**kwargs: object) -> None:
    """The tick must wait neither for the broker nor for a table scan."""
    ring_in_background()
    prefer_indexes()
    connection.close()  # the next one knows


class LedgerScheduler(DatabaseScheduler):  # type: ignore[misc]
    """django-celery-beat's scheduler for the portal's few housekeeping rows, and our tick."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._beat_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._started_at: datetime | None = None
        self._ring_at: datetime | None = None  # when waiting runs are rung for again
        self._seen_until: datetime | None = (
            None  # what comes due before is either written or has to wait for its moment
        )
        self._housekeeping_boot = 0.0
        self._fruitless = 0
        super().__init__(*args, **kwargs)
        self.max_interval = LONGEST_SLEEP

    def tick(self, *args: object, **kwargs: object) -> float:
        """Seconds to sleep. Without a database beat goes on trying: nothing is lost, the cursor waits."""
        try:
            done = self._ledger_tick()
            housekeeping = self._housekeeping(*args, **kwargs)
            return min(self._sleep(dbclock.now(), is_fruitless=not done), housekeeping)
        except DatabaseError as error:
            if is_deadlock(error):
                log.info("Beat's tick gave way to another transaction and is repeated.")
                return AFTER_DEADLOCK
            log.warning("The ledger can't be reached; beat tries again.", extra={"error": str(error)})
            watchdog.watch("beat").lost_database()
            connection.close()
            dbclock.clock.reset()
            return LONGEST_SLEEP

    def _housekeeping(self, *args: object, **kwargs: object) -> float:
        """django-celery-beat's own tick, which asks the database twice: not more often than it asked for."""
        left = self._housekeeping_boot - dbclock.boot_seconds()
        if left > 0:
            return left
        seconds: float = super().tick(*args, **kwargs) or 0.0
        self._housekeeping_boot = dbclock.boot_seconds() + seconds
        return seconds

    def _ledger_tick(self) -> int:
        """How many schedules were decided."""
        close_old_connections()
        now = dbclock.now()
        failpoint("beat.before_tick")
        done = 0
        for _batch in range(MOST_BATCHES):
            at = dbclock.now()
            ticked = tick(at, ahead=AHEAD)
            done += ticked.schedules
            self._seen_until = at + AHEAD
            if not ticked.has_more:
                break
        if self._beat_at is None or now - self._beat_at >= HEARTBEAT:
            self._beat(now)
        if self._ring_at is None or now >= self._ring_at:
            backfills.release(now)
            freezing.release_freezes(now)
            ring_for_waiting(now)
            self._ring_at = now + timedelta(seconds=LONGEST_SLEEP)
        if self._looked_at is None or now - self._looked_at >= LOOK:
            self._looked_at = now
            label_unserved(now)
            watchdog.look(now, "beat")
        return done

    def _sleep(self, now: datetime, *, is_fruitless: bool) -> float:
        """Until the next fire time or the next ring; longer and longer while others hold what is due."""
        retry = next_retry(now)
        if retry is not None and self._ring_at is not None:
            self._ring_at = min(self._ring_at, max(retry, now + BETWEEN_RINGS))
        seconds = seconds_until(now, self._next_look(), self._ring_at)
        self._fruitless = self._fruitless + 1 if is_fruitless and seconds <= SHORTEST_SLEEP else 0
        return min(seconds * float(2 ** min(self._fruitless, MOST_FRUITLESS)), LONGEST_SLEEP)

    def _next_look(self) -> datetime | None:
        """Ahead of the next fire time, or at it where it has been looked at already."""
        fire = next_fire()
        if fire is None or (self._seen_until is not None and fire <= self._seen_until):
            return fire
        return fire - AHEAD

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
    """Wake the queues in which a due run waits: retries whose back-off is over, and bells that got lost.

    Only queues that a living worker serves: in the others bells would pile up. One look into the index for each,
    however many runs wait.
    """
    living = now - timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    nodes = WorkerNode.objects.filter(last_seen_at__gte=living, stopped_at__isnull=True, is_draining=False)
    enough: Counter[str] = Counter()
    for queues in nodes.order_by().values_list("queues", flat=True):
        enough.update(queues)  # one bell wakes every slot of its worker
    know_enough(enough)
    for queue in sorted(enough):
        if _has_waiting(queue, now) and not ring(queue):
            break


def _has_waiting(queue: str, now: datetime) -> bool:
    return Run.objects.filter(queue=queue, status=RunStatus.QUEUED, not_before__lte=now).exists()


def next_fire() -> datetime | None:
    """The earliest fire time of all schedules; it may have passed."""
    found: datetime | None = Schedule.objects.aggregate(at=Min("next_fire_at"))["at"]
    return found


def next_retry(now: datetime) -> datetime | None:
    """The earliest moment within the longest sleep from which a waiting run may start. What a tick has written ahead
    of its moment has been rung for, unless it has to wait longer than for that.
    """
    horizon = now + timedelta(seconds=LONGEST_SLEEP)
    soon = Run.objects.filter(status=RunStatus.QUEUED, not_before__gt=now, not_before__lt=horizon)
    soon = soon.filter(Q(created_at__lte=now) | Q(not_before__gt=F("created_at")))
    found: datetime | None = soon.aggregate(at=Min("not_before"))["at"]
    return found


def seconds_until(now: datetime, *moments: datetime | None) -> float:
    """How long beat may sleep: until the first of the moments, a second at most."""
    known = [moment for moment in moments if moment is not None]
    seconds: float = (min(known) - now).total_seconds() if known else LONGEST_SLEEP
    return min(max(seconds, SHORTEST_SLEEP), LONGEST_SLEEP)
