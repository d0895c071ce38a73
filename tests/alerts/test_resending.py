"""Somebody sends a message again that was given up."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import AuditEntry
from alerts.resending import send_again
from alerts.states import NotificationStatus as N
from jobs import dbclock
from tests.alerts.postrows import Witness, channel, drain, notification, status
from tests.jobs.rows import user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("witness")]


def given_up(on):
    row = notification(on)
    dispatcher = drain()
    dispatcher._paused.clear()
    row.refresh_from_db()
    return row, dispatcher


def test_a_message_that_was_given_up_goes_out_with_its_id():
    on, root = channel(does="refuse"), user("root", "", is_superuser=True)
    row, dispatcher = given_up(on)
    on.params = {"does": "take"}
    on.save()
    assert send_again(row, actor=root, now=dbclock.now())
    drain(dispatcher)
    assert status(row) == N.SENT
    assert Witness.taken[0][0] == str(row.delivery_id)
    assert AuditEntry.objects.filter(verb="alerts.notification.sent_again").count() == 1


def test_it_has_a_whole_day_of_tries_again():
    on, root = channel(does="refuse"), user("root", "", is_superuser=True)
    row, _dispatcher = given_up(on)
    send_again(row, actor=root, now=dbclock.now())
    assert status(row) == N.PENDING
    assert (row.first_failed_at, row.why) == (None, {})


def test_what_was_sent_is_not_sent_again():
    row, _dispatcher = given_up(channel())
    assert not send_again(row, actor=user("root", "", is_superuser=True), now=dbclock.now())
    assert status(row) == N.SENT


def test_it_needs_the_right_to_change_the_channel():
    row, _dispatcher = given_up(channel(does="refuse"))
    with pytest.raises(PermissionDenied):
        send_again(row, actor=user("vi", "viewer"), now=dbclock.now())
    assert status(row) == N.DEAD
