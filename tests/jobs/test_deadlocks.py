"""What the database ended in favour of another is done again; everything else goes up."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, OperationalError, transaction

from jobs import runs
from jobs.deadlocks import MOST_TIMES, is_deadlock, repeated_after_deadlock
from jobs.states import RunStatus
from tests.jobs.engine import rows

DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")


def failing(times: int, error: Exception):
    tries: list[int] = []

    @repeated_after_deadlock
    def work() -> int:
        tries.append(1)
        if len(tries) <= times:
            raise error
        return len(tries)

    return work, tries


@pytest.mark.parametrize(("code", "expected"), [(1213, True), (1205, True), (2006, False)])
def test_deadlocks_are_told_from_other_troubles(code, expected):
    assert is_deadlock(OperationalError(code, "x")) is expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("times", [0, 1, MOST_TIMES - 1])
def test_it_is_done_again_until_it_succeeds(times):
    assert failing(times, DEADLOCK)[0]() == times + 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "tried"), [(DEADLOCK, MOST_TIMES), (OperationalError(2006, "gone away"), 1), (IntegrityError("x"), 1)]
)
def test_what_does_not_go_away_goes_up(error, tried):
    work, tries = failing(99, error)
    with pytest.raises(type(error)):
        work()
    assert len(tries) == tried


@pytest.mark.django_db
def test_inside_another_transaction_it_is_not_repeated():
    work, tries = failing(99, DEADLOCK)
    with transaction.atomic(), pytest.raises(OperationalError):
        work()
    assert len(tries) == 1


@pytest.mark.django_db(transaction=True)
def test_a_cancel_that_gives_way_is_asked_again(monkeypatch):
    run = rows.queued(rows.job())
    real, tries = runs.request_cancel, []

    def first_deadlocks(*args, **kwargs):
        tries.append(1)
        if len(tries) == 1:
            raise DEADLOCK
        return real(*args, **kwargs)

    monkeypatch.setattr(runs, "request_cancel", first_deadlocks)
    assert runs.cancel_run(run, actor=None)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
