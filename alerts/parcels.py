"""What a sender gets and hands in: plain values, so that no thread that waits for a channel holds a connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext, override

from alerts.models import Channel, Notification
from alerts.transports import Action, DeliveryError, Message, Receipt, deliver
from portal.lib.crypto import CryptoError
from portal.lib.encrypted import unseal
from portal.lib.said import Said, said

COLUMNS = (
    "id", "token", "tries", "channel_id", "stands_in_for_id", "recipients", "delivery_id", "subject", "body",
    "happened_at", "severity", "trigger", "facts", "language",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Destination:
    """What sending through a channel needs of it. `problem`: its secrets can't be read."""

    id: int
    kind: str
    name: str
    params: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One try of a notification that this process holds with its token."""

    id: int
    token: int
    number: int
    channel: int
    stands_in_for: int | None
    recipients: tuple[str, ...]
    message: Message


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a try: a receipt, an error, or neither when it was not begun. Times are of the boot clock."""

    parcel: Parcel
    began: float
    ended: float
    receipt: Receipt | None = None
    error: DeliveryError | None = None

    @property
    def is_about_its_people(self) -> bool:
        """It was refused for good and had recipients of its own: that says nothing of the channel."""
        return bool(self.parcel.recipients) and self.error is not None and self.error.is_permanent


def destination_of(channel: Channel) -> Destination:
    try:
        secrets, problem = secrets_of(channel), ""
    except (CryptoError, ValueError):
        secrets, problem = {}, said("The channel's secrets can't be read: enter them again.")
    return Destination(
        id=channel.pk, kind=channel.kind, name=channel.name, params=channel.params, secrets=secrets, problem=problem
    )


def secrets_of(channel: Channel) -> dict[str, str]:
    """In clear. Raises CryptoError when the keys of this installation don't fit."""
    stored = unseal(channel, "secrets_encrypted")
    return {str(name): str(value) for name, value in json.loads(stored).items()} if stored else {}


def parcel_of(row: Notification, *, token: int, number: int) -> Parcel:
    return Parcel(
        id=row.pk,
        token=token,
        number=number,
        channel=row.channel_id,
        stands_in_for=row.stands_in_for_id,
        recipients=tuple(str(one) for one in row.recipients),
        message=message_of(row),
    )


def message_of(row: Notification) -> Message:
    """Of `facts`, "url" and "acknowledge_url" become links."""
    facts = dict(row.facts)
    acknowledge = str(facts.get("acknowledge_url") or "")
    actions: tuple[Action, ...] = ()
    if acknowledge:
        with override(row.language):
            actions = (Action(label=gettext("Acknowledge"), url=acknowledge),)
    return Message(
        delivery_id=str(row.delivery_id),
        subject=row.subject,
        body=row.body,
        at=row.happened_at,
        severity=row.severity,
        trigger=row.trigger,
        url=str(facts.get("url") or ""),
        actions=actions,
        facts=facts,
        language=row.language,
    )


def send(destination: Destination, parcel: Parcel) -> Receipt:
    """DeliveryError for all that can go wrong. Touches no row."""
    if destination.problem:
        raise DeliveryError(destination.problem)  # another process may have the keys
    to = parcel.recipients or None
    return deliver(destination.kind, destination.params, destination.secrets, parcel.message, to)


def stored_sentence(text: str) -> dict[str, Any]:
    """As `alerts.wording.render` says it again, in another's words too."""
    return dict(text.source) if isinstance(text, Said) else {"msgid": "%(words)s", "words": str(text)[:500]}
