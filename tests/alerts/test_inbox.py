"""Messages to people: who gets them, in which language, and nobody else."""

from datetime import timedelta
from uuid import uuid4

import pytest

from alerts import inbox
from alerts.inbox import Letter, mark_read, tell_admins, tell_people, tell_platform, unread_count
from alerts.models import InboxMessage
from alerts.states import NotificationStatus as N
from jobs import dbclock
from portal.lib.said import said
from tests.alerts.postrows import channel, drain, notification, status
from tests.jobs.rows import tenant, user

pytestmark = pytest.mark.django_db


def told(person):
    return list(InboxMessage.objects.filter(user=person).values_list("subject", flat=True))


def test_each_person_gets_one_message_however_often_it_is_told():
    ann = user("ann")
    letter = Letter(subject="Hello", delivery_id=uuid4())
    for _time in range(2):
        tell_people([ann, ann], letter, now=dbclock.now(), tenant=tenant())
    assert told(ann) == ["Hello"]


def test_a_person_who_left_gets_none():
    gone = user("gone", is_active=False)
    assert tell_people([gone], Letter(subject="Hello"), now=dbclock.now()) == 0


def test_admins_of_the_tenant_are_told_and_nobody_else():
    ann, ed, other = user("ann", "admin"), user("ed", "editor"), user("oz", "admin", of=tenant("other"))
    root = user("root", "", is_superuser=True)
    tell_admins(tenant(), Letter(subject="Hello"), now=dbclock.now())
    assert [told(person) for person in (ann, ed, other, root)] == [["Hello"], [], [], []]


def test_the_platform_is_its_admins():
    ann, root = user("ann", "admin"), user("root", "", is_superuser=True)
    tell_platform(Letter(subject="Hello"), now=dbclock.now())
    assert (told(ann), told(root)) == ([], ["Hello"])


def test_a_sentence_is_said_in_the_readers_language():
    ann, wei = user("ann", language="en"), user("wei", language="zh-hans")
    tell_people([ann, wei], Letter(subject=said("Monday")), now=dbclock.now(), tenant=tenant())
    assert (told(ann), told(wei)) == (["Monday"], ["星期一"])  # Django's own words: they are always compiled


def test_unread_messages_are_counted_up_to_a_number(django_assert_num_queries):
    ann = user("ann")
    for _ in range(5):
        tell_people([ann], Letter(subject="Hello"), now=dbclock.now(), tenant=tenant())
    with django_assert_num_queries(1):
        assert unread_count(ann) == 5
    assert unread_count(ann, most=3) == 3


def test_reading_marks_only_ones_own():
    ann, ed = user("ann"), user("ed")
    tell_people([ann, ed], Letter(subject="Hello"), now=dbclock.now(), tenant=tenant())
    other = InboxMessage.objects.get(user=ed)
    assert mark_read(ann, now=dbclock.now(), ids=[other.pk]) == 0
    assert mark_read(ann, now=dbclock.now()) == 1
    assert (unread_count(ann), unread_count(ed)) == (0, 1)


def test_messages_of_a_tenant_one_has_left_are_out_of_sight():
    ann = user("ann")
    tell_people([ann], Letter(subject="Hello"), now=dbclock.now(), tenant=tenant())
    ann.memberships.all().delete()
    assert unread_count(ann) == 0


@pytest.mark.parametrize(
    ("days", "is_read", "is_kept"), [(89, True, True), (91, True, False), (91, False, True), (366, False, False)]
)
def test_old_messages_go_read_ones_first(days, is_read, is_kept):
    ann, now = user("ann"), dbclock.now()
    tell_people([ann], Letter(subject="Hello"), now=now - timedelta(days=days), tenant=tenant())
    if is_read:
        InboxMessage.objects.update(read_at=now - timedelta(days=days))
    inbox.prune(now)
    assert InboxMessage.objects.exists() is is_kept


# --- the kind of channel ----------------------------------------------------------------------------------------------


def inbox_channel(**params):
    return channel("people", kind="inbox", params=params)


def test_a_channel_writes_to_those_who_have_the_roles_or_the_names():
    ann, ed, vi = user("ann", "admin"), user("ed", "editor"), user("vi", "viewer")
    row = notification(inbox_channel(roles=["admin"], users=["vi"]), "Disk full")
    drain()
    assert status(row) == N.SENT
    assert [told(person) for person in (ann, ed, vi)] == [["Disk full"], [], ["Disk full"]]
    assert row.attempts.get().is_ok


def test_a_foreign_user_who_is_named_gets_nothing():
    ann, oz = user("ann", "admin"), user("oz", "admin", of=tenant("other"))
    notification(inbox_channel(users=["ann", "oz"]))
    drain()
    assert (told(ann), told(oz)) == (["Disk full"], [])


def test_named_recipients_replace_the_channels():
    ann, ed = user("ann", "admin"), user("ed", "editor")
    notification(inbox_channel(roles=["admin"]), recipients=["ed"])
    drain()
    assert (told(ann), told(ed)) == ([], ["Disk full"])


def test_a_channel_for_nobody_is_a_failure_that_admins_hear_of():
    ann = user("ann", "admin")
    row = notification(inbox_channel(users=["nobody"]))
    drain()
    assert status(row) == N.DEAD
    assert "Nobody has the roles" in row.why["msgid"]
    assert any("fails" in subject for subject in told(ann))


def test_many_go_in_few_transactions(django_assert_max_num_queries):
    user("ann", "admin")
    on = inbox_channel(roles=["admin"])
    for place in range(20):
        notification(on, f"m{place}")
    drain()
    assert InboxMessage.objects.count() == 20
