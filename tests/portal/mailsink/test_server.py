"""The server that keeps mail, as a process, talked to by smtplib and by strangers."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
from datetime import UTC, datetime
from email.message import EmailMessage

import psutil
import pytest

from alerts.transports import Message, deliver
from portal.mailsink.folder import MailFolder
from tests.source import ROOT


@pytest.fixture(scope="module")
def sink(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sink") / "mail"
    process = subprocess.Popen(
        [sys.executable, "-m", "portal.mailsink", "0", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    yield int(line.split("127.0.0.1:")[1].split()[0]), MailFolder(folder)
    process.terminate()
    assert process.wait(timeout=10) == 0


def letter(**headers):
    mail = EmailMessage()
    for name, value in {"Subject": "订单", "From": "a@example.com", "To": "b@example.com", **headers}.items():
        mail[name] = value
    mail.set_content("hello\n.\n..dots\nend 中")
    return mail


def talk(port, text):
    """What the server says to these bytes, until it or we are done."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
        stranger.sendall(text)
        stranger.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: stranger.recv(4096), b"")).decode()


def test_a_message_arrives_whole(sink):
    port, folder = sink
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.send_message(letter(), to_addrs=["b@example.com", "hidden@example.com"])
        client.send_message(letter(Subject="second"))
    second, first = folder.newest(2)
    assert (second.subject, first.subject) == ("second", "订单")
    assert first.recipients == "b@example.com, hidden@example.com"
    text = folder.open(first.name).text
    assert text.replace("\r\n", "\n") == "hello\n.\n..dots\nend 中\n"


def test_what_a_channel_sends_is_found_there(sink, settings):
    port, folder = sink
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    sent = Message(delivery_id="d-1", subject="告警触发", body="42 行", at=datetime.now(UTC), language="zh-hans")
    receipt = deliver("email", {"recipients": ["li@example.com"]}, {}, sent)
    kept = folder.open(folder.names()[0])
    assert (kept.kept.subject, kept.kept.recipients) == ("告警触发", "li@example.com")
    assert ("Message-ID", receipt.remote_id) in kept.headers and kept.has_page and "42 行" in kept.text


def test_it_listens_on_loopback_only(sink):
    listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    assert {host for host, port in (tuple(each.laddr) for each in listening) if port == sink[0]} == {"127.0.0.1"}


@pytest.mark.parametrize("text", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\n\r\nEHLO x\r\n"])
def test_a_browser_is_sent_away(sink, text):
    assert talk(sink[0], text).count("\r\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"NOPE\r\n" * 10, "421 Too many mistakes"),
        (b"DATA\r\n", "503 RCPT comes first"),
        (b"RCPT TO:<a@b.c>\r\n", "503 MAIL comes first"),
        (b"MAIL FROM:a@b.c\r\n", "501 Write MAIL FROM:<address>"),
        (b"NOOP " + b"x" * 3000 + b"\r\n", "500 The line is too long"),
        (b"VRFY x\r\nRSET\r\nHELO x\r\nQUIT\r\n", "221 Bye"),
    ],
)
def test_mistakes_are_answered(sink, text, words):
    assert words in talk(sink[0], text)


def test_a_line_without_end_and_bytes_without_sense_end_the_connection(sink):
    port, folder = sink
    before = folder.names()
    for text in (b"x" * 200_000, bytes(range(256)) * 10, b"MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nhalf"):
        talk(port, text)
    assert folder.names() == before


def test_a_message_that_is_too_long_is_refused_and_the_next_one_taken(sink):
    port, folder = sink
    before = folder.names()
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.mail("a@example.com")
        client.rcpt("b@example.com")
        code, _words = client.data(b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 40_000)
        assert code == 552
        client.send_message(letter())
    assert len(folder.names()) == len(before) + 1
