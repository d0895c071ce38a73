"""What a bell may say: a queue, and a moment that is very near; nothing that it says can stop or hurry a claim."""

from __future__ import annotations

import math
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from jobs import dbclock, tasks
from tests.jobs import rows as base

pytestmark = pytest.mark.django_db
NOW = base.NOW


class Worker:
    """A worker's doors, and the time by hand: an alarm rings when `pass_time` says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queues, self.alarms, self.wakeup = ["default"], self, self
        self.now, self.can_wake, self.has_room = NOW, True, True
        self.served: list[str] = []
        self.put: list[tuple[float, Any]] = []
        started = threading.Event()
        started.set()
        monkeypatch.setattr(tasks, "_is_started", started)
        monkeypatch.setattr(tasks, "_workers", [self])
        monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
        monkeypatch.setattr("jobs.engine.execute.work", self.serve)
        monkeypatch.setattr(dbclock, "now", lambda: self.now)

    def serve(self, worker: Any, queue: str) -> int:
        self.served.append(queue)
        return 1

    def put_off(self, queue: str, at: float, seconds: float, go: Any) -> bool:
        if self.has_room:
            self.put.append((seconds, go))
        return self.has_room

    def call(self, function: Any) -> None:
        function()

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        rung, self.put = self.put, []
        for _seconds, go in rung:
            go()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(monkeypatch)


def ahead(seconds: float) -> float:
    return (NOW + timedelta(seconds=seconds)).timestamp()


@pytest.mark.parametrize(
    "at",
    [None, 1, "soon", [], True, math.nan, math.inf, -math.inf, 0.0, 1e300, ahead(0), ahead(-5), ahead(3600)],
)
def test_without_a_moment_that_is_near_a_queue_is_served_at_once(worker, at):
    assert tasks.work("default", at) == 1
    assert worker.served == ["default"]


def test_what_is_ahead_is_put_off_until_then(worker):
    assert tasks.work("default", ahead(0.08)) == 0
    assert [seconds for seconds, _go in worker.put] == [pytest.approx(0.08 + tasks.A_LITTLE_LATE, abs=1e-5)]
    assert worker.served == []
    worker.pass_time(0.081)
    assert worker.served == ["default"]


def test_a_clock_that_was_set_back_meanwhile_puts_it_off_again(worker):
    tasks.work("default", ahead(0.08))
    worker.pass_time(0.05)
    assert (worker.served, len(worker.put)) == ([], 1)
    worker.pass_time(0.03)
    assert worker.served == ["default"]


def test_one_alarm_too_many_is_served_at_once(worker):
    worker.has_room = False
    assert tasks.work("default", ahead(0.08)) == 1


def test_a_worker_that_can_wake_no_slot_waits_in_its_own(worker, monkeypatch):
    slept: list[float] = []
    worker.can_wake = False
    monkeypatch.setattr("jobs.tasks.time.sleep", slept.append)
    assert tasks.work("default", ahead(0.08)) == 1
    assert slept == [pytest.approx(0.08 + tasks.A_LITTLE_LATE, abs=1e-5)]


def test_a_ledger_that_is_away_is_for_the_claim_to_tell(worker, monkeypatch):
    def fail() -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(dbclock, "now", fail)
    assert tasks.work("default", ahead(0.08)) == 1


@pytest.mark.parametrize("queue", [None, 7, "elsewhere", ["default"]])
def test_a_queue_that_is_not_served_here_is_left_alone(worker, queue):
    assert tasks.work(queue, ahead(0.08)) == 0
    assert (worker.served, worker.put) == ([], [])
