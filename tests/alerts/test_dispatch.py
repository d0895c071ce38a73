"""From a row of the outbox to the other side: claims, marks, retries, and what happens to a sender that is late."""

from datetime import timedelta

import pytest

from alerts.dispatch import Dispatcher
from alerts.models import DeliveryAttempt, Notification
from alerts.states import NotificationStatus as N
from jobs import dbclock
from tests.alerts.postrows import Witness, channel, drain, later, notification, status, subjects
from tests.servers import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("witness")]


def test_what_is_due_is_sent_once_with_its_id():
    row = notification(channel())
    drain()
    assert Witness.taken == [(str(row.delivery_id), "Disk full", None)]
    assert status(row) == N.SENT
    one = row.attempts.get()
    assert (one.number, one.sender, one.is_ok, one.receipt) == (1, "test/1", True, "w-1")
    assert row.sent_at == one.ended_at
    assert one.ended_at and one.ended_at >= one.started_at


def test_what_is_not_due_yet_waits():
    row = notification(channel(), not_before=dbclock.now() + timedelta(minutes=1))
    drain()
    assert (status(row), Witness.taken) == (N.PENDING, [])


def test_a_message_for_named_people_goes_to_them():
    notification(channel(), recipients=["an@example.com"])
    drain()
    assert Witness.taken[0][2] == ("an@example.com",)


def test_the_secrets_reach_the_transport_and_nothing_else():
    from alerts.channels import seal_secrets

    row = channel()
    seal_secrets(row, {"password": "s3cret"})
    row.save()
    notification(row)
    drain()
    assert Witness.passwords == ["s3cret"]


def test_many_messages_all_go_out_each_once():
    rows = [
        notification(channel(f"c{place % 3}") if place < 3 else _channel(place), f"m{place}") for place in range(50)
    ]
    drain()
    assert sorted(subjects()) == sorted(row.subject for row in rows)
    assert Notification.objects.filter(status=N.SENT).count() == 50


def _channel(place):
    from alerts.models import Channel

    return Channel.objects.get(slug=f"c{place % 3}")


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failed_try_is_kept_with_its_sentence_and_made_again_later():
    row = notification(channel(does="fail"))
    drain()
    assert status(row) == N.PENDING
    assert row.first_failed_at
    assert timedelta(seconds=4) < row.not_before - row.first_failed_at < timedelta(seconds=7)
    one = row.attempts.get()
    assert (one.is_ok, one.problem) == (False, {"msgid": "%(words)s", "words": "It is down."})


def test_a_pause_that_the_service_asks_for_is_kept():
    row = notification(channel(does="busy"))
    drain()
    assert status(row) == N.PENDING
    assert row.not_before - dbclock.now() > timedelta(minutes=6)


def test_a_channel_that_somebody_repaired_goes_on_at_once():
    on = channel(does="busy")
    notification(on)
    dispatcher = drain()
    on.refresh_from_db()
    on.params, on.failing_since = {"does": "take"}, None
    on.save()
    behind = notification(on, "Next")
    drain(dispatcher)
    assert status(behind) == N.SENT
    assert on.pk not in dispatcher._paused


def test_a_channel_that_fails_is_left_alone():
    on = channel(does="busy")
    notification(on)
    dispatcher = drain()
    behind = notification(on, "Next")
    drain(dispatcher)
    assert (status(behind), behind.tries) == (N.PENDING, 0)


def test_a_refusal_of_named_people_pauses_nobody():
    on = channel(does="refuse", failing_since=dbclock.now())
    rows = [notification(on, recipients=["an@example.com"]), notification(on, recipients=["bo@example.com"])]
    drain()
    assert [status(row) for row in rows] == [N.DEAD, N.DEAD]


def test_the_next_try_is_the_same_message():
    on = channel(does="fail")
    row = notification(on)
    dispatcher = drain()
    on.params = {"does": "take"}
    on.save()
    later(row, not_before=timedelta(seconds=1))
    dispatcher._paused.clear()
    drain(dispatcher)
    assert status(row) == N.SENT
    assert Witness.taken == [(str(row.delivery_id), "Disk full", None)]
    assert list(row.attempts.values_list("number", "is_ok")) == [(1, False), (2, True)]


def test_what_would_fail_again_is_given_up_at_once():
    row = notification(channel(does="refuse"))
    drain()
    assert (status(row), row.why["words"]) == (N.DEAD, "Never.")


def test_after_a_day_of_failures_it_is_given_up():
    row = notification(channel(does="fail"))
    later(row, first_failed_at=timedelta(hours=24))
    drain()
    assert status(row) == N.DEAD


def test_a_defect_of_a_kind_harms_nobody_else():
    broken = notification(channel("broken", does="break"))
    fine = notification(channel("fine"))
    drain()
    assert (status(broken), status(fine)) == (N.PENDING, N.SENT)


def test_an_unknown_kind_is_a_sentence():
    row = notification(channel(kind="pigeon"))
    drain()
    assert status(row) == N.DEAD
    assert "pigeon" in str(row.attempts.get().problem)


def test_who_was_refused_for_now_gets_it_alone():
    on = channel(params={"does": "take", "refuses": ["slow@example.com"]})
    row = notification(on, recipients=["an@example.com", "slow@example.com"])
    dispatcher = drain()
    assert (status(row), row.recipients) == (N.PENDING, ["slow@example.com"])
    on.params = {"does": "take"}
    on.save()
    later(row, not_before=timedelta(seconds=1))
    drain(dispatcher)
    assert status(row) == N.SENT
    assert [to for _id, _subject, to in Witness.taken] == [
        ("an@example.com", "slow@example.com"),
        ("slow@example.com",),
    ]


def test_who_is_refused_for_good_is_named():
    row = notification(channel(params={"refuses": ["never@example.com"]}), recipients=["an@x.org", "never@example.com"])
    drain()
    assert status(row) == N.SENT
    assert "never@example.com" in str(row.why)


# --- closing ----------------------------------------------------------------------------------------------------------


def test_closing_gives_back_what_is_not_begun():
    on = channel(does="hang")
    rows = [notification(on, f"m{place}") for place in range(30)]
    dispatcher = Dispatcher(name="test/1")
    dispatcher.round()
    assert Notification.objects.filter(status=N.SENDING).count() == 20
    wait_for(lambda: len(Witness.passwords) == 2, "the first of each bag")
    Witness.release.set()
    dispatcher.close(5)
    assert Notification.objects.filter(status=N.SENDING).count() == 0
    assert DeliveryAttempt.objects.count() == 2  # one of each bag was on its way
    assert len(rows) == 30


# --- fairness ---------------------------------------------------------------------------------------------------------


def test_a_hanging_channel_holds_up_nobody():
    hanging = channel("hanging", does="hang")
    for place in range(60):
        notification(hanging, f"h{place}")
    fine = channel("fine")
    rows = [notification(fine, f"f{place}") for place in range(30)]
    dispatcher = Dispatcher(name="test/1")
    for _round in range(100):
        dispatcher.round()
        dispatcher.wait(0.05)
        if len(subjects()) == len(rows):
            break
    assert sorted(subjects()) == sorted(row.subject for row in rows)
    Witness.release.set()
    dispatcher.close(5)


def test_channels_take_turns(monkeypatch):
    """More of them than bags: each comes before any comes again."""
    monkeypatch.setattr("alerts.slots.MOST_BAGS", 2)
    rows = [channel(f"c{place}") for place in range(4)]
    for on in rows * 2:
        for _ in range(10):
            notification(on)
    dispatcher = Dispatcher(name="test/1")
    for _round in range(2):
        dispatcher.round()
        wait_for(lambda: not dispatcher._open_bags(), "the bags")
    assert {row.pk for row in rows} == set(dispatcher._served)
    drain(dispatcher)


def test_after_a_failure_the_rest_of_the_bag_is_not_tried():
    on = channel(does="fail")
    for _ in range(30):
        notification(on)
    drain()
    assert DeliveryAttempt.objects.count() <= 2  # one for each bag; then the channel has a rest


def test_a_service_with_a_limit_gets_no_more_in_a_minute():
    on = channel(kind="limited")
    for _ in range(8):
        notification(on)
    dispatcher = drain()
    assert len(Witness.taken) == 3
    DeliveryAttempt.objects.update(started_at=dbclock.now() - timedelta(minutes=2))
    drain(dispatcher)
    assert len(Witness.taken) == 6


# --- the ledger -------------------------------------------------------------------------------------------------------


def test_ten_thousand_pending_messages_cost_an_idle_question_the_same(django_assert_max_num_queries):
    on = channel()
    notification(on, not_before=dbclock.now() + timedelta(hours=1))
    dispatcher = drain()
    dispatcher._tended_at = dbclock.boot_seconds() + 60
    dispatcher._renewed_at = dbclock.boot_seconds() + 60
    with django_assert_max_num_queries(1):
        dispatcher.round()
