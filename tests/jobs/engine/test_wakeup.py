"""One bell wakes as many idle slots as there are runs for, and no more."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.engine import published
from jobs.engine.combine import Ticket
from jobs.engine.desk import MOST_EXTRAS, Desk, Room, Served, Turn
from jobs.engine.wakeup import Wakeup
from jobs.engine.worker import Worker
from jobs.models import Run
from jobs.states import Origin, RunStatus
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


def wakeup(submitted: list) -> Wakeup:
    return Wakeup(submit=submitted.append)


def come(submitted: list) -> None:
    """A slot's thread comes: with a database connection of its own, which it closes."""
    thread = threading.Thread(target=submitted.pop())
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive()


def queue_up(count: int, **fields) -> None:
    job = rows.job("many", overlap="allow", overlap_limit=100)
    for _ in range(count):
        rows.queued(job, origin=Origin.MANUAL, **fields)


@pytest.mark.parametrize(("waiting", "idle", "wanted"), [(0, 5, 0), (3, 5, 3), (9, 5, 5), (3, 0, 0), (3, -1, 0)])
def test_as_many_as_there_are_runs_and_idle_slots(waiting, idle, wanted):
    queue_up(waiting)
    assert wakeup([]).wanted("default", "h/w1", idle=idle) == wanted


def test_what_is_not_due_or_not_for_this_worker_wakes_nobody():
    queue_up(1, not_before=timezone.now() + timedelta(hours=1))
    rows.queued(rows.job("elsewhere"), target_slot="h/other")
    rows.queued(rows.job("other-queue", queue="gpu"))
    assert wakeup([]).wanted("default", "h/w1", idle=5) == 0


def test_slots_that_are_being_woken_are_not_idle():
    submitted: list = []
    waking = wakeup(submitted)
    queue_up(9)
    waking.wake("default", 3)
    assert waking.wanted("default", "h/w1", idle=5) == 2
    come(submitted)
    assert waking.wanted("default", "h/w1", idle=5) == 3


def test_a_worker_without_threads_of_its_own_wakes_nobody():
    queue_up(3)
    Wakeup().wake("default", 3)
    assert Wakeup().wanted("default", "h/w1", idle=5) == 0


def test_a_pool_that_is_shut_down_is_no_trouble():
    def refuse(function):
        raise RuntimeError("cannot schedule new futures after shutdown")

    waking = Wakeup(submit=refuse)
    waking.wake("default", 3)
    assert waking.waking == 0
    refused: list[Any] = ["run"]
    assert waking.hand_out("default", refused) == refused


def test_a_slot_that_fails_harms_nobody(caplog):
    submitted: list = []
    waking = Wakeup(submit=submitted.append, serve=lambda queue, claimed: 1 // 0)
    waking.wake("default", 1)
    come(submitted)
    assert "A slot that was woken failed" in caplog.text


def test_a_run_is_handed_to_the_slot_that_comes_for_it():
    submitted: list = []
    served: list[tuple[str, Any]] = []

    def serve(queue: str, claimed: Any) -> int:
        served.append((queue, claimed))
        return 1

    waking = Wakeup(submit=submitted.append, serve=serve)
    runs: list[Any] = ["first", "second"]
    assert waking.hand_out("default", runs) == []
    assert waking.waking == 0, "they hold a run already, so they are not counted twice"
    come(submitted)
    come(submitted)
    assert served == [("default", "second"), ("default", "first")]


def test_a_run_that_no_slot_comes_for_is_given_back_by_the_sweep(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    worker = Worker(name="w", queues=["default"], capacity=4)
    worker.node = rows.node()
    rows.queued(rows.job("lonely"))
    claimed = rows.take(worker.node)
    worker.holdings.take([claimed])
    worker.hand_out("default", [claimed])  # without threads of its own
    for _look in range(2):
        worker._orphans.release(worker.node, worker.holdings.attempts())
    assert Run.objects.get(pk=claimed.run.pk).status == RunStatus.QUEUED


@pytest.mark.parametrize(("overdue", "capacity", "woken"), [(True, 4, 1), (False, 4, 0), (True, 0, 0)])
def test_the_sweep_wakes_an_idle_slot_for_what_no_bell_has_come_for(
    settings, tmp_path, monkeypatch, overdue, capacity, woken
):
    """A queue that was deleted in the broker leaves a worker that lives, renews its leases and hears no bell."""
    settings.DATA_DIR = tmp_path
    rung: list[str] = []
    monkeypatch.setattr("jobs.engine.worker.ring", rung.append)
    worker = Worker(name="w", queues=["default"], capacity=capacity)
    worker.node = rows.node()
    submitted: list = []
    worker.wakeup = wakeup(submitted)
    late = timedelta(seconds=settings.PORTAL_SWEEP_SECONDS * 2) if overdue else timedelta(0)
    rows.queued(rows.job("unheard"), not_before=timezone.now() - late)
    worker._sweep(0.0)
    assert len(submitted) == woken
    assert rung == ["default"] * overdue


# --- at the desk ---


def serve(turns: list[Turn], *, claimed: int, idle: int | None = None) -> list[Served]:
    """`idle` slots, by default as many as ask."""
    room = Room(free=len(turns) if idle is None else idle)
    desk = Desk(lambda queue, count: ["run"] * min(count, claimed), lambda queue: 7, lambda: room)  # type: ignore[list-item]
    tickets: list[Ticket[Turn, Served]] = [Ticket(turn) for turn in turns]
    desk._serve(tickets)
    return [ticket.answer for ticket in tickets if ticket.answer is not None]


BELL, SLOT = Turn(queue="default", is_bell=True), Turn(queue="default")


@pytest.mark.parametrize(
    ("turns", "claimed", "more"),
    [([BELL], 1, [7]), ([BELL], 0, [0]), ([SLOT], 1, [0]), ([SLOT, BELL], 2, [0, 7]), ([SLOT, BELL], 1, [0, 0])],
)
def test_only_a_bell_that_left_nobody_without_a_run_looks_for_more(turns, claimed, more):
    assert [served.more for served in serve(turns, claimed=claimed)] == more


@pytest.mark.parametrize(
    ("turns", "waiting", "idle", "extras", "more"),
    [
        ([BELL], 9, 4, [3], [7]),  # itself is one of the four
        ([BELL], 3, 4, [2], [0]),
        ([BELL], 1, 4, [0], [0]),
        ([SLOT], 9, 4, [0], [0]),
        ([SLOT, BELL], 9, 4, [0, 2], [0, 7]),
        ([BELL], 99, 99, [MOST_EXTRAS], [7]),
    ],
)
def test_a_bell_takes_runs_for_the_idle_slots_too(turns, waiting, idle, extras, more):
    answers = serve(turns, claimed=waiting, idle=idle)
    assert all(answer.claimed for answer in answers)
    assert [len(answer.extras) for answer in answers] == extras
    assert [answer.more for answer in answers] == more


def test_a_slot_that_is_promised_to_a_run_gets_no_other_one():
    """What was handed out holds a slot before a thread has come for it: that thread may be the one that asks."""
    assert [bool(answer.claimed) for answer in serve([BELL], claimed=9, idle=0)] == [False]
    assert sorted(bool(answer.claimed) for answer in serve([BELL, SLOT], claimed=9, idle=1)) == [False, True]


def test_who_hands_in_a_run_is_free_for_the_next_one(monkeypatch):
    monkeypatch.setattr("jobs.engine.desk.finish_many", lambda items: [True for _item in items])
    finished: Any = "a run's end"
    answers = serve([Turn(queue="default", finished=finished)], claimed=9, idle=0)
    assert [bool(answer.claimed) for answer in answers] == [True]


def test_definitions_and_log_caps_are_read_ahead_for_all_claimed_at_once(django_assert_num_queries):
    published.forget()
    node = rows.node()
    taken = []
    for slug in ("a", "b", "c"):
        rows.queued(rows.job(slug))
        taken.append(rows.take(node))
    published.prepare(taken)
    with django_assert_num_queries(0):
        assert {published.definition_of(each.run).kind for each in taken} == {"shell"}
