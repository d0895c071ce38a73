"""The desk: settled first, then claimed, and one bad result harms no other."""

import threading
from dataclasses import replace

import pytest
from django.db import DataError, OperationalError, connection, connections
from django.utils import timezone

from jobs.engine import desk as desk_module
from jobs.engine import finish
from jobs.engine.combine import Ticket
from jobs.engine.desk import Desk, Served, Turn
from jobs.engine.finish import Ending, Finished
from jobs.models import Attempt, LogChunk, Run
from jobs.states import AttemptStatus, RunStatus
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
SUCCESS = Ending(status=AttemptStatus.SUCCEEDED, exit_code=0)


@pytest.fixture
def node():
    return rows.node()


def done(node, slug, ending=SUCCESS):
    rows.queued(rows.job(slug))
    claimed = rows.take(node)
    return Finished(run=claimed.run, attempt=claimed.attempt, ending=ending)


def serve(desk, *turns):
    tickets: list[Ticket[Turn, Served]] = [Ticket(turn) for turn in turns]
    desk._serve(tickets)
    return [ticket.answer for ticket in tickets]


def status(finished):
    return Run.objects.get(pk=finished.run.pk).status


def test_all_who_wait_are_settled_and_get_a_run_each(node):
    finished = [done(node, "a"), done(node, "b")]
    asked = []

    def claim(queue, count):
        asked.append((queue, count))
        return ["first", "second"][:count]

    served = serve(Desk(claim), *[Turn(queue="default", finished=one) for one in finished], Turn(queue="default"))
    assert [status(one) for one in finished] == [RunStatus.SUCCEEDED] * 2
    assert asked == [("default", 3)]
    assert [one.claimed for one in served] == ["first", "second", None]
    assert [one.written for one in served] == [True, True, None]


def test_a_result_the_ledger_refuses_harms_no_other(node):
    fine, bad = done(node, "fine"), done(node, "bad")
    chunks = [LogChunk(attempt=bad.attempt, seq=1, stream="stdout", at=timezone.now(), text=text) for text in "ab"]
    bad = replace(bad, chunks=chunks)  # the same number twice
    served = serve(Desk(lambda queue, count: []), Turn(finished=bad), Turn(finished=fine))
    assert served[0].unsettled is not None
    assert (served[1].written, status(fine), status(bad)) == (True, RunStatus.SUCCEEDED, RunStatus.RUNNING)


def test_who_could_not_settle_gets_no_new_run(node, monkeypatch):
    finished = done(node, "a")
    monkeypatch.setattr(desk_module, "finish_many", raising(OperationalError("gone")))
    served = serve(Desk(a_run_each), Turn(queue="default", finished=finished))
    assert served[0].claimed is None
    assert isinstance(served[0].unsettled, OperationalError)


def test_a_failing_claim_loses_no_result(node):
    finished = done(node, "a")
    served = serve(Desk(raising(DataError("odd"))), Turn(queue="default", finished=finished))
    assert (served[0].written, str(served[0].unclaimed), status(finished)) == (True, "odd", RunStatus.SUCCEEDED)


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_tried_again(node, monkeypatch):
    finished = done(node, "a")
    errors = [OperationalError(1213, "Deadlock found"), OperationalError(1213, "Deadlock found")]
    real = finish._locked

    def sometimes(items):
        if errors:
            raise errors.pop()
        return real(items)

    monkeypatch.setattr(finish, "_locked", sometimes)
    served = serve(Desk(lambda queue, count: []), Turn(finished=finished))
    assert served == [Served(written=True)]
    assert Attempt.objects.get(pk=finished.attempt.pk).ended_at is not None


def a_run_each(queue, count):
    return ["run"] * count


def raising(error):
    def call(*args):
        raise error

    return call


@pytest.mark.ledger("postgresql", "mysql")  # a test's SQLite is in memory, where closing does nothing
@pytest.mark.django_db(transaction=True)
def test_an_open_desk_serves_on_a_connection_of_its_own_and_takes_it_along_when_it_closes():
    seen = []

    def claim(queue, count):
        connection.ensure_connection()
        seen.append((threading.current_thread().name, connections["default"]))
        return []

    desk = Desk(claim)
    desk.open()
    assert desk.turn(Turn(queue="default")).claimed is None
    [(name, theirs)] = seen
    assert name == "portal-desk"
    assert theirs is not connections["default"]
    desk.close()
    assert theirs.connection is None
