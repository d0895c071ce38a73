"""Channels: their secrets sealed, and they themselves tried out by hand and now and then by the portal."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts import audit
from accounts.models import User
from accounts.permissions import can
from alerts import channelhealth, inboxkind, parcels
from alerts.leases import lease
from alerts.models import Channel, DeliveryAttempt, Notification
from alerts.parcels import Parcel, stored_sentence
from alerts.states import TEST, UNDELIVERED, NotificationStatus, Severity
from alerts.transports import DeliveryError, Receipt
from jobs import dbclock
from portal.lib.encrypted import seal
from portal.lib.fielderrors import FieldErrors
from portal.lib.said import said

TEST_SECONDS = 20.0
MOST_DRILLS = 50
# Where a message goes: who changes one of these must enter the secrets again, lest they are sent to the new place.
PLACES = frozenset({"url", "host", "port", "base_url"})
N = NotificationStatus


# --- what `alerts.channelsettings` saves ------------------------------------------------------------------------------


def seal_secrets(channel: Channel, secrets: Mapping[str, str]) -> None:
    """Put them into the row, encrypted; an empty mapping clears them. Does not save."""
    kept = {name: value for name, value in secrets.items() if value}
    seal(channel, "secrets_encrypted", json.dumps(kept, ensure_ascii=False, sort_keys=True) if kept else "")


def check_fallback(channel: Channel, fallback: Channel | None) -> None:
    """FieldErrors when it would lead back to the channel, or to another tenant."""
    current, steps = fallback, 0
    while current is not None and steps < 50:
        if current.tenant_id != channel.tenant_id:
            raise FieldErrors.of("fallback", _("Choose a channel of the same tenant."))
        if channel.pk and current.pk == channel.pk:
            words = _("“%(name)s” comes back to this channel: choose one that does not.")
            raise FieldErrors.of("fallback", words % {"name": fallback.name if fallback else ""})
        current, steps = current.fallback, steps + 1


# --- trying it out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a test message; `sentence` is for people."""

    ok: bool
    sentence: str
    notification: int


def test(channel: Channel, actor: User | None, *, seconds: float = TEST_SECONDS) -> Tried:
    """Send a message now and wait for what comes of it, so long at most. It is tried once and takes no other way.

    Needs the right to change the channel.
    """
    if actor is not None and not can(actor, "change", channel):
        raise PermissionDenied
    now = dbclock.now()
    row = _test_message(channel, now, status=N.SENDING, token=1, tries=1, lease_until=now + lease() * 4)
    with transaction.atomic():
        row.save()
        DeliveryAttempt.objects.create(notification=row, number=1, sender=_sender(actor), started_at=now)
    error, receipt = _try(channel, row, seconds)
    with transaction.atomic():
        _keep(row, error, receipt)
        details = {"ok": error is None, "notification": row.pk}
        audit.record("alerts.channel.tested", actor=actor, target=channel, details=details)
    return Tried(ok=error is None, sentence=_result(error, receipt), notification=row.pk)


test.__test__ = False  # type: ignore[attr-defined]


def _sender(actor: User | None) -> str:
    return (actor.get_username() if actor else "portal")[:120]


def _test_message(channel: Channel, now: datetime, **columns: Any) -> Notification:
    with override(channel.language):
        words = _("This is a test of the channel “%(name)s”. It works: there is nothing to do.")
        subject, body = _("Test message"), words % {"name": channel.name}
    return Notification(
        tenant_id=channel.tenant_id,
        channel=channel,
        dedupe_key=f"test:{uuid4()}",
        trigger=TEST,
        severity=Severity.INFO,
        subject=subject,
        body=body,
        language=channel.language,
        not_before=now,
        happened_at=now,
        **columns,
    )


def _try(channel: Channel, row: Notification, seconds: float) -> tuple[DeliveryError | None, Receipt | None]:
    if channel.kind == inboxkind.KIND:
        told = inboxkind.tell(channel, row, now=dbclock.now())
        return (None, Receipt()) if told else (DeliveryError(inboxkind.nobody(channel), is_permanent=True), None)
    parcel = parcels.parcel_of(row, token=1, number=1)
    return _within(seconds, parcels.destination_of(channel), parcel)


def _within(
    seconds: float, destination: parcels.Destination, parcel: Parcel
) -> tuple[DeliveryError | None, Receipt | None]:
    """In a thread, which is left behind when it takes too long: its own limit ends it."""
    found: list[Receipt | DeliveryError] = []

    def send() -> None:
        try:
            found.append(parcels.send(destination, parcel))
        except DeliveryError as error:
            found.append(error)

    thread = threading.Thread(target=send, name="portal-test-message", daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        words = said("There was no answer within %(seconds)g seconds.") % {"seconds": seconds}
        return DeliveryError(words), None
    first = found[0]
    return (first, None) if isinstance(first, DeliveryError) else (None, first)


def _keep(row: Notification, error: DeliveryError | None, receipt: Receipt | None) -> None:
    now = dbclock.now()
    problem = {} if error is None else stored_sentence(error.sentence)
    sent = {"status": N.SENT, "sent_at": now} if error is None else {"status": N.DEAD, "why": problem}
    Notification.objects.filter(pk=row.pk, token=row.token, status=N.SENDING).update(**sent, lease_until=None)
    DeliveryAttempt.objects.filter(notification=row, number=1).update(
        ended_at=now, is_ok=error is None, problem=problem, receipt=(receipt.remote_id if receipt else "")[:300]
    )
    if error is None:
        channelhealth.delivered({row.channel_id}, now=now)
    else:
        channelhealth.failed({row.channel_id: error}, now=now)


def _result(error: DeliveryError | None, receipt: Receipt | None) -> str:
    if error is not None:
        return str(error.sentence)
    if receipt is not None and receipt.refused:
        words = _("It was sent, but not to %(names)s: %(sentence)s")
        names = ", ".join(one.recipient for one in receipt.refused)
        return words % {"names": names, "sentence": receipt.refused[0].sentence}
    return _("The test message was delivered.")


# --- fire drills ------------------------------------------------------------------------------------------------------


def drill(now: datetime) -> int:
    """Send test messages through channels that nothing has proven for too long; how many."""
    due = Channel.objects.filter(is_active=True, drill_every__isnull=False).order_by("drilled_at", "pk")
    candidates = [channel for channel in due if _needs_drill(channel, now)]
    return sum(_drill(channel, now) for channel in candidates[:MOST_DRILLS])


def _needs_drill(channel: Channel, now: datetime) -> bool:
    """A new channel is drilled at once: nobody knows whether it works."""
    last = max((at for at in (channel.proven_at, channel.drilled_at) if at is not None), default=None)
    every = channel.drill_every or timedelta(0)
    return every > timedelta(0) and (last is None or now - last >= every)


def _drill(channel: Channel, now: datetime) -> int:
    """The guarded update lets one office do it."""
    seen = Q(drilled_at=channel.drilled_at) if channel.drilled_at else Q(drilled_at=None)
    with transaction.atomic():
        under_way = Notification.objects.filter(channel=channel, trigger=TEST, status__in=UNDELIVERED)
        if under_way.exists() or not Channel.objects.filter(seen, pk=channel.pk).update(drilled_at=now):
            return 0
        _test_message(channel, now).save()
    return 1
