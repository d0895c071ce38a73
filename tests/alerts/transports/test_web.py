"""What every transport over HTTP does when the other side misbehaves, against a real server."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils.translation import override

from alerts.transports import TRANSPORTS, DeliveryError, deliver
from alerts.transports.web import pause_of
from alerts.wording import render
from portal.lib import http
from tests.alerts.transports.messages import message
from tests.alerts.transports.webserver import Answer

PHONE = "+8613800138000"
HANG_SECONDS = 20  # the server hangs for 30
TOKEN = "tok-abcdef0123456789"
OK_OF = {
    "dingtalk": Answer.of({"errcode": 0, "errmsg": "ok"}),
    "wecom": Answer.of({"errcode": 0, "errmsg": "ok"}),
    "feishu": Answer.of({"code": 0, "msg": "success", "data": {}}),
    "slack": Answer(body=b"ok"),
    "teams": Answer(status=202),
    "webhook": Answer(status=204),
    "twilio": Answer.of({"sid": "SM1", "status": "queued", "error_code": None}, 201),
    "aliyun_sms": Answer.of({"Code": "OK", "BizId": "B1", "Message": "OK"}),
    "tencent_sms": Answer.of(
        {"Response": {"SendStatusSet": [{"Code": "Ok", "SerialNo": "S1", "PhoneNumber": PHONE}], "RequestId": "r"}}
    ),
}
KINDS = sorted(OK_OF)


def settings_of(kind, url, **changes):
    """(params, secrets) of a channel of this kind at a server's address."""
    sms = {"recipients": [PHONE], "base_url": url}
    params = {
        "webhook": {"url": f"{url}/hook/{TOKEN}"},
        "twilio": {**sms, "account_sid": "AC0123456789abcdef", "sender": "+15005550006"},
        "aliyun_sms": {**sms, "access_key_id": "AK", "sign_name": "门户", "template_code": "SMS_1"},
        "tencent_sms": {**sms, "secret_id": "SID", "sdk_app_id": "1400006666", "template_id": "1110"},
    }.get(kind, {})
    secrets = {
        "webhook": {"signing_secret": "signing-secret-of-the-hook", "authorization": f"Bearer {TOKEN}"},
        "twilio": {"auth_token": TOKEN},
        "aliyun_sms": {"access_key_secret": TOKEN},
        "tencent_sms": {"secret_key": TOKEN},
    }.get(kind, {"webhook_url": f"{url}/hook/{TOKEN}?key={TOKEN}"})
    return {"timeout": "5s", **params, **changes}, secrets


def send(kind, server, sent=None, to=None, **changes):
    params, secrets = settings_of(kind, server.url, **changes)
    return deliver(kind, params, secrets, sent or message(), to)


def failure(kind, server, **changes):
    with pytest.raises(DeliveryError) as caught:
        send(kind, server, **changes)
    return caught.value


def test_every_kind_over_http_is_in_these_tables():
    assert set(KINDS) == {one.kind for one in TRANSPORTS} - {"email", "inbox"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_service_takes_is_sent(kind, web):
    web.answers = [OK_OF[kind]]
    assert not send(kind, web).refused
    assert len(web.asked) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_of_the_server_is_tried_again(kind, status, web):
    web.answers = [Answer(status=status, body=b"<html>oops</html>")]
    error = failure(kind, web)
    assert not error.is_permanent
    assert str(status) in error.sentence and "<html>" not in error.sentence


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_for_good(kind, status, web):
    web.answers = [Answer(status=status)]
    assert failure(kind, web).is_permanent


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_requests_waits_as_long_as_the_service_says(kind, web):
    web.answers = [Answer(status=429, headers={"Retry_After": "37"}, body=b"{}")]
    error = failure(kind, web)
    assert (error.is_permanent, error.retry_after) == (False, timedelta(seconds=37))


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_hangs_ends_in_the_time_given(kind, web):
    web.answers = [Answer(hangs=True)]
    began = time.monotonic()
    error = failure(kind, web, timeout=0.3)
    assert not error.is_permanent and "did not answer" in error.sentence
    assert time.monotonic() - began < HANG_SECONDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(kind, status, web):
    web.answers = [Answer(status=status, headers={"Location": "http://169.254.169.254/latest/meta-data/"}), OK_OF[kind]]
    error = failure(kind, web)
    assert len(web.asked) == 1
    assert error.is_permanent == (status in (301, 308))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]"])
def test_an_internal_address_is_refused_without_a_connection(kind, host, web, settings):
    settings.PORTAL_HTTP_ALLOWED_NETWORKS = []
    params, secrets = settings_of(kind, f"http://{host}:{web.port}")
    with pytest.raises(DeliveryError, match="internal address") as caught:
        deliver(kind, params, secrets, message())
    assert caught.value.is_permanent
    assert not web.asked


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_connection_is_tried_again(kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        params, secrets = settings_of(kind, f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(DeliveryError, match="refused the connection") as caught:
            deliver(kind, params, secrets, message())
    assert not caught.value.is_permanent


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"", b"[]", b"<html></html>", b"[" * 60_000, b"\xff\xfe", b"{}"])
def test_an_answer_that_says_nothing_known_is_never_taken_for_sent(kind, body, web):
    """Except where the status alone decides."""
    web.answers = [Answer(body=body)]
    if kind == "webhook" or (kind == "teams" and body == b""):
        send(kind, web)
    else:
        assert not failure(kind, web).is_permanent


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_repeats_the_secret_does_not_get_it_out(kind, web):
    _params, secrets = settings_of(kind, web.url)
    words = " ".join(secrets.values())
    web.answers = [Answer.of(dict.fromkeys(("errmsg", "Message", "message", "msg", "error"), words), 400)]
    error = failure(kind, web)
    for text in (error.sentence, str(error), str(error.stored), repr(error.__cause__), repr(error.__context__)):
        assert TOKEN not in text and "signing-secret" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_sentence_is_kept_for_every_language(kind, web):
    web.answers = [Answer(status=500)]
    stored = failure(kind, web).stored
    with override("zh-hans"):
        chinese = render(stored)
    assert chinese != render(stored)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 1),
        ("120", 120),
        ("99999999999999999999", 3600),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 3600),
        ("Sat, 21 Nov 2026 09:01:00 GMT", 60),
        ("Sat, 21 Nov 2020 09:01:00 GMT", 1),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_reason(text, seconds):
    response = http.Response(
        status=429, reason="", url="https://x.example/", headers=[("Retry-After", text)], body=b"",
        is_truncated=False, seconds=0.1, redirect_count=0,
    )  # fmt: skip
    found = pause_of(response, datetime(2026, 11, 21, 9, tzinfo=UTC))
    assert found == (timedelta(seconds=seconds) if seconds is not None else None)
