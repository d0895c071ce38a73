"""The watchdog: says when beat, the workers, the broker or the database give no sign of life, once for the cluster.

It lives in every worker (its watch thread), in beat, in the web process (the readiness look) and in
`manage.py watchdog`: whoever is left looks at the others. An outage is a row; the unique `open_key` lets one process
open it, an update guarded by `ended_at IS NULL` lets one close it.

A watcher that lives on judges only after it has itself looked for a whole silence without a break: one that has slept,
or had no database, would take everybody for dead. What it slept through is recorded instead, if nobody else lived.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Max
from kombu.exceptions import KombuError

from jobs import dbclock
from jobs.models import BeatHeartbeat, Outage, Run, WorkerNode
from jobs.outages import DISK_PREFIX, QUEUE_PREFIX, Subject
from jobs.states import RunStatus

log = logging.getLogger(__name__)
BROKER_EVERY_SECONDS = 15.0
BROKER_TIMEOUT_SECONDS = 2.0
MOST_QUEUES = 200
LONGEST_SUBJECT = 80
DISK_SLACK = 2.0  # points of free space above the limit at which a full disk is over


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A subject without a sign of life since `began_at`. One that never gave any is not silent: it was never there."""

    subject: str
    began_at: datetime


def silence_length() -> timedelta:
    """How long without a sign of life is an outage: the setting, but never less than three heartbeats."""
    return timedelta(seconds=max(settings.PORTAL_SILENCE_SECONDS, 3 * settings.PORTAL_HEARTBEAT_SECONDS))


# --- who is silent ----------------------------------------------------------------------------------------------------


def silences(now: datetime) -> list[Silence]:
    """What the ledger says: beat, the workers, and queues in which due runs wait for a worker that is not there."""
    limit = now - silence_length()
    found = []
    beat = BeatHeartbeat.objects.aggregate(at=Max("last_seen_at"))["at"]
    if beat is not None and beat < limit:
        found.append(Silence(subject=Subject.BEAT, began_at=beat))
    workers = WorkerNode.objects.aggregate(at=Max("last_seen_at"))["at"]
    alive = list(WorkerNode.objects.filter(last_seen_at__gte=limit, stopped_at=None).values_list("queues", flat=True))
    if workers is not None and not alive:
        if workers < limit:
            found.append(Silence(subject=Subject.WORKERS, began_at=workers))
        return found
    if alive:
        found += _queue_silences(limit, served={str(queue) for queues in alive for queue in queues})
    return found


def _queue_silences(limit: datetime, *, served: set[str]) -> list[Silence]:
    """The last sign of life of a queue is unknown; it is silent since its oldest due run waits."""
    due = Run.objects.filter(status=RunStatus.QUEUED, not_before__lt=limit).exclude(queue__in=served).order_by()
    found = []
    for queue in due.values_list("queue", flat=True).distinct()[:MOST_QUEUES]:
        oldest = due.filter(queue=queue).order_by("not_before").values_list("not_before", flat=True).first()
        if oldest is not None:
            found.append(Silence(subject=f"{QUEUE_PREFIX}{queue}", began_at=oldest))
    return found


def full_disks(now: datetime) -> list[Silence]:
    """This machine's disk, when it is nearly full; what can't be asked is not full.

    An outage is over only with some more room, so that a disk on the brink does not open and close it all day.
    """
    try:
        usage = shutil.disk_usage(settings.DATA_DIR)
    except OSError:
        return []
    free, least = usage.free * 100 / usage.total, settings.PORTAL_DISK_FREE_PERCENT
    if free >= least + DISK_SLACK:
        return []
    if free >= least and not Outage.objects.filter(subject=own_disk(), ended_at=None).exists():
        return []
    return [Silence(subject=own_disk(), began_at=now)]


def own_disk() -> str:
    return f"{DISK_PREFIX}{platform.node()}"[:LONGEST_SUBJECT]


def _can_tell(outage: Outage, now: datetime) -> bool:
    """Whether the machine of a full disk still lives. One on which no beat or worker looked has no heartbeat."""
    if not outage.noticed_by.startswith(("worker ", "beat ")):
        return True
    limit = now - silence_length()
    return any(
        f"{DISK_PREFIX}{host}"[:LONGEST_SUBJECT] == outage.subject
        for model in (BeatHeartbeat, WorkerNode)
        for host in model._default_manager.filter(last_seen_at__gte=limit).values_list("host", flat=True).distinct()
    )


def last_life() -> datetime | None:
    """The newest heartbeat of any beat or worker."""
    found = [
        BeatHeartbeat.objects.aggregate(at=Max("last_seen_at"))["at"],
        WorkerNode.objects.aggregate(at=Max("last_seen_at"))["at"],
    ]
    return max((at for at in found if at is not None), default=None)


def reach_broker() -> bool:
    """Whether the broker takes a connection within two seconds."""
    try:
        with current_app.connection_for_write(connect_timeout=BROKER_TIMEOUT_SECONDS) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=BROKER_TIMEOUT_SECONDS)
    except (KombuError, OSError, *current_app.connection_for_write().connection_errors):
        return False
    return True


# --- the rows ---------------------------------------------------------------------------------------------------------


def open_outage(subject: str, began_at: datetime, *, now: datetime, by: str, ended_at: datetime | None = None) -> bool:
    """Write the outage, open or (with `ended_at`) over already. False: somebody has, or it is part of another."""
    try:
        with transaction.atomic():
            outage = Outage.objects.create(
                subject=subject,
                open_key=subject,
                began_at=began_at,
                noticed_at=now,
                noticed_by=by[:200],
                notice_key=f"outage.{subject.partition(':')[0]}",
                notice_args={"subject": subject},
            )
            # Who comes second got the key only after the first had closed its row; what that one covers is told.
            if Outage.objects.filter(subject=subject, ended_at__gt=began_at).exclude(pk=outage.pk).exists():
                raise IntegrityError("told already")
            if ended_at is not None:
                _close(outage.pk, ended_at)
    except IntegrityError:
        return False
    log.error("An outage: %s has given no sign of life since %s.", subject, began_at.isoformat(),
              extra={"subject": subject, "noticed_by": by})  # fmt: skip
    return True


def close_outage(outage: Outage, *, ended_at: datetime) -> bool:
    """Life has returned. False: somebody else has closed it."""
    closed = _close(outage.pk, max(ended_at, outage.began_at))
    if closed:
        log.info("The outage of %s is over.", outage.subject, extra={"subject": outage.subject})
    return closed


def _close(pk: int, ended_at: datetime) -> bool:
    return Outage.objects.filter(pk=pk, ended_at=None).update(ended_at=ended_at, open_key=None) == 1


def record(found: Iterable[Silence], *, now: datetime, by: str, broker_answers: bool) -> None:
    """Open what is newly silent, close what is silent no more; the broker's only by who has reached it."""
    still_open = {outage.subject: outage for outage in Outage.objects.filter(ended_at=None)}
    silent = {silence.subject: silence for silence in found}
    for subject, silence in silent.items():
        if subject not in still_open:
            open_outage(subject, silence.began_at, now=now, by=by)
    for subject, outage in still_open.items():
        if subject in silent or (subject == Subject.BROKER and not broker_answers):
            continue
        if subject.startswith(DISK_PREFIX) and subject != own_disk() and _can_tell(outage, now):
            continue
        close_outage(outage, ended_at=_return_of(subject, now))


def _return_of(subject: str, now: datetime) -> datetime:
    """When life came back, as far as it is known: the process that lives now may have started a while ago."""
    model = {Subject.BEAT: BeatHeartbeat, Subject.WORKERS: WorkerNode}.get(subject)  # type: ignore[call-overload]
    newest = model.objects.order_by("-last_seen_at").first() if model else None
    return newest.last_seen_at if newest else now


# --- one process's watch ----------------------------------------------------------------------------------------------


class Watch:
    """What one process remembers between its looks. Times are of the boot clock, suspended time included.

    `is_patient`: it looks every few seconds by itself, so it can tell a break of its own from the silence of others.
    """

    def __init__(self, name: str, *, is_patient: bool = True) -> None:
        self.by = f"{name} {platform.node()}/{os.getpid()}"
        self.is_patient = is_patient
        self._judges_from: float | None = None
        self._last: tuple[float, float, datetime] | None = None  # boot, monotonic, database's clock of the last look
        self._lost_database_at: datetime | None = None
        self._broker_looked: float | None = None
        self._broker_seen_at: datetime | None = None
        self._broker_is_up: bool | None = None

    def started(self, now: datetime) -> None:
        """At the start of a beat or a worker, before its own first heartbeat: was everything silent until now?"""
        try:
            life = last_life()
            if life is not None and now - life > silence_length():
                open_outage(Subject.PORTAL, life, now=now, by=self.by, ended_at=now)
        except DatabaseError as error:
            log.warning("The start could not be compared with the last sign of life.", extra={"error": str(error)})

    def lost_database(self) -> None:
        """The database could not be reached; what that lasts is written down when it is back."""
        if self._lost_database_at is None and self._last is not None:
            self._lost_database_at = self._last[2]

    def look(self, now: datetime, *, broker_is_up: bool | None = None) -> None:
        """One look: a few short statements and, where the answer is not given, every 15 s a call to the broker."""
        boot = dbclock.boot_seconds()
        try:
            if self._was_broken(now, boot) or (self._judges_from is None and self.is_patient):
                self._judges_from = boot + silence_length().total_seconds()
            silent_broker = self._broker(now, boot, broker_is_up)
            if boot < (self._judges_from or 0):
                return
            found = [*silences(now), *silent_broker, *full_disks(now)]
            record(found, now=now, by=self.by, broker_answers=self._broker_is_up is True)
        except DatabaseError as error:  # a lock, a deadlock: the next look is in a few seconds
            log.warning("The watchdog could not look.", extra={"error": str(error)})

    def _was_broken(self, now: datetime, boot: float) -> bool:
        """Whether the time since the last look says nothing about others; what everybody slept through is recorded."""
        before, self._last = self._last, (boot, time.monotonic(), now)
        lost_at, self._lost_database_at = self._lost_database_at, None
        length = silence_length()
        if before is None:
            return False
        if lost_at is not None:
            if now - lost_at > length:
                open_outage(Subject.DATABASE, lost_at, now=now, by=self.by, ended_at=now)
            return True
        last_boot, last_monotonic, last_now = before
        slept = (now - last_now).total_seconds() - (self._last[1] - last_monotonic)
        if slept > length.total_seconds():  # the machine slept, or its clock was put forward
            if not self._others_lived(last_now + length):
                open_outage(Subject.PORTAL, last_now, now=now, by=self.by, ended_at=now)
            return True
        return self.is_patient and boot - last_boot > length.total_seconds()  # this process was stopped for a while

    def _others_lived(self, since: datetime) -> bool:
        """Whether a process of another machine gave a sign of life while this one slept."""
        host = platform.node()[:120]
        return any(
            model._default_manager.filter(last_seen_at__gte=since).exclude(host=host).exists()
            for model in (BeatHeartbeat, WorkerNode)
        )

    def _broker(self, now: datetime, boot: float, is_up: bool | None) -> list[Silence]:
        if is_up is not None or self._broker_looked is None or boot - self._broker_looked >= BROKER_EVERY_SECONDS:
            self._broker_looked = boot
            self._broker_is_up = reach_broker() if is_up is None else is_up
            if self._broker_is_up or self._broker_seen_at is None:
                self._broker_seen_at = now
        if self._broker_is_up or self._broker_seen_at is None or now - self._broker_seen_at < silence_length():
            return []
        return [Silence(subject=Subject.BROKER, began_at=self._broker_seen_at)]


_watches: dict[str, Watch] = {}


def watch(name: str, *, is_patient: bool = True) -> Watch:
    """This process's watch of that name ("beat", "worker", "web")."""
    return _watches.setdefault(name, Watch(name, is_patient=is_patient))


def look(now: datetime, name: str = "worker") -> None:
    """What a worker's sweep and beat's loop call every few seconds."""
    watch(name).look(now)
