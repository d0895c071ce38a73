"""One's own inbox: nobody else's, read by a POST, with a bell on every page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from alerts.inbox import Letter, tell_people, tell_platform
from alerts.models import InboxMessage
from jobs import dbclock
from tests.jobs.rows import tenant, user

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/inboxmessage/"


def client_of(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def tell(*people, subject: str = "Disk full", **fields) -> InboxMessage:
    tell_people(people, Letter(subject=subject, body="90 % used", **fields), now=dbclock.now(), tenant=tenant())
    return InboxMessage.objects.filter(user=people[0]).latest("pk")


def page(client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_list_shows_ones_own_messages_and_no_others():
    ann, ed = user("ann", "admin"), user("ed", "viewer")
    tell(ann, subject="For Ann")
    tell(ed, subject="For Ed")
    text = page(client_of(ed), LIST)
    assert "For Ed" in text
    assert "For Ann" not in text


def test_a_platform_admin_sees_no_inbox_but_their_own():
    ann, root = user("ann", "admin"), user("root", "", is_superuser=True)
    tell(ann, subject="For Ann")
    tell_platform(Letter(subject="For the platform"), now=dbclock.now())
    text = page(client_of(root), LIST)
    assert "For the platform" in text
    assert "For Ann" not in text


@pytest.mark.parametrize("suffix", ["change/", "open/"])
def test_anothers_message_is_not_there(suffix):
    ann, ed = user("ann", "admin"), user("ed", "admin")
    row = tell(ann)
    client = client_of(ed)
    address = f"{LIST}{row.pk}/{suffix}"
    answer = client.post(address) if suffix == "open/" else client.get(address)
    assert answer.status_code == 404
    row.refresh_from_db()
    assert row.read_at is None


def test_opening_is_a_post_that_marks_as_read():
    ann = user("ann")
    row = tell(ann)
    client = client_of(ann)
    address = reverse("admin:alerts_inboxmessage_open", args=[row.pk])
    assert f'formaction="{address}"' in page(client, LIST)
    assert client.get(address).status_code == 405
    assert client.post(address).headers["Location"] == f"{LIST}{row.pk}/change/"
    assert "90 % used" in page(client, f"{LIST}{row.pk}/change/")
    row.refresh_from_db()
    assert row.read_at


def test_looking_changes_nothing():
    ann = user("ann")
    row = tell(ann)
    page(client_of(ann), f"{LIST}{row.pk}/change/")
    row.refresh_from_db()
    assert row.read_at is None


def test_all_are_marked_as_read_at_once():
    ann, ed = user("ann"), user("ed")
    tell(ann, ed)
    tell(ann)
    client = client_of(ann)
    assert client.get(f"{LIST}read/").status_code == 405
    client.post(f"{LIST}read/")
    assert InboxMessage.objects.filter(user=ann, read_at=None).count() == 0
    assert InboxMessage.objects.filter(user=ed, read_at=None).count() == 1


def test_the_bell_counts_what_is_unread_on_every_page():
    ann = user("ann")
    client = client_of(ann)
    assert "p-bell-count" not in page(client, "/admin/")
    tell(ann)
    tell(ann)
    text = page(client, "/admin/")
    assert "Inbox: 2 unread messages" in text
    client.post(f"{LIST}read/")
    assert "p-bell-count" not in page(client, "/admin/")


def test_a_great_many_are_shown_as_that():
    ann = user("ann")
    for _ in range(101):
        tell(ann)
    assert "99+" in page(client_of(ann), "/admin/")


def test_who_belongs_to_nothing_has_no_bell():
    assert "p-bell" not in client_of(user("solo", "")).get("/admin/").content.decode()


def test_a_text_with_markup_stays_text():
    ann = user("ann")
    tell(ann, subject="<script>alert(1)</script>")
    text = page(client_of(ann), LIST)
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize(
    ("link", "is_there"),
    [("jobs.job/7", True), ("alerts.nothing/7", False), ("https://evil.example/", False), ("jobs.job/7/../1", False)],
)
def test_a_link_leads_to_a_page_of_this_portal_or_nowhere(link, is_there):
    ann = user("ann")
    tell(ann, link=link)
    text = page(client_of(ann), LIST)
    assert ("/admin/jobs/job/7/change/" in text) is is_there
    assert "evil.example" not in text


def test_the_list_shows_the_first_line_and_not_the_table_below_it():
    ed = user("ed", "viewer")
    letter = Letter(subject="Orders", body="\n 328 orders wait.\nwaiting\n-------\n328")
    tell_people([ed], letter, now=dbclock.now(), tenant=tenant())
    text = page(client_of(ed), LIST)
    assert "328 orders wait.</small>" in text
    assert "-------" not in text


def test_results_are_counted_only_where_a_search_made_them_fewer():
    ed = user("ed", "viewer")
    tell(ed, subject="For Ed")
    assert "Show all" not in page(client_of(ed), LIST)
    assert "Show all" in page(client_of(ed), f"{LIST}?q=Ed")


def test_an_empty_list_is_not_called_a_search_that_found_nothing():
    ed = user("ed", "viewer")
    assert "Nothing here yet" in page(client_of(ed), LIST)
    found_nothing = page(client_of(ed), f"{LIST}?q=zzz")
    assert "Nothing matches" in found_nothing
    assert "Reset filters" in found_nothing
