"""One bell wakes as many idle slots as there are runs for, and no more."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.engine import published
from jobs.engine.combine import Ticket
from jobs.engine.desk import Desk, Served, Turn
from jobs.engine.wakeup import Wakeup
from jobs.states import Origin
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
    assert waking._waking == 0


def test_a_slot_that_fails_harms_nobody(caplog):
    submitted: list = []
    waking = Wakeup(submit=submitted.append, serve=lambda queue: 1 // 0)
    waking.wake("default", 1)
    come(submitted)
    assert "A slot that was woken failed" in caplog.text


# --- at the desk ---


def serve(turns: list[Turn], *, claimed: int) -> list[Served]:
    asked: list[str] = []
    desk = Desk(lambda queue, count: ["run"] * min(count, claimed), lambda queue: asked.append(queue) or 7)  # type: ignore[list-item,func-returns-value]
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
