"""The signed webhook: what is posted, and that a receiver can check it with what we give receivers."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from alerts.signing import HookRefusedError, verify_hook
from alerts.transports.webhook import WebhookParams, WebhookSecrets
from tests.alerts.transports.messages import ACK, message
from tests.alerts.transports.test_web import send
from tests.alerts.transports.webserver import Answer

SECRET = "signing-secret-of-the-hook"


@pytest.fixture
def asked(web):
    web.answers = [Answer(status=204)]
    send("webhook", web, message(facts={"rule_name": "订单", "rows": [[1, None]]}), headers={"X-Team": "payments"})
    return web.asked[0]


def test_the_content_is_documented_json(asked):
    content = asked.json
    assert (content["version"], content["id"], content["trigger"]) == (1, "delivery-0001", "firing")
    assert content["facts"] == {"rule_name": "订单", "rows": [[1, None]]}
    assert {"label": "Acknowledge", "url": ACK} in content["links"]
    assert asked.headers["content-type"].startswith("application/json")
    assert asked.headers["x-team"] == "payments"


def test_the_signature_is_hmac_over_timestamp_and_body(asked):
    signed = asked.headers["x-portal-timestamp"].encode() + b"." + asked.body
    assert asked.headers["x-portal-signature"] == "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert asked.headers["x-portal-delivery"] == "delivery-0001"


def test_our_own_receiver_accepts_it_and_nothing_that_was_changed(asked):
    now = datetime.now(UTC)
    assert verify_hook(SECRET, asked.headers, asked.body, now)
    with pytest.raises(HookRefusedError, match="signature is wrong"):
        verify_hook(SECRET, asked.headers, asked.body + b" ", now)


def test_every_try_has_the_same_id(web):
    web.answers = [Answer(status=204)]
    send("webhook", web)
    send("webhook", web)
    assert web.asked[0].headers["x-portal-delivery"] == web.asked[1].headers["x-portal-delivery"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Content-Length": "0"},
        {"Content-Type": "text/html"},
        {"Cookie": "a=b"},
        {"Authorization": "Bearer x"},
        {"X-Portal-Signature": "v1=0"},
        {"X-Forwarded-For": "10.0.0.1"},
        {"X-Real-IP": "10.0.0.1"},
        {"X-Bad": "a\r\nHost: evil.example"},
        {"X Bad": "a"},
        {"Proxy-Authorization": "x"},
    ],
)
def test_a_header_that_steers_or_forges_is_refused(headers):
    with pytest.raises(ValidationError):
        WebhookParams(url="https://example.com/", headers=headers)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/", "https://user:password@example.com/", "file:///etc/passwd", "json://x", "https://", "x"],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValidationError):
        WebhookParams(url=url)


def test_a_secret_with_a_line_break_can_not_add_a_header():
    with pytest.raises(ValidationError):
        WebhookSecrets(authorization="Bearer x\r\nHost: evil.example")
