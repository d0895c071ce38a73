"""The history of messages, the page of one, sending again, and how sending went."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts.models import Notification, NotificationRule
from alerts.states import NotificationStatus
from alerts.wording import say
from jobs import freezes
from tests.alerts.admin import incidentrows as rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/notification/"
STATS = f"{LIST}statistics/"
N = NotificationStatus


def page(message: Notification) -> str:
    return f"{LIST}{message.pk}/change/"


def subjects(client, query: str) -> set[str]:
    return {row.subject for row in client.get(f"{LIST}?{query}").context["cl"].result_list}


def test_each_message_says_where_it_went_and_why_it_did_not(editor) -> None:
    to = rows.channel()
    until = timezone.now() + timedelta(hours=2)
    rows.message(to, status="held", why=say("notice.held", until_at=until).stored, recipients=["a@example.com"])
    rows.message(to, status="dead", why={"msgid": "There was no answer."}, trigger="test")
    text = editor.get(LIST).content.decode()
    for words in ("Held back", "It is held back until", "Given up", "There was no answer.", "a@example.com", "Test"):
        assert words in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status__exact=dead", {"gone"}),
        ("trigger__exact=error", {"new"}),
        ("period=hour", {"new", "gone"}),
        ("q=NE", {"new", "gone"}),
        ("q=nothing", set()),
        ("q=%23{pk}", {"old"}),
        ("q={delivery}", {"old"}),
    ],
)
def test_filters_and_search(editor, query, expected) -> None:
    to, long_ago = rows.channel(), timezone.now() - timedelta(days=3)
    old = rows.message(to, subject="old", happened_at=long_ago)
    rows.message(to, subject="new", trigger="error")
    rows.message(to, subject="gone", status="dead")
    assert subjects(editor, query.format(pk=old.pk, delivery=old.delivery_id)) == expected


def test_more_messages_take_no_more_statements(editor) -> None:
    def count() -> int:
        freezes.forget()
        with CaptureQueriesContext(connection) as found:
            assert editor.get(LIST).status_code == 200
        return len(found)

    to = rows.channel()
    rows.message(to)
    count()
    few = count()
    for _number in range(30):
        rows.message(to, rows.incident(str(_number)))
    assert count() == few <= 25


def test_the_page_shows_every_try_with_its_problem(editor) -> None:
    row = rows.message(rows.channel(), rows.incident("cause"), status="dead", run_id=4711)
    rows.attempt(row, 1, is_ok=False, problem={"msgid": "There was no answer."}, sender="worker-1")
    rows.attempt(row, 2, receipt="250 OK")
    text = editor.get(page(row)).content.decode()
    for words in ("There was no answer.", "250 OK", "worker-1", "cause fires", "Run #4711 is not kept any more"):
        assert words in text


def test_who_reads_the_history_does_not_get_the_signed_link(as_role) -> None:
    body = "Acknowledge: https://portal.example/alerts/acknowledge/WzEs:1x:abc-DEF_9/ now"
    row = rows.message(rows.channel(), body=body, facts={"acknowledge_url": "WzEs:1x:abc-DEF_9"})
    text = as_role("viewer").get(page(row)).content.decode()
    assert "WzEs" not in text
    assert "https://portal.example/alerts/acknowledge/…/ now" in text


def test_an_admin_sends_again_what_was_given_up(as_role) -> None:
    row = rows.message(rows.channel(), status="dead", delivery_id="0b6e2b5e-8e5b-4d4b-9d3b-0d4d9b1a2c3d")
    admin = as_role("admin")
    assert "Send again" in admin.get(page(row)).content.decode()
    admin.post(f"{LIST}{row.pk}/again/")
    again = Notification.objects.get()
    assert (again.status, str(again.delivery_id)) == (N.PENDING, "0b6e2b5e-8e5b-4d4b-9d3b-0d4d9b1a2c3d")


@pytest.mark.parametrize("role", ["viewer", "operator", "editor"])
def test_who_may_not_change_the_channel_sends_nothing_again(as_role, role) -> None:
    row = rows.message(rows.channel(), status="dead")
    client = as_role(role)
    assert "Send again" not in client.get(page(row)).content.decode()
    assert client.post(f"{LIST}{row.pk}/again/").status_code == 403
    row.refresh_from_db()
    assert row.status == N.DEAD


def test_a_sent_message_is_not_sent_twice_and_a_get_sends_nothing(as_role) -> None:
    admin, to = as_role("admin"), rows.channel()
    sent, dead = rows.message(to), rows.message(to, status="dead")
    admin.post(f"{LIST}{sent.pk}/again/")
    assert admin.get(f"{LIST}{dead.pk}/again/").status_code == 405
    assert [row.status for row in Notification.objects.order_by("pk")] == [N.SENT, N.DEAD]


def test_the_history_is_read_only_and_of_the_own_tenant(editor) -> None:
    foreign = rows.message(rows.channel(of=jobs.tenant("other")), subject="foreign")
    mine = rows.message(rows.channel())
    assert editor.get(page(foreign)).status_code == 404
    assert subjects(editor, "") == {"It fires"}
    assert editor.post(page(mine), {"status": "dead"}).status_code == 403
    assert editor.get(f"{LIST}add/").status_code == 403
    assert editor.post(f"{LIST}{mine.pk}/delete/", {"post": "yes"}).status_code == 403


# --- statistics -------------------------------------------------------------------------------------------------------


def test_statistics_count_per_channel_and_say_how_long_it_took(editor) -> None:
    ops, quiet = rows.channel("ops"), rows.channel("quiet")
    now = timezone.now()
    for seconds in (10, 30):
        rows.message(ops, happened_at=now - timedelta(seconds=seconds), sent_at=now)
    rows.message(ops, status="dead")
    rows.message(ops, happened_at=now - timedelta(days=40))
    rows.message(rows.channel("foreign", of=jobs.tenant("other")), status="dead")
    found = {one["channel"].slug: one for one in editor.get(STATS).context["channels"]}
    assert set(found) == {"ops", "quiet"}
    assert (found["ops"]["found"].sent, found["ops"]["found"].dead) == (2, 1)
    assert found["ops"]["found"].mean == timedelta(seconds=20)
    assert found["ops"]["found"].slowest == timedelta(seconds=30)
    assert (sum(found["ops"]["found"].sent_per_day), sum(found["ops"]["found"].dead_per_day)) == (2, 1)
    assert (found["quiet"]["found"].sent, found["quiet"]["mean"]) == (0, "–")
    assert {one["channel"] for one in editor.get(f"{STATS}?days=90").context["channels"]} == {ops, quiet}
    assert editor.get(f"{STATS}?days=90").context["channels"][0]["found"].sent == 3


@pytest.mark.parametrize("days", ["", "7", "30", "90", "100000", "-1", "x"])
def test_statistics_of_a_tenant_without_messages(as_role, days) -> None:
    response = as_role("viewer").get(f"{STATS}?days={days}")
    assert "Nothing was written in this time." in response.content.decode()
    assert response.context["days"] in {7, 30, 90}


def test_statistics_name_the_rules_that_write_most(editor) -> None:
    to = rows.channel()
    loud, calm = (NotificationRule.objects.create(tenant=to.tenant, name=name) for name in ("loud", "calm"))
    for rule in (loud, loud, calm, None):
        rows.message(to, rule=rule)
    assert editor.get(STATS).context["top_rules"] == [(loud.pk, "loud", 2), (calm.pk, "calm", 1)]
