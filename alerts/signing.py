"""Signatures: links that let a reader acknowledge an incident, and webhooks in both directions.

A signed link is no log-in: it says which incident, for whom, and until when. Opening it only shows a page; the POST of
that page acts, so that mail scanners and previews of chat services, which follow links, acknowledge nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core import signing

from portal.lib.said import said as _

ACKNOWLEDGE = "alerts.acknowledge"
LINK_AGE = timedelta(days=7)
LONGEST_TOKEN = 1000

ID_HEADER = "x-portal-delivery"
TIMESTAMP_HEADER = "x-portal-timestamp"
SIGNATURE_HEADER = "x-portal-signature"
SCHEME = "v1"
TOLERANCE = timedelta(seconds=300)
MOST_SIGNATURES = 5  # a sender that changes its secret signs with both
SHORTEST_SECRET = 16


class LinkError(Exception):
    """The link can't be used; the text is a sentence. `is_expired`: it was good once."""

    def __init__(self, sentence: str, *, is_expired: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.is_expired = is_expired


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a signed link allows: `recipient` (of `notification`) to acknowledge this incident."""

    incident: int
    notification: int
    recipient: str
    signed_at: datetime


def acknowledge_token(*, incident: int, notification: int, recipient: str) -> str:
    """A token for the address of the page; it fits no other incident, notification or recipient."""
    return signing.dumps([incident, notification, recipient], salt=ACKNOWLEDGE, compress=False)


def read_acknowledge_token(token: str, *, max_age: timedelta = LINK_AGE) -> Link:
    """What the token was made for; LinkError when it is forged, damaged or too old. Compared in constant time."""
    damaged = _("This link is damaged: open it from the message itself, or log in and open the incident.")
    if len(token) > LONGEST_TOKEN:
        raise LinkError(damaged)
    signer = signing.TimestampSigner(salt=ACKNOWLEDGE)
    try:
        incident, notification, recipient = signing.loads(token, salt=ACKNOWLEDGE, max_age=max_age)
        signed_at = datetime.fromtimestamp(_signed_seconds(token, signer), UTC)
        return Link(
            incident=int(incident), notification=int(notification), recipient=str(recipient), signed_at=signed_at
        )
    except signing.SignatureExpired:
        raise LinkError(_("This link is too old: log in and open the incident."), is_expired=True) from None
    except (signing.BadSignature, ValueError, TypeError):
        raise LinkError(damaged) from None


def _signed_seconds(token: str, signer: signing.TimestampSigner) -> int:
    value_and_time, _separator, _signature = token.rpartition(signer.sep)
    return signing.b62_decode(value_and_time.rpartition(signer.sep)[2])


class HookRefusedError(Exception):
    """An incoming webhook is not what it should be. Log the sentence; answer the caller with a bare 401."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def hook_signature(secret: str, timestamp: str, body: bytes) -> str:
    """v1=<hex of HMAC-SHA256 over timestamp + "." + body>; `timestamp` in whole seconds since 1970."""
    made = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"{SCHEME}={made}"


def verify_hook(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The replay key of a good call: keep it for twice TOLERANCE, and refuse a call that brings it again.

    The key is made of what was signed, so that another id or another spelling of a header makes no new one.
    HookRefusedError for everything else. Header names in any case.
    """
    if len(secret) < SHORTEST_SECRET:
        raise HookRefusedError(_("The hook has no secret that is long enough: make a new one."))
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, text = given.get(TIMESTAMP_HEADER, ""), given.get(SIGNATURE_HEADER, "")
    if not timestamp or not text:
        words = _("The call has no %(timestamp)s or no %(signature)s: sign it.")
        raise HookRefusedError(words % {"timestamp": TIMESTAMP_HEADER, "signature": SIGNATURE_HEADER})
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise HookRefusedError(_("The call's timestamp must be whole seconds since 1970."))
    age = abs(now.timestamp() - int(timestamp))
    if age > TOLERANCE.total_seconds():
        words = _("The call is %(seconds)d s away from this machine's time, more than %(limit)d s: set the clocks.")
        raise HookRefusedError(words % {"seconds": int(age), "limit": int(TOLERANCE.total_seconds())})
    wanted = hook_signature(secret, timestamp, body)
    if not _is_among(wanted, text):
        raise HookRefusedError(_("The call's signature is wrong: use the hook's secret over timestamp, “.” and body."))
    return hashlib.sha256(wanted.encode()).hexdigest()


def _is_among(wanted: str, text: str) -> bool:
    """Whether it is one of the signatures, each compared in constant time."""
    found = False
    for one in text.replace(",", " ").split()[:MOST_SIGNATURES]:
        found |= hmac.compare_digest(one.encode(), wanted.encode())
    return found
