"""The post office goes on whatever happens, says that it lives, and closes in seconds."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError

from alerts import celery_hooks, office, turns
from alerts.models import Notification, OfficeTurn
from alerts.office import Office
from alerts.states import NotificationStatus as N
from jobs import dbclock
from tests.alerts.postrows import PATIENCE_SECONDS, Witness, channel, notification, status, subjects

pytestmark = pytest.mark.usefixtures("witness")


@pytest.fixture(autouse=True)
def no_other_passes(monkeypatch):
    passes: list = []
    monkeypatch.setattr(office, "PASSES", passes)
    monkeypatch.setattr(office, "_let_go", lambda: None)  # the test's own connection holds the test's rows
    monkeypatch.setattr(office, "close_old_connections", lambda: None)
    return passes


@pytest.mark.django_db
def test_once_makes_the_passes_and_sends_what_they_made(no_other_passes):
    on = channel()
    no_other_passes.append(("consume", lambda: notification(on).pk and 1))
    assert Office().once() >= 2
    assert subjects() == ["Disk full"]


@pytest.mark.django_db
def test_a_pass_that_fails_stops_no_other(no_other_passes, caplog):
    done = []

    def broken():
        raise RuntimeError("a defect")

    def works():
        done.append(1)
        return 1

    no_other_passes.extend([("consume", broken), ("pass_time", works)])
    row = notification(channel())
    Office().once()
    assert done == [1]
    assert status(row) == N.SENT
    assert "consume" in caplog.text
    assert set(turns.last_turns()) == {"pass_time", "dispatch"}


@pytest.mark.django_db
def test_who_has_no_turn_has_done_nothing(no_other_passes):
    """A frozen process keeps its turn, and all the others only wait."""
    no_other_passes.extend([("consume", lambda: None), ("pass_time", lambda: 0)])
    assert Office().make_passes() == 0
    assert set(turns.last_turns()) == {"pass_time"}


@pytest.mark.django_db
def test_a_ledger_that_is_away_is_tried_again(monkeypatch):
    made = Office()

    def away():
        raise OperationalError("gone")

    monkeypatch.setattr(made.dispatcher, "round", away)
    assert office._guarded("dispatch", made.send_round) is None


@pytest.mark.django_db
def test_turns_are_written_now_and_then(django_assert_num_queries):
    mine = turns.Turns("me")
    mine.was_done("consume")
    with django_assert_num_queries(0):
        mine.was_done("consume")
    assert OfficeTurn.objects.get().holder == "me"
    turns.Turns("other").was_done("consume")
    assert OfficeTurn.objects.get().holder == "me"  # it is fresh enough
    OfficeTurn.objects.update(at=dbclock.now() - timedelta(seconds=30))
    turns.Turns("other").was_done("consume")
    assert OfficeTurn.objects.get().holder == "other"


@pytest.mark.django_db
def test_a_pass_that_nobody_makes_is_silent_after_two_minutes():
    now = dbclock.now()
    assert turns.silent(now) == {}
    OfficeTurn.objects.create(name="consume", at=now - timedelta(seconds=119))
    OfficeTurn.objects.create(name="dispatch", at=now - timedelta(seconds=121))
    OfficeTurn.objects.create(name="locked", at=None)
    assert set(turns.silent(now)) == {"dispatch"}


@pytest.mark.django_db
def test_the_command_does_what_is_due_once():
    row = notification(channel())
    out = StringIO()
    call_command("post_office", "--once", stdout=out)
    assert status(row) == N.SENT
    assert "steps were done" in out.getvalue()


def test_the_hooks_open_one_office_and_close_it(monkeypatch):
    calls = []
    monkeypatch.setattr(office, "open_office", lambda: calls.append("open"))
    monkeypatch.setattr(office, "close_office", lambda: calls.append("close"))
    celery_hooks.open_in_worker()
    celery_hooks.open_in_beat()
    celery_hooks.close()
    assert calls == ["open", "open", "close"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.ledger("postgresql", "mysql")
def test_threads_send_and_close_in_seconds(monkeypatch):
    monkeypatch.undo()
    on = channel()
    rows = [notification(on, f"m{place}") for place in range(25)]
    hanging = channel("hanging", does="hang")
    stuck = [notification(hanging) for _ in range(4)]
    made = Office(passes=False)
    made.start()
    made.start()
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends and Notification.objects.filter(channel=on, status=N.SENT).count() < len(rows):
        time.sleep(0.05)
    assert sorted(subjects()) == sorted(row.subject for row in rows)
    threading.Timer(0.2, Witness.release.set).start()
    began = time.monotonic()
    made.stop()
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert not [thread for thread in threading.enumerate() if thread.name in ("portal-post", "portal-office")]
    assert Notification.objects.filter(pk__in=[row.pk for row in stuck], status=N.SENDING).count() == 0
