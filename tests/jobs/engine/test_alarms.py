"""Alarms: one for each queue and moment, a handful at most, and a machine without threads is no trouble."""

from __future__ import annotations

import threading
import time

from jobs.engine.alarms import MOST, Alarms
from jobs.engine.wakeup import Wakeup


def test_it_rings_once_for_many_bells_and_can_be_set_again():
    rung: list[float] = []
    ringing = threading.Event()

    def go() -> None:
        rung.append(time.monotonic())
        ringing.set()

    clock, began = Alarms(), time.monotonic()
    for _bell in range(100):
        assert clock.put_off("default", 100.0, 0.2, go)
    assert ringing.wait(20)
    assert (len(rung), rung[0] - began >= 0.2) == (1, True)
    ringing.clear()
    assert clock.put_off("default", 100.0, 0.0, go)
    assert ringing.wait(20)


def test_a_flood_of_moments_takes_a_handful_of_threads():
    clock, before = Alarms(), threading.active_count()
    found = [clock.put_off("default", moment / 10, 0.5, lambda: None) for moment in range(500)]
    assert found == [True] * MOST + [False] * (500 - MOST)
    assert threading.active_count() <= before + MOST


def test_without_a_thread_nothing_is_put_off(monkeypatch):
    def fail(self) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("jobs.engine.alarms.threading.Timer.start", fail)
    clock = Alarms()
    assert [clock.put_off("default", 1.0, 0.5, lambda: None) for _try in range(MOST + 5)] == [False] * (MOST + 5)


def test_a_slot_does_what_it_is_called_for_and_counts_on_nothing(caplog):
    submitted: list = []
    waking = Wakeup(submit=submitted.append)
    assert waking.call(lambda: 1 // 0)
    assert waking.waking == 0
    thread = threading.Thread(target=submitted.pop())
    thread.start()
    thread.join(timeout=20)
    assert "A slot that was woken failed" in caplog.text


def test_a_pool_that_is_gone_or_has_no_door_is_not_called():
    def refuse(function) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    assert not Wakeup(submit=refuse).call(lambda: None)
    assert not Wakeup().call(lambda: None)
