"""E-mail against a real SMTP server that refuses, greylists, hangs, and talks without end."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core import mail as outbox
from django.utils.translation import override
from pydantic import ValidationError

from alerts.transports import DeliveryError, deliver
from alerts.transports.email import EmailParams, message_name
from alerts.wording import render
from tests.alerts.transports.mailserver import MailServer
from tests.alerts.transports.messages import ACK, message

HANG_SECONDS = 20  # the server hangs for 30
TO = "li@example.com"
OTHER = "wang@example.com"


def send(server, sent=None, to=None, secrets=None, **changes):
    params = {"host": "127.0.0.1", "port": server.port, "encryption": "none", "recipients": [TO], "timeout": "5s"}
    return deliver("email", {**params, **changes}, secrets or {}, sent or message(), to)


def failure(server, **changes):
    with pytest.raises(DeliveryError) as caught:
        send(server, **changes)
    return caught.value


def test_text_and_page_arrive_with_the_headers_of_a_machine(mail):
    receipt = send(
        mail, message(subject="订单未付", body="42 行\n.\nend"), sender="portal@example.com", sender_name="门户"
    )
    got = mail.mails[0]
    assert (got["Subject"], got["To"]) == ("订单未付", TO)
    assert got["From"].addresses[0].display_name == "门户"
    assert (got["Auto-Submitted"], got["Importance"]) == ("auto-generated", "high")
    text = got.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text.startswith("42 行\n.\nend") and ACK in text
    assert f'href="{ACK}"' in got.get_body(("html",)).get_content()
    assert receipt.remote_id == got["Message-ID"] == "<delivery-0001@example.com>"


def test_every_try_has_the_same_message_id(mail):
    mail.replies["END"] = "drop after"
    error = failure(mail)
    assert not error.is_permanent
    del mail.replies["END"]
    send(mail)
    assert len({str(one["Message-ID"]) for one in mail.mails}) == 1 and len(mail.mails) == 2


def test_what_is_taken_stays_sent_when_the_goodbye_fails(mail):
    mail.replies["QUIT"] = "drop"
    assert send(mail).remote_id


@pytest.mark.parametrize("text", ["a\r\nBcc: evil@example.com", "a\nb", "a\x00b", "x" * 10_000, "\u2028"])
def test_a_subject_can_not_become_a_header(mail, text):
    send(mail, message(subject=text))
    got = mail.mails[0]
    assert got["Bcc"] is None
    assert len(got["Subject"]) <= 200


def test_values_are_escaped_in_the_page(mail):
    send(mail, message(subject="<b>", body="<script>alert(1)</script>", url="javascript:alert(1)"))
    page = mail.mails[0].get_body(("html",)).get_content()
    assert "<script" not in page and "<b>" not in page and "javascript:" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("command", "reply", "is_permanent"),
    [
        ("220", "554 no service", True),
        ("220", "421 too busy", False),
        ("MAIL", "550 sender not allowed", True),
        ("MAIL", "451 later", False),
        ("RCPT", "550 no such user", True),
        ("RCPT", "450 greylisted, try again", False),
        ("RCPT", "421 shutting down", False),
        ("DATA", "554 no", True),
        ("END", "554 looks like spam", True),
        ("END", "452 disk full", False),
        ("END", "999 nonsense", False),
        ("END", "yes, thank you", False),
        ("END", "partial 25", False),
        ("END", "partial 250", False),
        ("RCPT", "nonsense", False),
        ("MAIL", "354 go on", False),
        ("EHLO", "drop", False),
        ("DATA", "drop", False),
    ],
)
def test_replies_decide_whether_it_is_tried_again(mail, command, reply, is_permanent):
    mail.replies[command] = reply
    error = failure(mail)
    assert error.is_permanent == is_permanent
    assert not mail.mails


def test_greylisting_is_waited_for(mail):
    mail.replies["RCPT"] = "450 greylisted"
    assert failure(mail).retry_after == timedelta(minutes=1)


def test_one_refused_recipient_does_not_stop_the_others(mail):
    mail.replies[f"RCPT <{OTHER}>"] = "550 no such user"
    mail.replies["RCPT <slow@example.com>"] = "451 later"
    receipt = send(mail, to=(TO, OTHER, "slow@example.com", "no address"))
    assert {one.recipient: one.is_permanent for one in receipt.refused} == {
        OTHER: True, "slow@example.com": False, "no address": True,
    }  # fmt: skip
    assert receipt.to_retry == ("slow@example.com",)
    assert len(mail.mails) == 1


def test_refused_by_all_is_tried_again_while_one_may_still_take_it(mail):
    mail.replies["RCPT"] = "550 no such user"
    mail.replies[f"RCPT <{OTHER}>"] = "450 later"
    assert not failure(mail, to=(TO, OTHER)).is_permanent


@pytest.mark.parametrize("command", ["220", "EHLO", "RCPT", "DATA", "END"])
@pytest.mark.parametrize("reply", ["hang", "drip"])
def test_a_server_that_hangs_or_dribbles_ends_in_the_time_given(mail, command, reply):
    mail.replies[command] = reply
    began = time.monotonic()
    error = failure(mail, timeout=0.4)
    assert not error.is_permanent and "did not answer" in error.sentence
    assert time.monotonic() - began < HANG_SECONDS


def test_a_reply_without_end_does_not_fill_the_memory(mail):
    mail.replies["EHLO"] = "endless"
    began = time.monotonic()
    assert not failure(mail, timeout="20s").is_permanent
    assert time.monotonic() - began < HANG_SECONDS


def test_nobody_listens(settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryError, match="refused the connection") as caught:
            deliver("email", {"host": "127.0.0.1", "port": free.getsockname()[1], "recipients": [TO]}, {}, message())
    assert not caught.value.is_permanent


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1"])
def test_a_channels_own_server_on_an_internal_address_is_refused(mail, host, settings):
    settings.PORTAL_HTTP_ALLOWED_NETWORKS = []
    error = failure(mail, host=host)
    assert error.is_permanent and "internal address" in error.sentence
    assert not mail.lines


def test_the_installations_server_may_be_internal(mail, settings):
    settings.PORTAL_HTTP_ALLOWED_NETWORKS = []
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.DEFAULT_FROM_EMAIL = "Portal <portal@example.com>"
    send(mail, host="", port=None)
    assert mail.mails[0]["From"] == "Portal <portal@example.com>"


@pytest.mark.parametrize("backend", ["console", "dummy"])
def test_a_backend_that_delivers_nothing_is_not_taken_for_sent(mail, settings, backend):
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    assert "no mail server" in failure(mail, host="").sentence


def test_another_backend_of_django_is_used(mail, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    send(mail, host="")
    assert outbox.outbox[0].extra_headers["Message-ID"].startswith("<delivery-0001@")
    assert isinstance(outbox.outbox[0], outbox.EmailMultiAlternatives) and outbox.outbox[0].alternatives


# --- log-in and TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return folder / "key.pem"


@pytest.fixture
def safe_mail(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = MailServer(context)
    yield server
    server.close()


LOGIN = {"encryption": "starttls", "username": "portal", "secrets": {"password": "hush-hush-123"}}


def test_starttls_then_log_in(safe_mail):
    send(safe_mail, verify_tls=False, **LOGIN)
    assert len(safe_mail.mails) == 1
    assert any(line.upper().startswith("AUTH PLAIN") for line in safe_mail.lines)


def test_a_certificate_nobody_vouches_for_stops_it_before_the_password(safe_mail):
    error = failure(safe_mail, **LOGIN)
    assert not error.is_permanent and "can't be trusted" in error.sentence
    assert not any(line.upper().startswith("AUTH") for line in safe_mail.lines)


@pytest.mark.parametrize(("code", "is_permanent"), [(535, True), (454, False)])
def test_a_refused_log_in_does_not_show_the_password(safe_mail, code, is_permanent):
    safe_mail.replies["AUTH"] = f"{code} no, not portal with hush-hush-123"
    error = failure(safe_mail, verify_tls=False, **LOGIN)
    assert error.is_permanent == is_permanent
    assert "hush" not in f"{error} {error.stored} {error.__context__!r}"
    assert "refused the log-in" in error.sentence


def test_a_server_that_can_not_encrypt_gets_no_password(mail):
    error = failure(mail, **LOGIN)
    assert error.is_permanent and "change its encryption" in error.sentence
    assert not any(line.upper().startswith("AUTH") for line in mail.lines)


def test_a_server_that_hangs_in_the_handshake_ends_in_the_time_given(mail):
    began = time.monotonic()
    error = failure(mail, encryption="tls", timeout=0.4)
    assert not error.is_permanent
    assert time.monotonic() - began < HANG_SECONDS


@pytest.mark.parametrize(
    "changes",
    [
        {"recipients": ["a@b.c\r\nRCPT TO:<evil@example.com>"]},
        {"recipients": ["Li <li@example.com>"]},
        {"recipients": ["li@@example.com"]},
        {"sender": "a@example.com\nX: y"},
        {"sender_name": "a\nb"},
        {"host": "mail.example.com\r\n"},
        {"host": "-oProxy"},
        {"host": "mail.example.com", "username": "x", "encryption": "none"},
        {"username": "x"},
    ],
)
def test_settings_that_would_break_out_or_not_fit_are_refused(changes):
    with pytest.raises(ValidationError):
        EmailParams(**changes)


def test_an_address_with_a_chinese_domain_is_sent_in_ascii(mail):
    send(mail, to=("li@例子.中国",))
    assert "RCPT TO:<li@xn--fsqu00a.xn--fiqs8s>" in [line.replace("rcpt", "RCPT") for line in mail.lines]


@pytest.mark.parametrize("text", ["a b", "a\r\nb", "x" * 500, "", "..", "订单", "<x>", "a@b"])
def test_any_delivery_id_makes_a_good_message_id(text):
    assert message_name(text).isascii() and " " not in message_name(text) and len(message_name(text)) == 40
    assert message_name(text) == message_name(text)


def test_the_sentence_is_kept_for_every_language(mail):
    mail.replies["RCPT"] = "550 no such user"
    stored = failure(mail).stored
    with override("zh-hans"):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in render(stored))
