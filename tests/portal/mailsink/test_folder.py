"""Kept mail: bounded, found by its own names only, readable whatever a stranger wrote."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.mailsink.folder import LONGEST_TEXT, MailFolder

NOW = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC)
LETTER = "From: a@example.com\r\nTo: b@example.com\r\nSubject: =?utf-8?b?6K6i5Y2V?=\r\n\r\nhello 中".encode()


@pytest.fixture
def folder(tmp_path):
    return MailFolder(tmp_path / "mail", most_messages=5, most_bytes=10_000)


def test_a_message_is_kept_for_its_owner_only_and_read_again(folder):
    name = folder.keep(LETTER, NOW)
    opened = folder.open(name)
    assert (opened.kept.subject, opened.kept.sender, opened.kept.recipients) == (
        "订单",
        "a@example.com",
        "b@example.com",
    )
    assert opened.kept.at == NOW and opened.kept.size == len(LETTER)
    assert opened.text.startswith("hello")
    assert stat.S_IMODE((folder.path / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_the_newest_messages_stay(folder):
    names = [folder.keep(LETTER, NOW + timedelta(seconds=n)) for n in range(8)]
    assert folder.names() == names[:2:-1]
    assert [kept.name for kept in folder.newest(2, skip=1)] == [names[6], names[5]]


def test_the_folder_does_not_grow_over_its_size(folder):
    for n in range(4):
        folder.keep(b"x" * 4000, NOW + timedelta(seconds=n))
    assert sum(path.stat().st_size for path in folder.path.iterdir()) <= 10_000


def test_a_message_larger_than_the_folder_is_kept_alone(folder):
    folder.keep(LETTER, NOW)
    last = folder.keep(b"x" * 20_000, NOW + timedelta(seconds=1))
    assert folder.names() == [last]


@pytest.mark.parametrize(
    "name", ["../secrets.json", "/etc/passwd", "", ".", "x.eml", "20261121T090000123456-000001.eml/../../secrets.json"]
)
def test_only_names_of_its_own_are_looked_up(folder, name):
    folder.keep(LETTER, NOW)
    (folder.path.parent / "secrets.json").write_text("SECRET")
    (folder.path / "x.eml").write_text("SECRET")
    assert folder.source(name) is None and folder.open(name) is None


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert MailFolder(tmp_path / "none").newest(10) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: =?x-none?q?a?=\r\nFrom: <<<>>,,@\r\nTo: \r\nDate: never\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x--",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: text/plain; charset=none\r\nContent-Transfer-Encoding: base64\r\n\r\n####",
        b"Content-Type: message/rfc822\r\n\r\n" * 50,
        b"Content-Type: text/html\r\n\r\n<script>alert(1)</script>",
        b"\r\n" + b"x" * 3_000_000,
    ],
)
def test_any_message_can_be_opened(folder, content):
    opened = folder.open(folder.keep(content, NOW))
    assert opened is not None and len(opened.text) <= LONGEST_TEXT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(content=st.binary(max_size=300))
def test_any_bytes_can_be_opened(folder, content):
    assert folder.open(folder.keep(b"Subject: " + content, NOW)) is not None
