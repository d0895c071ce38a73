"""A worker process whose start fails tries again: one that stays up and never works is found by nobody."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import InterfaceError

from jobs import tasks

pytestmark = pytest.mark.django_db(transaction=True)  # the connection is closed between two tries


class Hurried(threading.Event):
    """An event for which nobody waits in vain, nor for ever."""

    waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        assert self.waits < 20, "it tries again for ever"
        return self.is_set()


def worker_that(*ends: Exception | None) -> Any:
    left = list(ends)

    def start() -> None:
        end = left.pop(0)
        if end is not None:
            raise end

    return SimpleNamespace(start=start, queues=["default"], left=left)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(tasks, "ring", found.append)
    monkeypatch.setattr(tasks, "_is_stopping", Hurried())
    monkeypatch.setattr(tasks, "_is_started", threading.Event())
    return found


@pytest.mark.parametrize("error", [InterfaceError("gone"), OSError("no such host"), ValueError("a bad spool file")])
def test_a_start_that_fails_is_tried_again(error: Exception, rung: list[str], caplog: pytest.LogCaptureFixture) -> None:
    tasks._start_with_the_ledger(worker_that(error, error, None))
    assert tasks._is_started.is_set()
    assert rung == ["default"]
    assert len(caplog.records) >= 2


def test_a_failure_that_is_not_the_ledgers_is_shown_with_its_origin(
    rung: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    tasks._start_with_the_ledger(worker_that(ValueError("a bad spool file"), None))
    [record] = [one for one in caplog.records if "did not start" in one.message]
    assert record.levelname == "ERROR"
    assert record.exc_info is not None


def test_a_process_that_is_told_to_stop_tries_no_longer(rung: list[str]) -> None:
    def fail() -> None:
        tasks._is_stopping.set()
        raise ValueError("a bad spool file")

    worker: Any = SimpleNamespace(start=fail, queues=["default"])
    tasks._start_with_the_ledger(worker)
    assert not tasks._is_started.is_set()
    assert rung == []


def celery_worker(pool: str) -> Any:
    queues = SimpleNamespace(consume_from={"default": None})
    app = SimpleNamespace(amqp=SimpleNamespace(queues=queues))
    return SimpleNamespace(app=app, concurrency=4, pool_cls=type("P", (), {"__module__": f"celery.concurrency.{pool}"}))


@pytest.mark.parametrize("pool", ["prefork", "gevent", "eventlet"])
def test_a_pool_without_threads_is_refused_with_the_right_one(pool: str) -> None:
    with pytest.raises(SystemExit, match="--pool=threads"):
        tasks._prepare(sender="w1@h", instance=celery_worker(pool))


@pytest.mark.parametrize(("pool", "capacity", "can_wake"), [("thread", 4, True), ("solo", 1, False)])
def test_a_solo_worker_claims_for_itself_alone(
    pool: str, capacity: int, can_wake: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_workers", [])
    tasks._prepare(sender="w1@h", instance=celery_worker(pool))
    [worker] = tasks._workers
    assert (worker.capacity, worker.wakeup.can_wake) == (capacity, can_wake)
