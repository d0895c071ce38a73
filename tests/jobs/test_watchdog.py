"""The watchdog: one outage per silence, opened once, closed when life returns."""

import logging
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError

from jobs import dbclock, outages, watchdog
from jobs.models import BeatHeartbeat, Outage
from jobs.outages import Subject
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
T0 = base.NOW
SECOND = timedelta(seconds=1)
LONG = timedelta(minutes=2)


@pytest.fixture(autouse=True)
def short(settings):
    settings.PORTAL_SILENCE_SECONDS, settings.PORTAL_HEARTBEAT_SECONDS = 60, 15
    settings.PORTAL_DISK_FREE_PERCENT = 0  # whatever this machine has
    watchdog._watches.clear()


@pytest.fixture
def clocks(monkeypatch):
    """A machine whose boot and monotonic clocks the test moves; the broker answers unless the test says no."""

    class Clocks:
        boot = monotonic = 1000.0
        broker = True

        def pass_(self, seconds, asleep=0.0):
            self.boot += seconds + asleep
            self.monotonic += seconds

    made = Clocks()
    monkeypatch.setattr(dbclock, "boot_seconds", lambda: made.boot)
    monkeypatch.setattr(time, "monotonic", lambda: made.monotonic)
    monkeypatch.setattr(watchdog, "reach_broker", lambda: made.broker)
    dbclock.clock.reset()
    yield made
    dbclock.clock.reset()


def beat(at=T0, host="h"):
    return BeatHeartbeat.objects.update_or_create(
        name=f"{host}/1", defaults={"host": host, "pid": 1, "started_at": at, "last_seen_at": at}
    )[0]


def worker(at=T0, **fields):
    return rows.node(started_at=at, last_seen_at=at, **fields)


def told():
    return [(each.subject, each.began_at, each.ended_at) for each in Outage.objects.order_by("pk")]


def subjects(now):
    return {silence.subject for silence in watchdog.silences(now)}


# --- who is silent ----------------------------------------------------------------------------------------------------


def test_who_lives_is_not_silent():
    beat()
    worker()
    assert subjects(T0 + 60 * SECOND) == set()


def test_beat_without_a_heartbeat_for_a_minute_is_silent_since_its_last_one():
    beat()
    worker(T0 + LONG)
    [silence] = watchdog.silences(T0 + 61 * SECOND)
    assert (silence.subject, silence.began_at) == (Subject.BEAT, T0)


def test_one_of_two_beats_is_enough():
    beat()
    beat(T0 + LONG, "other")
    worker(T0 + LONG)
    assert subjects(T0 + LONG) == set()


def test_workers_that_stopped_are_silent_when_none_is_left():
    beat(T0 + LONG)
    worker(stopped_at=T0)
    assert subjects(T0 + LONG) == {Subject.WORKERS}


def test_what_never_lived_is_not_silent():
    assert subjects(T0) == set()


def test_a_queue_whose_due_runs_nobody_serves_is_silent():
    beat(T0 + LONG)
    worker(T0 + LONG)
    run = rows.queued(rows.job(queue="long"), not_before=T0)
    assert run.queue == "long"
    [silence] = watchdog.silences(T0 + LONG)
    assert (silence.subject, silence.began_at) == ("queue:long", T0)
    worker(T0 + LONG, name="w2", queues=["long"])
    assert subjects(T0 + LONG) == set()


def test_the_silence_is_never_shorter_than_three_heartbeats(settings):
    settings.PORTAL_SILENCE_SECONDS = 1
    assert watchdog.silence_length() == 45 * SECOND


# --- one row per outage -----------------------------------------------------------------------------------------------


def test_many_watchers_open_one_outage_and_one_of_them_logs_it(clocks, caplog):
    beat()
    watchers = [watchdog.Watch(name, is_patient=False) for name in ("w1", "w2", "web")]
    worker(T0 + LONG)
    with caplog.at_level(logging.INFO, logger="jobs.watchdog"):
        for step in range(3):
            for watcher in watchers:
                watcher.look(T0 + LONG + step * SECOND)
    assert told() == [("beat", T0, None)]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    outage = Outage.objects.get()
    assert outage.noticed_at == T0 + LONG
    assert outage.noticed_by.startswith("w1 ")
    assert outage.notified_at is None


def test_a_second_opener_that_read_before_the_first_wrote_opens_nothing(monkeypatch):
    """The race: both saw no open row."""
    assert watchdog.open_outage("beat", T0, now=T0 + LONG, by="first")
    assert not watchdog.open_outage("beat", T0, now=T0 + LONG, by="second")
    assert Outage.objects.get().noticed_by.startswith("first")


def test_a_second_opener_after_the_first_has_closed_opens_nothing():
    watchdog.open_outage("database", T0, now=T0 + LONG, by="first", ended_at=T0 + LONG)
    assert not watchdog.open_outage("database", T0 + SECOND, now=T0 + LONG, by="second", ended_at=T0 + LONG)
    assert told() == [("database", T0, T0 + LONG)]


def test_a_second_closer_closes_nothing():
    watchdog.open_outage("beat", T0, now=T0 + LONG, by="w")
    stale = Outage.objects.get()
    assert watchdog.close_outage(stale, ended_at=T0 + LONG)
    assert not watchdog.close_outage(stale, ended_at=T0 + 2 * LONG)
    assert told() == [("beat", T0, T0 + LONG)]


def test_a_heartbeat_ends_the_outage_and_a_later_silence_is_a_new_one(clocks):
    watcher = watchdog.Watch("w", is_patient=False)
    beat()
    worker(T0 + 10 * LONG)
    watcher.look(T0 + LONG)
    beat(T0 + 2 * LONG)
    clocks.pass_(121)
    watcher.look(T0 + 2 * LONG + SECOND)
    assert told() == [("beat", T0, T0 + 2 * LONG)]
    clocks.pass_(120)
    watcher.look(T0 + 3 * LONG + SECOND)
    assert told() == [("beat", T0, T0 + 2 * LONG), ("beat", T0 + 2 * LONG, None)]


# --- watchers that slept, stopped or had no database ------------------------------------------------------------------


def test_a_patient_watcher_looks_for_a_whole_silence_before_it_judges(clocks):
    beat()
    watcher = watchdog.Watch("w")
    now = T0 + LONG
    for _step in range(11):
        watcher.look(now)
        assert told() == []
        clocks.pass_(5)
        now += 5 * SECOND
    clocks.pass_(5)
    watcher.look(now + 5 * SECOND)
    assert told() == [("beat", T0, None)]


def test_a_machine_that_slept_records_that_nothing_lived_and_blames_nobody(clocks):
    beat(T0)
    worker(T0)
    watcher = watchdog.Watch("w")
    watcher.look(T0)
    clocks.pass_(5, asleep=3600)
    watcher.look(T0 + timedelta(hours=1, seconds=5))
    assert told() == [("portal", T0, T0 + timedelta(hours=1, seconds=5))]


def test_a_machine_that_slept_while_another_lived_records_nothing(clocks):
    worker(T0)
    watcher = watchdog.Watch("w")
    watcher.look(T0)
    clocks.pass_(5, asleep=3600)
    beat(T0 + timedelta(minutes=59), host="awake")
    watcher.look(T0 + timedelta(hours=1, seconds=5))
    assert told() == []


def test_a_clock_put_forward_is_a_gap_in_which_nothing_lived(clocks):
    worker(T0)
    watcher = watchdog.Watch("w")
    watcher.look(T0)
    clocks.pass_(5)
    watcher.look(T0 + timedelta(hours=1))
    assert told() == [("portal", T0, T0 + timedelta(hours=1))]


def test_a_process_that_was_stopped_for_a_while_accuses_nobody_at_once(clocks):
    beat()
    watcher = watchdog.Watch("w")
    watcher.look(T0)
    clocks.pass_(300)
    watcher.look(T0 + timedelta(seconds=300))
    assert told() == []


def test_the_time_without_a_database_is_written_down_afterwards_once(clocks):
    watchers = [watchdog.Watch("w1"), watchdog.Watch("w2")]
    for watcher in watchers:
        watcher.look(T0)
        watcher.lost_database()
    clocks.pass_(300)
    for watcher in watchers:
        watcher.look(T0 + 300 * SECOND)
    assert told() == [("database", T0, T0 + 300 * SECOND)]


def test_a_short_loss_of_the_database_is_no_outage(clocks):
    watcher = watchdog.Watch("w")
    watcher.look(T0)
    watcher.lost_database()
    clocks.pass_(10)
    watcher.look(T0 + 10 * SECOND)
    assert told() == []


def test_a_start_after_all_was_silent_records_the_gap_once():
    beat()
    worker()
    watchdog.Watch("beat").started(T0 + LONG)
    watchdog.Watch("worker").started(T0 + LONG)
    assert told() == [("portal", T0, T0 + LONG)]


def test_a_start_while_others_live_records_nothing():
    beat(T0 + LONG)
    watchdog.Watch("worker").started(T0 + LONG + SECOND)
    assert told() == []


def test_the_first_start_ever_records_nothing():
    watchdog.Watch("beat").started(T0)
    assert told() == []


# --- the broker -------------------------------------------------------------------------------------------------------


def test_a_broker_that_stays_away_is_an_outage_and_comes_back(clocks):
    watcher = watchdog.Watch("w", is_patient=False)
    now = T0
    watcher.look(now)
    clocks.broker = False
    for _step in range(12):
        clocks.pass_(15)
        now += 15 * SECOND
        watcher.look(now)
    assert told() == [("broker", T0, None)]
    clocks.broker = True
    clocks.pass_(15)
    watcher.look(now + 15 * SECOND)
    assert told() == [("broker", T0, now + 15 * SECOND)]


def test_who_cannot_reach_the_broker_does_not_call_it_back(clocks):
    watchdog.open_outage("broker", T0, now=T0 + LONG, by="first")
    clocks.broker = False
    watchdog.Watch("second", is_patient=False).look(T0 + LONG)
    assert told() == [("broker", T0, None)]


def test_a_lock_in_the_watchdogs_way_is_not_the_end_of_the_process(clocks, monkeypatch):
    def locked(now):
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(watchdog, "silences", locked)
    watchdog.Watch("w", is_patient=False).look(T0)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_says_that_all_is_well(clocks, capsys):
    now = dbclock.now()
    beat(now)
    worker(now)
    call_command("watchdog", "--once")
    assert "All is well" in capsys.readouterr().out


def test_the_command_names_each_silence_records_it_and_exits_with_1(clocks, capsys):
    now = dbclock.now()
    beat(now - LONG)
    worker(now)
    clocks.broker = False
    with pytest.raises(SystemExit) as exit_:
        call_command("watchdog", "--once")
    assert exit_.value.code == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 2
    assert said[0].startswith("The broker does not answer.")
    assert said[1].startswith("Schedules have not fired since")
    assert [each.subject for each in Outage.objects.all()] == ["beat"]


def test_the_command_answers_without_a_database(clocks, capsys, monkeypatch):
    def away():
        raise OperationalError("could not connect to server\nis it running?")

    monkeypatch.setattr(dbclock, "now", away)
    with pytest.raises(SystemExit):
        call_command("watchdog", "--once")
    assert capsys.readouterr().err.strip() == "The database does not answer: could not connect to server"


# --- the words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", [*Subject.values, "queue:long"])
def test_every_subject_has_a_sentence_for_both_states_and_an_advice(subject):
    outage = Outage(subject=subject, began_at=T0)
    lasting = outages.sentence(outage)
    outage.ended_at = T0 + LONG
    assert lasting != outages.sentence(outage)
    assert "2026-11-20 20:00:00" in lasting
    assert outages.advice(outage)
    assert outages.label(subject) != subject


def test_a_tenants_people_see_a_queues_outage_only_if_they_use_the_queue():
    for subject in ("beat", "queue:ours", "queue:theirs"):
        watchdog.open_outage(subject, T0, now=T0, by="w")
    seen = outages.seen_by(Outage.objects.all(), is_platform=False, queues=["ours"])
    assert {each.subject for each in seen} == {"beat", "queue:ours"}
    assert outages.seen_by(Outage.objects.all(), is_platform=True, queues=[]).count() == 3
