"""One worker process: its node row, what it executes right now, and the threads that keep its leases."""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from jobs import backfills, dbclock, nodes, watchdog
from jobs.bells import ring
from jobs.deadlocks import is_deadlock
from jobs.engine import fanout, machine, workfolders
from jobs.engine.alarms import Alarms
from jobs.engine.claim import Claimed, claim
from jobs.engine.desk import Desk, Room
from jobs.engine.execution import Interrupt, fence_expired
from jobs.engine.holdings import Holdings
from jobs.engine.labels import label_waiting, warn_of_long_waits
from jobs.engine.offer import Offer
from jobs.engine.offers import offer_of
from jobs.engine.orphans import Orphans
from jobs.engine.published import prepare
from jobs.engine.reaper import reap, release_own_dead
from jobs.engine.spares import Spares
from jobs.engine.spool import Spool, replay_quietly
from jobs.engine.wakeup import Wakeup
from jobs.models import Run, WorkerNode
from jobs.runner.client import RunnerPool
from jobs.states import RunStatus

log = logging.getLogger(__name__)
WATCH_SECONDS = 1.0
FLUSH_SECONDS = 0.25
LONGEST_BREAK = 2  # heartbeats between two looks
HISTORY_KEPT = 40  # heartbeats: ten minutes


class Worker:
    """Thread-safe. One per process; `start()` before the first claim."""

    def __init__(self, *, name: str, queues: list[str], capacity: int) -> None:
        self.lease = timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
        self.runners = RunnerPool()
        self.name = name
        self.queues = queues
        self.capacity = capacity
        self.desk = Desk(self._claim, self._more, self._room)
        self.folder = Path(settings.DATA_DIR) / "work"
        self.spares = Spares(self.folder, most=capacity)
        self.spool = Spool(Path(settings.DATA_DIR) / "spool")
        self.wakeup = Wakeup()
        self.alarms = Alarms()
        self.is_draining = False  # for good: the process is to end
        self.is_held = False  # by an admin, until resumed
        self.meter = machine.Meter()
        self.gate = machine.gate_for(name)
        self._history: deque[list[float]] = deque(maxlen=HISTORY_KEPT)
        self.holdings = Holdings(self.lease)
        self._other_work = 0  # slots that are busy with something that is no run
        self._orphans = Orphans()
        self._warned: set[int] = set()  # runs that wait too long for room
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._contact_since: float | None = None
        self._last_watch = 0.0
        self._next_heartbeat = self._next_sweep = 0.0
        self.node = WorkerNode()

    # --- life -------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Register a fresh node, release what an earlier process of this slot left, start the threads."""
        replay_quietly(self.spool)  # before anything of an earlier process is given up
        now = dbclock.now()
        host = platform.node()
        self.node = nodes.register(
            uuid=uuid4(),
            name=self.name,
            slot=f"{host}/{self.name}"[:160],
            host=host,
            boot_id=_boot_id(),
            pid=os.getpid(),
            queues=self.queues,
            capabilities=self.capabilities(),
            capacity=self.capacity,
            cpu_count=machine.cores(),
            memory_bytes=machine.memory_bytes(),
            version=settings.PORTAL_VERSION,
            started_at=now,
            last_seen_at=now,
        )
        self.is_held = self.node.drain_requested_at is not None
        self.desk.open()
        watching = (self._watch_forever, self._fence_forever, self._flush_forever)
        for target in (*watching, self._tidy_forever, self._keep_spares_forever):
            thread = threading.Thread(target=target, name=f"portal-{target.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def drain(self) -> None:
        """Claim nothing more; what does not end within the drain time goes back to the queue."""
        if self.is_draining:
            self.release_all()
            return
        self.is_draining = True
        timer = threading.Timer(settings.PORTAL_DRAIN_SECONDS, self.release_all)
        timer.daemon = True
        timer.start()

    def release_all(self) -> None:
        for execution in self.holdings.executions():
            execution.interrupt(Interrupt.RELEASED)

    def stop(self) -> None:
        """After the last slot is free: say goodbye."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)
        self.desk.close()
        self.runners.close()
        WorkerNode.objects.filter(pk=self.node.pk).update(stopped_at=dbclock.now(), running_count=0)

    def capabilities(self) -> list[str]:
        return machine.capabilities()

    @property
    def is_claiming(self) -> bool:
        return not (self.is_draining or self.is_held)

    def offer(self) -> Offer:
        """What this worker can take at this moment."""
        return offer_of(self)

    def _claim(self, queue: str, count: int) -> list[Claimed]:
        """For the desk. What is claimed counts as held from here on, whatever its slot's thread does next."""
        hold = self.holdings.take
        claimed = claim(self.node, queue, offer=self.offer(), lease=self.lease, count=count, hold=hold)
        prepare(claimed)
        return claimed

    @contextmanager
    def other_work(self) -> Iterator[None]:
        """A slot does something that is no run: no run is to wait for it."""
        with self._lock:
            self._other_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._other_work -= 1

    def _free(self) -> int:
        """Slots that hold no run and do nothing else."""
        return self.capacity - len(self.holdings.attempts()) - self._other_work

    def _room(self) -> Room | None:
        """None where slots can't be woken: then each has a process of its own, and asks for itself."""
        return Room(free=self._free(), called=self.wakeup.waking) if self.wakeup.can_wake else None

    def _more(self, queue: str) -> int:
        return self.wakeup.wanted(queue, self.node.slot, idle=self._free())

    def hand_out(self, queue: str, claimed: list[Claimed]) -> None:
        """Have idle slots execute these. Those without a slot are orphans, which the sweep gives back."""
        for each in self.wakeup.hand_out(queue, claimed):
            self.holdings.drop(each)

    # --- the watch thread --------------------------------------------------------------------------------------
    def _watch_forever(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            try:
                self.watch()
            except DatabaseError as error:
                if is_deadlock(error):
                    log.info("The worker's watch gave way to another transaction and looks again.")
                    continue
                self._contact_since = None
                connection.close()
                watchdog.watch("worker").lost_database()
                log.warning("The database can't be reached; scripts go on.", extra={"error": str(error)})
            except Exception:
                log.exception("The worker's watch failed; it goes on.")
        connection.close()

    def _fence_forever(self) -> None:
        """Without the ledger: the watch may wait for one that hangs, longer than a lease."""
        while not self._stop.wait(WATCH_SECONDS):
            try:
                fence_expired(self.holdings.executions())
            except Exception:
                log.exception("An attempt whose lease is over could not be interrupted.")

    def watch(self) -> None:
        """One look: cancels, fences, renews leases, sweeps, reaps."""
        boot = dbclock.boot_seconds()
        if boot - self._last_watch > LONGEST_BREAK * settings.PORTAL_HEARTBEAT_SECONDS:
            self._contact_since = None  # the machine was asleep, or this thread was: that was no contact
        self._last_watch = boot
        sample = self.meter.look(boot)
        if sample is not None:
            self.gate.observe(sample)
        is_back = self._contact_since is None
        if is_back:
            dbclock.clock.reset()
            dbclock.now()
            self._contact_since = boot
        self.holdings.check(self.node, renew=boot >= self._next_heartbeat)
        self.spool.replay()
        if is_back:
            release_own_dead(self.node)
        if boot >= self._next_heartbeat:
            self._next_heartbeat = boot + settings.PORTAL_HEARTBEAT_SECONDS
            self._beat()
        if boot >= self._next_sweep:
            self._next_sweep = boot + settings.PORTAL_SWEEP_SECONDS
            self.runners.retire_idle()
            self._sweep(boot)

    def _beat(self) -> None:
        running, busy, now = len(self.holdings.attempts()), self.gate.reason, dbclock.now()
        cpu, memory = round(self.meter.cpu_percent, 1), round(self.meter.memory_percent, 1)
        self._history.append([round(now.timestamp()), cpu, memory, running])
        self.is_held = nodes.is_drain_wanted(self.node)
        nodes.beat(
            self.node,
            last_seen_at=now,
            running_count=running,
            cpu_percent=cpu,
            memory_percent=memory,
            gate_reason=busy.text if busy else "",
            gate_reason_args=busy.stored_args if busy else {},
            history=list(self._history),
            is_draining=not self.is_claiming,
        )

    def _sweep(self, boot: float) -> None:
        now = dbclock.now()
        if self._contact_since is not None and boot - self._contact_since >= self.lease.total_seconds():
            reap(now)
        release_own_dead(self.node)
        self._orphans.release(self.node, self.holdings.attempts() | self.spool.attempts())
        backfills.release(now)
        label_waiting(now, offer=self.offer(), queues=self.queues)
        fanout.sweep(now)
        warn_of_long_waits(now, queues=self.queues, warned=self._warned)
        overdue = now - timedelta(seconds=settings.PORTAL_SWEEP_SECONDS)
        for queue in self.queues:
            waiting = Run.objects.filter(queue=queue, status=RunStatus.QUEUED, not_before__lte=overdue)
            if waiting.exists():
                ring(queue)
                if self._more(queue):  # whoever deletes a queue in the broker may have made this worker deaf to bells
                    self.wakeup.wake(queue, 1)
        watchdog.look(now)

    # --- the flush thread --------------------------------------------------------------------------------------
    def _flush_forever(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            for execution in self.holdings.executions():
                try:
                    execution.writer.flush()
                except DatabaseError:
                    connection.close()
                except Exception:
                    log.exception("A log could not be written; it is kept for the next try.")
        connection.close()

    # --- the threads for the disk ------------------------------------------------------------------------------
    def _keep_spares_forever(self) -> None:
        self.spares.keep_ready(self._stop)

    def _tidy_forever(self) -> None:
        """Once a lease: by then the attempts of a worker that died here have been given back."""
        workfolders.sweep_forever(self.folder, self._stop, every=self.lease.total_seconds())


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
