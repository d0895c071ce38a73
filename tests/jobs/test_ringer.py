"""The ringer: never more bells than slots in a short while, nothing forgotten, and nobody waits for the broker."""

from __future__ import annotations

import threading
import time

from jobs.ringer import MOST_BELLS, WINDOW_SECONDS, WINDOWS, Call, Ringer


def quiet(slots: dict[str, int]) -> Ringer:
    """One whose thread never starts."""
    ringer = Ringer(lambda call: True)
    ringer._thread = threading.current_thread()
    ringer.know(slots)
    return ringer


def test_a_queue_gets_as_many_bells_as_it_has_workers_and_some_more_in_the_next_windows():
    ringer = quiet({"default": 4})
    ringer.want("default", 3)
    assert ringer.take(10.0) == ([Call("default", 3)], None)
    ringer.want("default", 500)
    may, more_in = ringer.take(10.0 + WINDOW_SECONDS / 2)
    assert may == [Call("default", 1)]
    assert more_in is not None
    assert 0 < more_in <= WINDOW_SECONDS
    later = [ringer.take(10.0 + WINDOW_SECONDS * window)[0] for window in range(1, WINDOWS + 2)]
    assert later == [[Call("default", 4)], [Call("default", 4)], [Call("default", 3)], []]


def test_queues_do_not_take_each_others_bells():
    ringer = quiet({"default": 1, "gpu": 2})
    for queue in ("default", "gpu", "new"):
        ringer.want(queue, 100)
    assert ringer.take(0.0)[0] == [Call("default", 1), Call("gpu", 2), Call("new", 1)]


def test_before_anybody_has_counted_the_workers_many_bells_are_rung():
    ringer = Ringer(lambda call: True)
    ringer._thread = threading.current_thread()
    ringer.want("default", 100)
    assert ringer.take(0.0)[0] == [Call("default", MOST_BELLS)]


def test_a_queue_without_a_worker_is_still_rung_once():
    ringer = quiet({"default": 0})
    ringer.want("default", 5)
    assert ringer.take(0.0)[0] == [Call("default", 1)]


def test_of_several_moments_to_come_the_last_is_rung_for_and_none_holds_up_what_is_due():
    ringer = quiet({"default": 3})
    for at in (100.5, 100.7, 100.6):
        ringer.want("default", 1, at)
    ringer.want("default", 1)
    assert ringer.take(0.0)[0] == [Call("default", 3, 100.7), Call("default", 1)]
    ringer.want("default", 1, 100.2)
    assert ringer.take(0.0)[0] == []
    assert ringer.take(WINDOW_SECONDS)[0] == [Call("default", 1, 100.2)]


def test_who_wants_a_bell_does_not_wait_for_a_frozen_broker():
    frozen, rung = threading.Event(), []

    def send(call: Call) -> bool:
        frozen.wait(30)
        rung.append(call.times)
        return True

    ringer = Ringer(send)
    for _ in range(10):
        ringer.want("default", 1)
    assert rung == []
    frozen.set()
    wait_until(lambda: sum(rung) >= 2)


def test_a_dead_broker_is_asked_once_and_again_only_when_somebody_wants_it():
    asked: list[str] = []

    def send(call: Call) -> bool:
        asked.append(call.queue)
        return False

    ringer = Ringer(send)
    with ringer._changed:
        ringer._wanted.update({("a", False): 3, ("b", False): 3})
    ringer.want("c", 1)
    wait_until(lambda: asked and not ringer._wanted)
    assert len(asked) == 1
    ringer.want("d", 1)
    wait_until(lambda: asked[1:] == ["d"])


def test_a_client_that_raises_ends_no_ringing():
    asked: list[str] = []

    def send(call: Call) -> bool:
        asked.append(call.queue)
        raise ValueError("a client's own trouble")

    ringer = Ringer(send)
    ringer.want("a", 1)
    wait_until(lambda: asked == ["a"])
    ringer.want("b", 1)
    wait_until(lambda: asked == ["a", "b"])


def wait_until(holds) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)
