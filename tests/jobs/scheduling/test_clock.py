"""Beat's loop: it wakes on time, rings for what waits where somebody listens, and never spins."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from kombu import pools

from jobs import dbclock, watchdog
from jobs.models import BeatHeartbeat, Run, Schedule, WorkerNode
from jobs.scheduling import clock
from jobs.scheduling.clock import LedgerScheduler, next_fire, next_retry, ring_for_waiting, seconds_until
from jobs.scheduling.due import lock_due
from jobs.scheduling.tick import tick
from jobs.states import RunStatus, WaitReason
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
T0 = base.NOW
SECOND = timedelta(seconds=1)


class MemoryBroker:
    """kombu's own broker in this process."""

    def bells(self, queue: str = "default") -> int:
        with current_app.connection_for_read() as link:
            return int(link.default_channel._size(queue))


def _reset_pools() -> None:
    pools.reset()
    current_app._pool = None
    current_app.amqp._producer_pool = None


@pytest.fixture
def broker():
    before = current_app.conf.broker_url
    current_app.conf.broker_url = "memory://"
    _reset_pools()
    yield MemoryBroker()
    with current_app.connection_for_write() as link:
        link.default_channel.queues.clear()
    current_app.conf.broker_url = before
    _reset_pools()


@pytest.fixture
def beat(broker) -> LedgerScheduler:
    return LedgerScheduler(app=current_app)


def worker(*queues: str, **fields: Any) -> WorkerNode:
    return rows.node(queues=list(queues), **{"last_seen_at": dbclock.now(), **fields})


# --- how long it sleeps ---


@pytest.mark.parametrize(
    ("moments", "seconds"),
    [
        ([], 1.0),
        ([None], 1.0),
        ([T0 + timedelta(milliseconds=250)], 0.25),
        ([T0 + timedelta(milliseconds=250), T0 + timedelta(milliseconds=40)], 0.04),
        ([T0 - SECOND], clock.SHORTEST_SLEEP),
        ([T0 + 100 * SECOND], 1.0),
    ],
)
def test_beat_sleeps_until_the_first_moment(moments, seconds):
    assert seconds_until(T0, *moments) == pytest.approx(seconds)


def test_the_next_moments_are_a_fire_time_and_a_retry():
    job = rows.job()
    base.schedule(job, next_fire_at=T0 + 5 * SECOND)
    base.schedule(job, next_fire_at=T0 + 3 * SECOND)
    base.schedule(job, next_fire_at=None)
    for at in (-SECOND, SECOND / 2, 3 * SECOND):
        base.run(job, RunStatus.QUEUED, at=T0 + at)
    Run.objects.update(created_at=T0 - SECOND)
    ahead = base.run(job, RunStatus.QUEUED, at=T0 + SECOND / 10)
    Run.objects.filter(pk=ahead.pk).update(created_at=T0 + SECOND / 10)  # by a tick, which has rung for it
    spread = base.run(job, RunStatus.QUEUED, at=T0 + SECOND / 5)
    assert next_fire() == T0 + 3 * SECOND
    Run.objects.filter(pk=spread.pk).update(created_at=T0 - SECOND, not_before=T0 + SECOND)
    assert next_retry(T0) == T0 + SECOND / 2
    Run.objects.filter(pk=spread.pk).update(created_at=T0 + SECOND / 10, not_before=T0 + SECOND / 5)  # by its jitter
    assert next_retry(T0) == T0 + SECOND / 5


@pytest.mark.ledger("postgresql")
def test_both_moments_and_the_look_for_waiting_runs_come_from_indexes_alone():
    worker("default")
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as seen:
        cursor.execute("SET LOCAL enable_seqscan = off")
        next_fire()
        next_retry(T0)
        clock._has_waiting("default", T0)
    for query in seen.captured_queries:
        if query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {query['sql']}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Index" in plan, plan
            assert "Seq Scan" not in plan
            assert "Sort" not in plan


@pytest.mark.django_db(transaction=True)
def test_while_others_hold_what_is_due_beat_waits_longer_and_longer(beat):
    base.schedule(rows.job(), next_fire_at=T0 - SECOND)
    sleeps = [beat._sleep(T0, is_fruitless=True) for _ in range(12)]
    assert sleeps == sorted(sleeps)
    assert sleeps[0] <= 2 * clock.SHORTEST_SLEEP
    assert sleeps[-1] == clock.LONGEST_SLEEP
    assert beat._sleep(T0, is_fruitless=False) == clock.SHORTEST_SLEEP


# --- what one pass does ---


@pytest.mark.django_db(transaction=True)
def test_one_pass_ticks_beats_and_returns_when_to_come_back(beat):
    job = rows.job()
    now = dbclock.now()
    schedule = base.schedule(job, "1m", kind="interval", at=now - timedelta(seconds=61), next_fire_at=now - SECOND)
    assert 0 <= beat.tick() <= clock.LONGEST_SLEEP
    schedule.refresh_from_db()
    assert schedule.next_fire_at is not None
    assert schedule.next_fire_at > now
    assert Run.objects.filter(status=RunStatus.QUEUED).count() == 1
    assert BeatHeartbeat.objects.count() == 1


@pytest.mark.ledger("postgresql", "mysql")
@pytest.mark.django_db(transaction=True)
def test_a_ledger_that_fails_is_tried_again(beat):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_schedule RENAME TO jobs_away")
    try:
        assert beat.tick() == clock.LONGEST_SLEEP
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE jobs_away RENAME TO jobs_schedule")
    base.schedule(rows.job(), next_fire_at=dbclock.now() - SECOND)
    beat.tick()
    assert Run.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_housekeeping_is_asked_no_more_often_than_it_wants(beat):
    beat._housekeeping()
    while not beat._housekeeping():
        pass
    with CaptureQueriesContext(connection) as seen:
        assert beat._housekeeping() > 0
    assert not seen.captured_queries


@pytest.mark.django_db(transaction=True)
def test_beat_writes_a_moment_before_and_comes_back_for_what_has_to_wait(beat, broker, monkeypatch):
    """The clock is set by hand, so that nothing depends on how fast this machine is."""
    at = [T0 - SECOND / 2]
    monkeypatch.setattr("jobs.dbclock.now", lambda: at[0])
    for slug, overlap in (("plain", "skip"), ("weighed", "queue")):
        base.schedule(rows.job(slug, overlap=overlap), "1m", kind="interval", at=T0 - 60 * SECOND, next_fire_at=T0)
    beat._ledger_tick()
    assert beat._sleep(at[0], is_fruitless=True) == pytest.approx(0.4)
    assert not Run.objects.exists()
    at[0] = T0 - SECOND / 20
    beat._ledger_tick()
    assert beat._sleep(at[0], is_fruitless=False) == pytest.approx(0.05)
    assert [run.job.slug for run in Run.objects.all()] == ["plain"]
    at[0] = T0
    beat._ledger_tick()
    assert sorted(run.job.slug for run in Run.objects.all()) == ["plain", "weighed"]


# --- bells ---


def test_a_due_run_is_rung_for_where_a_living_worker_serves_its_queue(broker):
    now = dbclock.now()
    worker("default", "gpu")
    worker("old", name="w2", last_seen_at=now - timedelta(days=1))
    worker("draining", name="w3", is_draining=True)
    for queue in ("default", "old", "draining", "nobody"):
        base.run(rows.job(queue, queue=queue), RunStatus.QUEUED, at=now - SECOND)
    base.run(rows.job("later", queue="gpu"), RunStatus.QUEUED, at=now + 60 * SECOND)
    ring_for_waiting(now)
    queues = ("default", "gpu", "old", "draining", "nobody")
    assert [broker.bells(queue) for queue in queues] == [1, 0, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_is_rolled_back_rings_for_nothing(broker):
    base.schedule(rows.job(), "1m", kind="interval", at=T0 - 61 * SECOND, next_fire_at=T0 - SECOND)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert tick(T0).runs == 1
        _ = 1 / 0
    assert broker.bells() == 0


def test_beat_tells_the_ringer_how_many_bells_wake_the_workers_of_a_queue(broker, monkeypatch):
    told: list[dict[str, int]] = []
    monkeypatch.setattr(clock, "know_enough", lambda slots: told.append(dict(slots)))
    worker("default", "gpu", capacity=64)
    worker("default", name="w2", capacity=3)
    worker("default", name="w3", capacity=9, stopped_at=dbclock.now())
    ring_for_waiting(dbclock.now())
    assert told == [{"default": 2, "gpu": 1}]


@pytest.mark.django_db(transaction=True)
def test_beat_says_of_a_queue_that_no_worker_serves_why_its_runs_wait(beat):
    now = dbclock.now()
    worker("default")
    waiting = base.run(rows.job("lonely", queue="nobody"), RunStatus.QUEUED, at=now - 10 * SECOND)
    beat.tick()
    waiting.refresh_from_db()
    assert (waiting.wait_reason, "nobody" in waiting.reason) == (WaitReason.NO_CAPABLE_WORKER, True)


# --- several beats ---


@pytest.mark.ledger("postgresql", "mysql")
@pytest.mark.django_db(transaction=True)
def test_two_beats_share_the_work_and_wait_for_nobody():
    for index in range(5):
        base.schedule(rows.job(f"j{index}"), "1m", kind="interval", timezone="UTC", next_fire_at=T0 + 60 * SECOND)
    other: list[Any] = []

    def second_beat() -> None:
        other.append(tick(T0 + 60 * SECOND, ring=lambda queues, at=None: None))
        connection.close()

    with transaction.atomic():
        held = {schedule.pk for schedule in lock_due(T0 + 60 * SECOND, 3)}
        thread = threading.Thread(target=second_beat)
        thread.start()
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert other[0].runs == 2
    assert not Run.objects.filter(schedule__in=held).exists()
    assert tick(T0 + 60 * SECOND, ring=lambda queues, at=None: None).runs == 3
    assert Run.objects.count() == Schedule.objects.count() == 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("code", "is_lost"), [(1213, False), (1205, False), (2006, True)])
def test_a_deadlock_is_no_lost_database(beat, monkeypatch, code, is_lost):
    lost = []

    def fail():
        raise OperationalError(code, "x")

    monkeypatch.setattr(beat, "_ledger_tick", fail)
    monkeypatch.setattr(watchdog.watch("beat"), "lost_database", lambda: lost.append(True))
    monkeypatch.setattr(connection, "close", lambda: None)
    assert beat.tick() == (1.0 if is_lost else clock.AFTER_DEADLOCK)
    assert bool(lost) is is_lost
