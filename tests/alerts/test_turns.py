"""A turn is one process's at a time, and one that stands still in it loses it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from alerts import clockwork, consume, turns
from alerts.models import OfficeTurn

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.ledger("postgresql", "mysql")]
PATIENCE_SECONDS = 20.0


class Holder:
    """Another process: it takes a turn and does not move until `release` is set."""

    def __init__(self, name: str) -> None:
        OfficeTurn.objects.get_or_create(name=name)
        self.release, self._has_it = threading.Event(), threading.Event()
        self.failure: Exception | None = None
        self.thread = threading.Thread(target=self._hold, args=(name,), daemon=True)
        self.thread.start()
        assert self._has_it.wait(PATIENCE_SECONDS)

    def _hold(self, name: str) -> None:
        try:
            with transaction.atomic():
                assert turns.take_turn(name)
                self._has_it.set()
                self.release.wait(PATIENCE_SECONDS)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
        except DatabaseError as failure:
            self.failure = failure
        finally:
            connection.close()

    def let_go(self) -> None:
        self.release.set()
        self.thread.join(PATIENCE_SECONDS)


@pytest.mark.parametrize(("name", "act"), [("lock:events", consume.consume_once), ("lock:clock", clockwork.pass_time)])
def test_who_has_no_turn_says_so(name, act):
    holder = Holder(name)
    assert act() is None
    holder.let_go()
    assert act() == 0


def test_who_stands_still_loses_the_turn(monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_IDLE", timedelta(seconds=1))
    holder = Holder("lock:events")
    ends = time.monotonic() + PATIENCE_SECONDS / 2
    while consume.consume_once() is None and time.monotonic() < ends:
        time.sleep(0.1)
    assert consume.consume_once() == 0
    holder.let_go()
    assert holder.failure is not None, "what it had begun is undone"
