"""Settings and secrets of channels, tests by hand, and fire drills."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from pydantic import ValidationError

from accounts.models import AuditEntry
from alerts import channels
from alerts.inboxkind import InboxParams
from alerts.models import Channel, InboxMessage, Notification
from alerts.parcels import secrets_of
from alerts.states import NotificationStatus as N
from jobs import dbclock
from portal.lib.fielderrors import FieldErrors, field_errors
from tests.alerts.postrows import Witness, channel, drain, notification, subjects
from tests.jobs.rows import tenant, user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("witness")]


# --- settings ---------------------------------------------------------------------------------------------------------


def test_an_inbox_for_nobody_is_refused():
    with pytest.raises(ValidationError) as refused:
        InboxParams.model_validate({})
    assert [str(error) for error in field_errors(refused.value)] == [
        "roles: Choose a role or name a user: otherwise nobody would get it."
    ]


def test_secrets_are_sealed_and_never_in_the_row():
    row = channel()
    channels.seal_secrets(row, {"password": "s3cret"})
    row.save()
    assert "s3cret" not in row.secrets_encrypted
    assert secrets_of(Channel.objects.get(pk=row.pk)) == {"password": "s3cret"}


def test_a_fallback_must_not_come_back_nor_leave_the_tenant():
    first, second = channel("a"), channel("b")
    second.fallback = first
    second.save()
    channels.check_fallback(second, first)
    with pytest.raises(FieldErrors, match="comes back"):
        channels.check_fallback(first, second)
    with pytest.raises(FieldErrors, match="same tenant"):
        channels.check_fallback(first, channel("c", tenant=tenant("other")))


# --- trying it out ----------------------------------------------------------------------------------------------------


def test_a_test_message_is_sent_at_once_and_kept():
    on, admin = channel(), user("root", "", is_superuser=True)
    tried = channels.test(on, admin)
    assert (tried.ok, tried.sentence) == (True, "The test message was delivered.")
    row = Notification.objects.get(pk=tried.notification)
    assert (row.status, row.trigger, row.get_trigger_display()) == (N.SENT, "test", "Test message")
    assert row.attempts.get().sender == "root"
    on.refresh_from_db()
    assert on.proven_at
    assert AuditEntry.objects.get(verb="alerts.channel.tested").details["ok"] is True


def test_a_failed_test_says_why_and_is_not_tried_again_elsewhere():
    other = channel("other")
    on = channel(does="fail", fallback=other)
    tried = channels.test(on, None)
    assert (tried.ok, tried.sentence) == (False, "It is down.")
    drain()
    assert (subjects(), Notification.objects.get().status) == ([], N.DEAD)
    on.refresh_from_db()
    assert on.failure_count == 1


def test_a_channel_that_hangs_gives_the_page_back_in_time():
    tried = channels.test(channel(does="hang"), None, seconds=0.05)
    assert not tried.ok
    assert "no answer" in tried.sentence
    assert Notification.objects.get().status == N.DEAD


def test_who_may_not_change_the_channel_may_not_send_through_it():
    with pytest.raises(PermissionDenied):
        channels.test(channel(), user("vi", "viewer"))
    assert not Notification.objects.exists()


def test_an_inbox_is_tested_like_any_other():
    ann = user("ann", "admin")
    tried = channels.test(channel(kind="inbox", params={"users": ["ann"]}), None)
    assert tried.ok
    assert InboxMessage.objects.filter(user=ann, subject="Test message").count() == 1


def test_the_other_side_is_told_which_language_the_channel_speaks():
    channels.test(channel(language="zh-hans"), None)
    assert Notification.objects.get().language == "zh-hans"


# --- fire drills ------------------------------------------------------------------------------------------------------


def drilled(**fields):
    on = channel(drill_every=timedelta(days=1), **fields)
    return on, channels.drill(dbclock.now())


def test_what_nothing_has_proven_is_drilled_and_proven_by_that():
    on, count = drilled()
    assert count == 1
    drain()
    on.refresh_from_db()
    assert subjects() == ["Test message"]
    assert on.proven_at and on.drilled_at


@pytest.mark.parametrize("field", ["proven_at", "drilled_at"])
def test_what_was_proven_or_drilled_lately_is_left_alone(field):
    assert drilled(**{field: dbclock.now() - timedelta(hours=23)})[1] == 0


def test_an_old_proof_is_none():
    assert drilled(proven_at=dbclock.now() - timedelta(hours=25))[1] == 1


def test_one_drill_at_a_time():
    on, _count = drilled()
    Channel.objects.filter(pk=on.pk).update(drilled_at=None)
    assert channels.drill(dbclock.now()) == 0


def test_channels_that_are_off_or_have_no_drill_are_left_alone():
    channel("a", drill_every=timedelta(days=1), is_active=False)
    channel("b")
    assert channels.drill(dbclock.now()) == 0


def test_a_drill_that_fails_does_not_wake_people_through_the_fallback():
    other = channel("other")
    on = channel(does="refuse", drill_every=timedelta(days=1), fallback=other)
    channels.drill(dbclock.now())
    drain()
    assert (subjects(), Witness.taken) == ([], [])
    notification(on)
    drain()
    assert subjects() == ["Disk full"]
