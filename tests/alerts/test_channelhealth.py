"""Whether a channel works, and who is told that it does not."""

import pytest

from alerts.models import InboxMessage
from tests.alerts.postrows import channel, drain, notification
from tests.jobs.rows import user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("witness")]


def fail(on, dispatcher=None):
    notification(on)
    dispatcher = drain(dispatcher)
    dispatcher._paused.clear()
    on.refresh_from_db()
    return dispatcher


def told(person):
    return list(InboxMessage.objects.filter(user=person).order_by("pk").values_list("subject", flat=True))


def test_a_delivery_proves_it():
    on = channel()
    notification(on)
    drain()
    on.refresh_from_db()
    assert on.proven_at
    assert (on.failing_since, on.failure_count, on.problem) == (None, 0, {})


def test_failures_are_counted_since_the_first_with_the_last_sentence():
    on = channel(does="fail")
    dispatcher = fail(on)
    since = on.failing_since
    fail(on, dispatcher)
    assert (on.failing_since, on.failure_count, on.proven_at) == (since, 2, None)
    assert on.problem["sentence"]["words"] == "It is down."


def test_admins_are_told_once_that_it_fails_and_once_that_it_is_back():
    admin = user("ann", "admin")
    on = channel(does="fail")
    dispatcher = fail(on)
    assert told(admin) == []  # once is an accident
    for _time in range(3):
        fail(on, dispatcher)
    assert told(admin) == ["The channel “ops” fails"]
    on.params = {"does": "take"}
    on.save()
    fail(on, dispatcher)
    assert (on.failing_since, on.failure_count, on.problem) == (None, 0, {})
    assert told(admin) == ["The channel “ops” fails", "The channel “ops” delivers again"]


def test_a_new_failure_after_a_recovery_is_told_again():
    admin = user("ann", "admin")
    on = channel(does="refuse")
    dispatcher = fail(on)
    on.params = {"does": "take"}
    on.save()
    fail(on, dispatcher)
    on.params = {"does": "refuse"}
    on.save()
    fail(on, dispatcher)
    assert [subject for subject in told(admin) if subject.endswith("fails")] == ["The channel “ops” fails"] * 2


def test_admins_read_it_in_their_own_language(settings):
    admin = user("ann", "admin", language="zh-hans")
    fail(channel(does="refuse"))
    from django.utils.translation import gettext, override

    with override("zh-hans"):
        expected = gettext("The channel “%(name)s” fails") % {"name": "ops"}
    assert expected in told(admin)


def test_without_an_admin_the_platform_is_told():
    root = user("root", "", is_superuser=True)
    fail(channel(does="refuse"))
    assert "The channel “ops” fails" in told(root)
