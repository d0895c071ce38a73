"""The pages of kept mail: for platform admins only, read-only, safe with hostile mail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from portal.mailsink.folder import MailFolder
from portal.mailsink.pages import linked
from tests.cast import make_cast, make_platform_admin, make_stranger

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOSTILE = (
    b"From: <script>alert(1)</script> <a@example.com>\r\nTo: b@example.com\r\n"
    b"Subject: <img src=x onerror=alert(1)>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"<script>alert(2)</script> see https://portal.example.com/ack/x?a=1&b=2. javascript:alert(3)"
)


@pytest.fixture
def folder(tmp_path, settings):
    settings.PORTAL_MAIL_FOLDER = str(tmp_path / "mail")
    return MailFolder(tmp_path / "mail")


@pytest.fixture
def admin(client, db):
    client.force_login(make_platform_admin())
    return client


def pages(name):
    return [
        reverse("admin:kept_mail"),
        reverse("admin:kept_mail_message", args=[name]),
        reverse("admin:kept_mail_source", args=[name]),
    ]


def test_the_platform_admin_sees_list_message_and_source(admin, folder):
    name = folder.keep(HOSTILE, NOW)
    listed, shown, source = (admin.get(url) for url in pages(name))
    assert (listed.status_code, shown.status_code, source.status_code) == (200, 200, 200)
    assert name in listed.content.decode()
    assert source.content == HOSTILE
    assert source["Content-Disposition"].startswith("attachment") and source["X-Content-Type-Options"] == "nosniff"


def test_hostile_mail_is_only_text(admin, folder):
    name = folder.keep(HOSTILE, NOW)
    for url in pages(name)[:2]:
        text = admin.get(url).content.decode()
        assert "<script>alert" not in text and "<img src=x" not in text
    assert "&lt;script&gt;alert(2)" in admin.get(pages(name)[1]).content.decode()


def test_links_can_be_followed_and_only_web_addresses():
    made = linked('a <b> https://x.example/?a=1&b=2. javascript:alert(1) http://y.example/"onclick="z')
    assert 'href="https://x.example/?a=1&amp;b=2"' in made and "&lt;b&gt;" in made
    assert "javascript:" in made and 'href="javascript' not in made
    assert made.count("<a ") == 2 and 'onclick="z' not in made


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["owner", "operator", "viewer", "stranger"])
def test_nobody_of_a_tenant_sees_it(client, folder, role):
    name = folder.keep(HOSTILE, NOW)
    client.force_login(make_stranger() if role == "stranger" else make_cast("acme").members[role])
    assert {client.get(url).status_code for url in pages(name)} == {404}
    assert reverse("admin:kept_mail") not in client.get(reverse("admin:index")).content.decode()


@pytest.mark.django_db
def test_a_stranger_is_asked_to_log_in(client, folder):
    name = folder.keep(HOSTILE, NOW)
    assert {client.get(url).status_code for url in pages(name)} == {302}


def test_without_a_folder_there_is_no_page(admin, settings):
    settings.PORTAL_MAIL_FOLDER = ""
    assert admin.get(reverse("admin:kept_mail")).status_code == 404
    assert reverse("admin:kept_mail") not in admin.get(reverse("admin:index")).content.decode()


def test_it_is_in_the_sidebar_and_says_when_nothing_came(admin, folder):
    assert reverse("admin:kept_mail") in admin.get(reverse("admin:index")).content.decode()
    assert "No mail has come yet." in admin.get(reverse("admin:kept_mail"), HTTP_ACCEPT_LANGUAGE="en").content.decode()


def test_a_long_list_has_pages(admin, folder):
    for _each in range(60):
        folder.keep(HOSTILE, datetime.now(UTC))
    assert admin.get(reverse("admin:kept_mail")).content.decode().count(".eml") == 50
    assert admin.get(reverse("admin:kept_mail"), {"page": "2"}).content.decode().count(".eml") == 10


def test_a_page_only_shows(admin, folder):
    for url in pages(folder.keep(HOSTILE, NOW)):
        assert admin.post(url).status_code == 405


@pytest.mark.parametrize("name", ["x.eml", "..", "20261121T090000000000-000001.eml"])
def test_a_message_that_is_not_there(admin, folder, name):
    for page in ("message", "source"):
        assert admin.get(f"/admin/mail/{name}/{'source/' if page == 'source' else ''}").status_code == 404
