"""A disk that is nearly full is an outage of its machine, for as long as somebody there can tell."""

from datetime import timedelta

import pytest

from jobs import outages, watchdog
from jobs.models import BeatHeartbeat, Outage
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
T0 = base.NOW
LONG = timedelta(minutes=10)


def usage(free):
    return lambda folder: type("Usage", (), {"total": 1000, "free": free})


def test_a_disk_that_is_nearly_full_is_an_outage_until_there_is_room(monkeypatch, settings):
    settings.PORTAL_DISK_FREE_PERCENT = 5
    for free, count in ((200, 0), (49, 1), (40, 1), (300, 1)):
        monkeypatch.setattr("shutil.disk_usage", usage(free))
        watchdog.record(watchdog.full_disks(T0), now=T0, by="w", broker_answers=True)
        assert Outage.objects.count() == count
    outage = Outage.objects.get()
    assert (outage.subject, outage.ended_at) == (watchdog.own_disk(), T0)
    assert "nearly full" in outages.sentence(outage)


def test_a_disk_on_the_brink_does_not_flap(monkeypatch, settings):
    settings.PORTAL_DISK_FREE_PERCENT = 5
    for free in (51, 49, 51, 49, 69):
        monkeypatch.setattr("shutil.disk_usage", usage(free))
        watchdog.record(watchdog.full_disks(T0), now=T0, by="w", broker_answers=True)
    assert Outage.objects.get().ended_at is None
    monkeypatch.setattr("shutil.disk_usage", usage(70))
    watchdog.record(watchdog.full_disks(T0), now=T0, by="w", broker_answers=True)
    assert Outage.objects.get().ended_at == T0


def elsewhere(by="worker elsewhere/7"):
    watchdog.open_outage("disk:elsewhere", T0 - LONG, now=T0 - LONG, by=by)
    watchdog.record([], now=T0, by="w", broker_answers=True)
    return Outage.objects.get()


def test_another_machines_disk_is_left_to_that_machine_while_it_lives():
    rows.node(host="elsewhere", last_seen_at=T0)
    assert elsewhere().ended_at is None


def test_a_beats_machine_lives_too():
    BeatHeartbeat.objects.create(name="elsewhere/1", host="elsewhere", pid=1, started_at=T0, last_seen_at=T0)
    assert elsewhere().ended_at is None


def test_the_disk_of_a_machine_that_is_gone_is_no_outage_any_more():
    rows.node(host="elsewhere", last_seen_at=T0 - LONG)
    assert elsewhere().ended_at == T0


@pytest.mark.parametrize("by", ["web elsewhere/7", "watchdog elsewhere/7"])
def test_a_machine_without_a_heartbeat_of_its_own_is_not_taken_for_gone(by):
    assert elsewhere(by).ended_at is None


def test_a_disk_that_cannot_be_asked_is_not_full(settings):
    settings.DATA_DIR = "/nowhere/at/all"
    assert watchdog.full_disks(T0) == []
