"""Flat combining: one serving for all who wait."""

import threading
from collections.abc import Sequence

import pytest

from jobs.engine.combine import Combiner, Ticket


class Server:
    """Doubles numbers; the first serving waits at a gate, so that others pile up behind it."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.entered = threading.Event()

    def __call__(self, tickets):
        self.batches.append([ticket.ask for ticket in tickets])
        self.entered.set()
        self.gate.wait(10)
        for ticket in tickets:
            if ticket.ask == 13:
                raise ValueError("unlucky")
            ticket.answer = ticket.ask * 2


def start(combiner, asks):
    answers = {}

    def one(ask):
        try:
            answers[ask] = combiner.do(ask)
        except ValueError as error:
            answers[ask] = str(error)

    threads = [threading.Thread(target=one, args=(ask,), daemon=True) for ask in asks]
    for thread in threads:
        thread.start()
    return threads, answers


def run(asks, **options):
    """The first ask is served alone; the rest arrive meanwhile."""
    server = Server()
    combiner = Combiner(server, **options)
    first, answers = start(combiner, asks[:1])
    server.entered.wait(10)
    rest, more = start(combiner, asks[1:])
    while len(combiner._waiting) < len(asks) - 1:
        threading.Event().wait(0.001)
    server.gate.set()
    for thread in first + rest:
        thread.join(10)
    return server.batches, answers | more


def test_who_comes_during_a_serving_shares_the_next_one():
    batches, answers = run([1, 2, 3, 4])
    assert [sorted(batch) for batch in batches] == [[1], [2, 3, 4]]
    assert answers == {1: 2, 2: 4, 3: 6, 4: 8}


def test_a_serving_takes_no_more_than_it_may():
    batches, answers = run([1, 2, 3, 4, 5, 6], most=2)
    assert [len(batch) for batch in batches] == [1, 2, 2, 1]
    assert answers == {ask: ask * 2 for ask in range(1, 7)}


def test_what_the_serving_raises_reaches_everybody_in_it_and_nobody_else():
    batches, answers = run([1, 13, 14])
    assert sorted(batches[1]) == [13, 14]
    assert answers == {1: 2, 13: "unlucky", 14: "unlucky"}


def test_a_thread_alone_never_waits_for_company():
    def echo(tickets: Sequence[Ticket[int, int]]) -> None:
        for ticket in tickets:
            ticket.answer = ticket.ask

    assert Combiner(echo, linger=3600).do(5) == 5


@pytest.mark.parametrize(("linger", "calls"), [(0.0, 0), (1.0, 1)])
def test_company_is_waited_for_only_when_it_is_likely(linger, calls, monkeypatch):
    combiner: Combiner[int, None] = Combiner(lambda tickets: None, linger=linger)
    waits: list[float | None] = []
    monkeypatch.setattr(combiner._are_enough, "wait", waits.append)
    combiner.do(1)
    combiner.do(2)  # two within the window are eight a second: in one second more will come
    assert len(waits) >= calls
    assert bool(waits) == bool(calls)


def test_who_has_been_told_to_come_is_waited_for(monkeypatch):
    monkeypatch.setattr("jobs.engine.combine.EXPECTED_SECONDS", 10)
    server = Server()
    server.gate.set()
    combiner = Combiner(server)
    combiner.expect(3)
    for thread in start(combiner, [1, 2, 3])[0]:
        thread.join(10)
    assert [sorted(batch) for batch in server.batches] == [[1, 2, 3]]
    assert combiner.do(4) == 8  # nobody else is expected by then


# --- the clerk ---


def hired(server, **options):
    combiner = Combiner(server, **options)
    said = []
    combiner.hire_clerk("test", after_idling=lambda: said.append("idle"), leaving=lambda: said.append("left"))
    return combiner, said


def test_a_clerk_serves_everybody_in_one_thread():
    threads = set()

    def serve(tickets):
        threads.add(threading.current_thread().name)
        for ticket in tickets:
            if ticket.ask == 13:
                raise ValueError("unlucky")
            ticket.answer = ticket.ask * 2

    combiner, _said = hired(serve, most=1)
    started, answers = start(combiner, range(10, 16))
    for thread in started:
        thread.join(10)
    assert answers == {10: 20, 11: 22, 12: 24, 13: "unlucky", 14: 28, 15: 30}
    assert threads == {"test"}
    combiner.dismiss_clerk(10)


def test_a_dismissed_clerk_serves_who_is_there_and_later_ones_serve_themselves():
    server = Server()
    combiner, said = hired(server)
    first, answers = start(combiner, [1])
    server.entered.wait(10)
    rest, more = start(combiner, [2, 3])
    while len(combiner._waiting) < 2:
        threading.Event().wait(0.001)
    leaving = threading.Thread(target=combiner.dismiss_clerk, args=(10,))
    leaving.start()
    server.gate.set()
    for thread in [*first, *rest, leaving]:
        thread.join(10)
    assert answers | more == {1: 2, 2: 4, 3: 6}
    assert said == ["left"]
    assert combiner.do(4) == 8


def test_a_clerk_looks_around_after_it_was_idle(monkeypatch):
    monkeypatch.setattr("jobs.engine.combine.IDLE_SECONDS", 0.01)
    server = Server()
    server.gate.set()
    combiner, said = hired(server)
    threading.Event().wait(0.1)
    assert combiner.do(1) == 2
    assert said == ["idle"]
    combiner.dismiss_clerk(10)


def test_a_rest_holds_back_what_can_wait_and_ends_with_an_urgent_one():
    served: list[list[int]] = []

    def serve(tickets):
        served.append([ticket.ask for ticket in tickets])

    combiner: Combiner[int, int] = Combiner(serve, enough=3)
    combiner.rest(30)
    patient = threading.Thread(target=combiner.do, args=(1,))
    patient.start()
    patient.join(0.2)
    assert served == []
    urgent = threading.Thread(target=combiner.do, args=(2,), kwargs={"is_urgent": True})
    urgent.start()
    patient.join(10)
    urgent.join(10)
    assert served == [[1, 2]]


def test_a_rest_ends_when_enough_have_come():
    served: list[list[int]] = []
    combiner: Combiner[int, int] = Combiner(lambda tickets: served.append([each.ask for each in tickets]), enough=2)
    combiner.rest(30)
    threads = [threading.Thread(target=combiner.do, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(number for batch in served for number in batch) == [1, 2]
