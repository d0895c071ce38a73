"""What Celery enters by. Bells carry a queue's name and perhaps a moment to come; anything else is ignored."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any

from celery import shared_task
from celery.signals import celeryd_after_setup, worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from jobs import catalog, dbclock, nodes, retention, scriptjobs, watchdog
from jobs.bells import BELL_TASK, ring, ring_in_background
from jobs.engine import execute
from jobs.engine.wakeup import Wakeup
from jobs.engine.worker import Worker
from jobs.planner import prefer_indexes

log = logging.getLogger(__name__)
START_RETRY_SECONDS = 1.0
FAILED_START_SECONDS = 10.0
MOST_AHEAD_SECONDS = 0.25  # well above what beat looks ahead: two clocks may differ a little
A_LITTLE_LATE = 0.001  # so that the second look at the clock seldom sends it back to wait
POOLS = {"thread", "solo"}  # in others a worker's slots can't be handed the runs that it has claimed for them
_workers: list[Worker] = []  # this process's one worker
_is_started = threading.Event()  # its node is in the ledger and its threads run
_is_stopping = threading.Event()


@shared_task(name=BELL_TASK, ignore_result=True)
def work(queue: object = None, at: object = None) -> int:
    """Serve a queue until nothing is eligible: at once, or from `at` on (seconds since the epoch, very soon)."""
    if not _is_started.is_set() or not isinstance(queue, str) or queue not in _workers[0].queues:
        return 0
    close_old_connections()
    return _serve(_workers[0], queue, at)


def _serve(worker: Worker, queue: str, at: object) -> int:
    """A bell that was put off asks the time again: a claim that comes too early finds nothing."""
    seconds = _until(at)
    if seconds > 0 and not worker.wakeup.can_wake:
        time.sleep(seconds)
    elif seconds > 0 and isinstance(at, float):
        again = partial(worker.wakeup.call, partial(_serve, worker, queue, at))
        if worker.alarms.put_off(queue, at, seconds, again):
            return 0
    return execute.work(worker, queue)


def _until(at: object) -> float:
    """Seconds to wait, by the ledger's clock, which the claim asks too. A bell may say anything: what is not very near
    is no moment that beat has named.
    """
    if not isinstance(at, float) or not math.isfinite(at):
        return 0.0
    try:
        ahead = at - dbclock.now().timestamp()
    except DatabaseError:  # the claim says what is wrong
        return 0.0
    return ahead + A_LITTLE_LATE if 0 < ahead <= MOST_AHEAD_SECONDS else 0.0


@shared_task(name="jobs.housekeeping", ignore_result=True)
def housekeeping() -> int:
    """The safety net that beat's own rows start: idempotent, and not needed for correctness."""
    with _other_work():
        now = dbclock.now()
        catalog.follow_datasources(since=now - timedelta(hours=1))
        scriptjobs.follow_scripts(since=now - timedelta(hours=1))
        return nodes.forget_old(now=now, keep=timedelta(days=settings.PORTAL_NODE_KEEP_DAYS))


@shared_task(name="jobs.prune", ignore_result=True)
def prune() -> int:
    """Counts logs each time, deletes what is too old once an hour; bounded, so that it never keeps a slot for long."""
    close_old_connections()
    with _other_work():
        return retention.tend(should_stop=lambda: bool(_workers) and _workers[0].is_draining)


def _other_work() -> AbstractContextManager[None]:
    """This slot takes no run meanwhile, and none is handed to it."""
    return _workers[0].other_work() if _workers else nullcontext()


@celeryd_after_setup.connect
def _prepare(sender: str, instance: Any, **kwargs: Any) -> None:
    pool = instance.pool_cls.__module__.rpartition(".")[2]
    if pool not in POOLS:
        # Celery goes on after any other error of a handler.
        raise SystemExit(f"A worker of the portal needs threads, not the pool “{pool}”: start it with --pool=threads.")
    queues = sorted(instance.app.amqp.queues.consume_from)
    has_threads = pool == "thread" and isinstance(instance.concurrency, int)
    worker = Worker(name=sender, queues=queues, capacity=instance.concurrency if has_threads else 1)
    if has_threads:
        worker.wakeup = Wakeup(
            submit=lambda function: _submit(instance, function),
            serve=lambda queue, claimed: execute.work(worker, queue, is_bell=False, claimed=claimed),
        )
    _workers[:] = [worker]


def _submit(instance: Any, function: Callable[[], None]) -> None:
    """To Celery's own threads, so that there are never more than it was told to have; other pools have no such door."""
    executor = getattr(instance.pool, "executor", None)
    if executor is None:
        raise RuntimeError("this pool has no threads")
    executor.submit(function)


@worker_ready.connect
def _start(**kwargs: Any) -> None:
    """In a thread: Celery forgets a handler that fails, and the worker would stay here and never claim anything."""
    ring_in_background()
    prefer_indexes()
    for worker in _workers:
        threading.Thread(target=_start_with_the_ledger, args=(worker,), name="portal-start", daemon=True).start()


def _start_with_the_ledger(worker: Worker) -> None:
    """As soon as the ledger can be reached; bells that come before do nothing.

    Whatever goes wrong is tried again: a worker that stayed up without its threads would never claim anything.
    """
    while not _is_stopping.is_set():
        try:
            now = dbclock.now()
            watchdog.watch("worker").started(now)
            worker.start()
            break
        except DatabaseError as error:
            log.warning("The ledger can't be reached; the worker waits for it.", extra={"error": str(error)})
            _rest(START_RETRY_SECONDS)
        except Exception:
            log.exception("The worker did not start; it tries again in %.0f seconds.", FAILED_START_SECONDS)
            _rest(FAILED_START_SECONDS)
    else:
        return
    _is_started.set()
    connection.close()
    for queue in worker.queues:
        ring(queue)


def _rest(seconds: float) -> None:
    """Until the next try, or until this process is to end."""
    connection.close()
    _is_stopping.wait(seconds)


@worker_shutting_down.connect
def _drain(**kwargs: Any) -> None:
    _is_stopping.set()
    for worker in _workers:
        worker.drain()


@worker_shutdown.connect
def _stop(**kwargs: Any) -> None:
    if not _is_started.is_set():
        return  # there is nothing to say goodbye to
    for worker in _workers:
        worker.stop()
