"""Another channel takes over, and nobody gets the message hours later."""

from datetime import timedelta
from itertools import pairwise

import pytest

from alerts import fallbacks, setaside
from alerts.models import Channel, InboxMessage, Notification
from alerts.states import NotificationStatus as N
from jobs import dbclock
from tests.alerts.postrows import Witness, channel, drain, later, notification, status, subjects
from tests.jobs.rows import tenant, user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("witness")]


def chain(*does: str) -> list[Channel]:
    """Channels that fall back on each other in this order."""
    rows = [channel(f"c{place}", does=each) for place, each in enumerate(does)]
    for row, following in pairwise(rows):
        row.fallback = following
        row.save()
    return rows


def again(row, dispatcher):
    """The next try is due."""
    later(row, not_before=timedelta(seconds=1))
    dispatcher._paused.clear()
    drain(dispatcher)


def test_after_the_second_failure_the_fallback_sends_it_and_the_first_is_settled():
    first, second = chain("fail", "take")
    row = notification(first)
    dispatcher = drain()
    assert Witness.taken == []
    again(row, dispatcher)
    [stand_in] = row.stand_ins.all()
    assert (status(stand_in), stand_in.channel) == (N.SENT, second)
    assert stand_in.dedupe_key == f"{row.dedupe_key}:fallback:{second.pk}"
    assert status(row) == N.DEAD
    assert row.why == {"msgid": "It was taken over by “%(name)s”.", "name": "c1"}


def test_what_can_not_succeed_goes_to_the_fallback_at_once():
    first, _second = chain("refuse", "take")
    row = notification(first)
    drain()
    assert (subjects(), status(row)) == (["Disk full"], N.DEAD)


def test_a_queue_behind_a_failing_channel_goes_over_without_a_try():
    first, _second = chain("fail", "take")
    rows = [notification(first, f"m{place}") for place in range(5)]
    Channel.objects.filter(pk=first.pk).update(failing_since=dbclock.now())
    for row in rows:
        later(row, not_before=timedelta(seconds=46))
    assert fallbacks.sweep(dbclock.now()) == 5
    assert fallbacks.sweep(dbclock.now()) == 0


def test_a_queue_behind_a_channel_that_works_is_only_a_queue():
    first, _second = chain("take", "take")
    later(notification(first), not_before=timedelta(seconds=46))
    assert fallbacks.sweep(dbclock.now()) == 0


def test_a_try_that_hangs_makes_its_channel_one_in_trouble():
    first, _second = chain("take", "take")
    hanging, behind = notification(first), notification(first)
    from alerts import leases

    leases.claim(first.pk, 1, now=dbclock.now() - timedelta(seconds=50), sender="other/7")
    later(hanging, not_before=timedelta(seconds=60))
    leases.claim(first.pk, 1, now=dbclock.now() - timedelta(seconds=50), sender="other/7")
    later(behind, not_before=timedelta(seconds=46))
    assert fallbacks.sweep(dbclock.now()) == 2


def test_a_chain_is_followed_past_channels_that_are_off_and_never_round():
    a, b, c = chain("fail", "fail", "take")
    c.fallback = a
    c.save()
    b.is_active = False
    b.save()
    assert fallbacks.successor(Channel.objects.get(pk=a.pk)) == c
    assert fallbacks.successor(Channel.objects.get(pk=c.pk), visited=[a.pk]) is None
    b.fallback = a
    b.save()
    assert fallbacks.successor(Channel.objects.get(pk=a.pk)) is None


def test_a_failing_stand_in_has_one_of_its_own_and_all_are_settled():
    first, second, third = chain("fail", "refuse", "take")
    row = notification(first)
    again(row, drain())
    assert [one.channel for one in Notification.objects.filter(status=N.SENT)] == [third]
    assert Notification.objects.filter(status=N.DEAD).count() == 2
    assert Notification.objects.get(channel=second).why["name"] == "c2"


def test_a_stand_in_is_not_needed_when_the_channel_delivers_after_all():
    first, second = chain("take", "take")
    row = notification(first)
    fallbacks.take_over([row], first, now=dbclock.now() + timedelta(minutes=1))
    drain()
    assert (status(row), subjects()) == (N.SENT, ["Disk full"])
    assert Notification.objects.get(channel=second).status == N.SUPPRESSED


def test_a_try_under_way_while_the_stand_in_is_sent_ends_settled():
    first, _second = chain("hang", "take")
    row = notification(first)
    from alerts.dispatch import Dispatcher

    dispatcher = Dispatcher(name="test/1")
    dispatcher.round()
    fallbacks.take_over([row], first, now=dbclock.now() - timedelta(seconds=1))
    while "Disk full" not in subjects():
        dispatcher.round()
        dispatcher.wait(0.05)
    Witness.release.set()
    drain(dispatcher)
    assert (status(row), row.why["name"]) == (N.DEAD, "c1")


def test_people_named_for_the_first_channel_are_told_by_one_that_knows_such_addresses():
    first, second = chain("refuse", "take")
    notification(first, recipients=["an@example.com"])
    drain()
    assert Witness.taken[-1][2] == ("an@example.com",)
    assert second.notifications.get().recipients == ["an@example.com"]


def test_a_long_key_stays_within_its_column_and_its_own():
    keys = {fallbacks.stand_in_key("x" * 185 + end, 12345) for end in ("a", "b")}
    assert len(keys) == 2
    assert all(len(key) <= 191 for key in keys)


# --- nobody left ------------------------------------------------------------------------------------------------------


def test_admins_are_told_when_nobody_gets_a_message():
    admin, editor = user("ann", "admin"), user("ed", "editor")
    first, _second = chain("refuse", "refuse")
    notification(first)
    drain()
    lost = InboxMessage.objects.filter(user=admin, subject__startswith="A message could not")
    assert lost.count() == 1
    assert "c1" in lost.get().subject
    assert not InboxMessage.objects.filter(user=editor).exists()


def test_admins_are_told_of_many_losses_once_an_hour():
    admin = user("ann", "admin")
    on = channel(does="refuse")
    for _ in range(4):
        notification(on)
        dispatcher = drain()
        dispatcher._paused.clear()
    assert InboxMessage.objects.filter(user=admin, subject__startswith="A message could not").count() == 1


def stand_in(row, on, **fields):
    return notification(on, row.subject, stands_in_for=row, **fields)


def test_nothing_is_lost_that_the_last_of_a_chain_has_sent():
    admin = user("ann", "admin")
    first, second, third = chain("refuse", "refuse", "take")
    row = notification(first)
    between = stand_in(row, second, status=N.DEAD)
    stand_in(between, third, status=N.SENT)
    assert not fallbacks.tell_of_loss(row, now=dbclock.now())
    drain()
    assert (status(row), row.why.get("name")) == (N.DEAD, "c2")
    assert not InboxMessage.objects.filter(user=admin, subject__startswith="A message could not").exists()


def test_what_waits_at_the_end_of_a_chain_is_not_needed_when_the_first_delivers():
    first, second, third = chain("take", "take", "take")
    row = notification(first)
    between = stand_in(row, second, status=N.DEAD)
    last = stand_in(between, third, not_before=dbclock.now() + timedelta(minutes=1))
    drain()
    assert (status(row), status(between), status(last)) == (N.SENT, N.DEAD, N.SUPPRESSED)


# --- switched off -----------------------------------------------------------------------------------------------------


def test_messages_of_a_channel_that_is_off_go_to_its_fallback():
    first, _second = chain("take", "take")
    Channel.objects.filter(pk=first.pk).update(is_active=False)
    row = notification(first)
    drain()
    assert (subjects(), status(row)) == (["Disk full"], N.SUPPRESSED)
    assert row.why["other"] == "c1"


def test_without_a_fallback_they_are_suppressed_with_the_reason():
    row = notification(channel(is_active=False))
    drain()
    assert (Witness.taken, status(row)) == ([], N.SUPPRESSED)
    assert row.why == {"msgid": "The channel “%(name)s” is switched off.", "name": "ops"}


def test_a_tenant_that_is_off_sends_nothing():
    on = channel(tenant=tenant("gone", is_active=False))
    row = notification(on)
    drain()
    assert status(row) == N.SUPPRESSED
    assert not setaside.is_open(on)
