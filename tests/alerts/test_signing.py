"""Signed links and hooks: forged, changed, old, repeated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core import signing
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from alerts.signing import (
    HookRefusedError,
    LinkError,
    acknowledge_token,
    hook_signature,
    read_acknowledge_token,
    verify_hook,
)

SECRET = "a-secret-that-is-long-enough"
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
BODY = b'{"job": "daily-revenue"}'


def token(**changes):
    return acknowledge_token(**{"incident": 12, "notification": 99, "recipient": "li@example.com", **changes})


def headers(body=BODY, secret=SECRET, at=NOW, **changes):
    stamp = str(int(at.timestamp()))
    return {"X-Portal-Timestamp": stamp, "X-Portal-Signature": hook_signature(secret, stamp, body), **changes}


# --- links


def test_a_link_says_what_it_was_made_for():
    link = read_acknowledge_token(token())
    assert (link.incident, link.notification, link.recipient) == (12, 99, "li@example.com")
    assert abs((datetime.now(UTC) - link.signed_at).total_seconds()) < 3600


def test_a_link_of_one_incident_fits_no_other():
    ours, theirs = token().split(":"), token(incident=13).split(":")
    for mixed in (theirs[0] + ":" + ":".join(ours[1:]), ":".join(ours[:-1]) + ":" + theirs[-1]):
        with pytest.raises(LinkError, match="damaged"):
            read_acknowledge_token(mixed)


@given(st.integers(min_value=0), st.characters())
def test_a_changed_letter_is_noticed(place, letter):
    good = token()
    place %= len(good)
    if good[place] == letter:
        return
    with pytest.raises(LinkError):
        read_acknowledge_token(good[:place] + letter + good[place + 1 :])


@pytest.mark.parametrize("text", ["", ":", "::", "x" * 5000, "é:b:c", "\0", "a:b:c:d", ".eJw:1:2"])
def test_what_is_no_link_is_one_sentence(text):
    with pytest.raises(LinkError, match="damaged"):
        read_acknowledge_token(text)


def test_a_signature_of_another_part_of_the_portal_is_no_link():
    with pytest.raises(LinkError):
        read_acknowledge_token(signing.dumps([12, 99, "li@example.com"]))
    with pytest.raises(LinkError):
        read_acknowledge_token(signing.dumps({"incident": 12}, salt="alerts.acknowledge"))


def test_an_old_link_says_that_it_is_old():
    with pytest.raises(LinkError, match="too old") as caught:
        read_acknowledge_token(token(), max_age=timedelta(seconds=-1))
    assert caught.value.is_expired


def test_a_link_of_another_installation_is_refused():
    with override_settings(SECRET_KEY="another-key"):
        theirs = token()
    with pytest.raises(LinkError):
        read_acknowledge_token(theirs)


# --- hooks


def test_a_good_call_gives_a_key_that_is_the_same_for_the_same_call():
    first = verify_hook(SECRET, headers(), BODY, NOW)
    spelled = {name.upper(): value for name, value in headers().items()} | {"X-Portal-Delivery": "new id"}
    assert verify_hook(SECRET, spelled, BODY, NOW + timedelta(seconds=299)) == first
    assert verify_hook(SECRET, headers(b"{}"), b"{}", NOW) != first


@pytest.mark.parametrize("seconds", [-301, 301, 10**6])
def test_a_call_of_another_time_is_refused(seconds):
    with pytest.raises(HookRefusedError, match="set the clocks"):
        verify_hook(SECRET, headers(), BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_call_within_five_minutes_is_good(seconds):
    assert verify_hook(SECRET, headers(), BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "changes",
    [
        {"X-Portal-Signature": ""},
        {"X-Portal-Timestamp": ""},
        {"X-Portal-Timestamp": "now"},
        {"X-Portal-Timestamp": "１７"},
        {"X-Portal-Timestamp": "-1"},
        {"X-Portal-Timestamp": "9" * 400},
        {"X-Portal-Signature": "v1="},
        {"X-Portal-Signature": "é"},
        {"X-Portal-Signature": "v1=" + "0" * 64},
        {"X-Portal-Signature": "v0=" + hook_signature(SECRET, STAMP, BODY)[3:]},
        {"X-Portal-Timestamp": str(int(STAMP) + 1)},
    ],
)
def test_a_call_that_is_not_signed_for_this_is_refused(changes):
    with pytest.raises(HookRefusedError):
        verify_hook(SECRET, headers(**changes), BODY, NOW)


def test_a_changed_body_or_another_secret_is_refused():
    for secret, body in ((SECRET, BODY + b" "), (SECRET + "x", BODY)):
        with pytest.raises(HookRefusedError, match="signature is wrong"):
            verify_hook(secret, headers(), body, NOW)


def test_timestamp_and_body_can_not_be_shifted_into_each_other():
    """ "12" + ".3x" and "12.3" + "x" would be the same bytes; a timestamp holds digits only."""
    made = hook_signature(SECRET, STAMP, b"1." + BODY)
    with pytest.raises(HookRefusedError):
        verify_hook(SECRET, {"X-Portal-Timestamp": f"{STAMP}.1", "X-Portal-Signature": made}, BODY, NOW)


@pytest.mark.parametrize("secret", ["", "short"])
def test_a_hook_without_a_real_secret_takes_no_call(secret):
    with pytest.raises(HookRefusedError, match="make a new one"):
        verify_hook(secret, headers(secret=secret), BODY, NOW)


def test_while_a_secret_is_changed_both_signatures_may_come():
    both = f"{hook_signature('the-old-secret-of-them', STAMP, BODY)},{hook_signature(SECRET, STAMP, BODY)}"
    assert verify_hook(SECRET, headers(**{"X-Portal-Signature": both}), BODY, NOW)
    many = ",".join(["v1=0"] * 50 + [hook_signature(SECRET, STAMP, BODY)])
    with pytest.raises(HookRefusedError):
        verify_hook(SECRET, headers(**{"X-Portal-Signature": many}), BODY, NOW)
