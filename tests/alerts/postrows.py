"""Channels, notifications and a channel kind for tests of what sends them."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

from alerts.dispatch import Dispatcher
from alerts.models import Channel, Notification
from alerts.params import Params
from alerts.states import NotificationStatus
from alerts.transports import TRANSPORTS, DeliveryError, Receipt, Refusal, Transport
from jobs import dbclock
from portal.lib.paramtypes import Shown
from tests.jobs.rows import tenant

PATIENCE_SECONDS = 20.0


class WitnessParams(Params):
    """What it does with each message."""

    does: str = "take"
    url: str = ""
    refuses: tuple[str, ...] = ()


class WitnessSecrets(Params):
    password: Annotated[str, Shown(label="Password", secret=True)] = ""


class Witness(Transport):
    """Registered as a third party's would be; it remembers what it was given."""

    kind = "witness"
    label = "Witness"
    Params = WitnessParams
    SECRETS = WitnessSecrets
    has_recipients = True
    addresses = "email"
    taken: list[tuple[str, str, tuple[str, ...] | None]] = []
    passwords: list[str] = []
    release = threading.Event()

    def send(self, params, secrets, message, to):
        self.passwords.append(secrets.password)
        if params.does == "hang":
            self.release.wait(PATIENCE_SECONDS)
        if params.does in ("fail", "hang"):
            raise DeliveryError("It is down.")
        if params.does == "busy":
            raise DeliveryError("Later.", retry_after=timedelta(minutes=7))
        if params.does == "refuse":
            raise DeliveryError("Never.", is_permanent=True)
        if params.does == "break":
            raise RuntimeError("a defect")
        self.taken.append((message.delivery_id, message.subject, to))
        refused = tuple(
            Refusal(recipient=name, sentence="Not now.", is_permanent=name.startswith("never"))
            for name in params.refuses
            if to is None or name in to
        )
        return Receipt(remote_id="w-1", refused=refused)


class Limited(Witness):
    """As a service that takes three messages a minute."""

    kind = "limited"
    per_minute = 3


def register() -> None:
    """A fresh memory."""
    Witness.taken.clear()
    Witness.passwords.clear()
    Witness.release.clear()
    TRANSPORTS.register(Witness)
    TRANSPORTS.register(Limited)


def forget() -> None:
    Witness.release.set()
    for kind in ("witness", "limited"):
        TRANSPORTS._table.pop(kind, None)


def subjects() -> list[str]:
    return [subject for _delivery_id, subject, _to in Witness.taken]


def channel(slug: str = "ops", does: str = "take", **fields: Any) -> Channel:
    values: dict[str, Any] = {"kind": "witness", "params": {"does": does}, "name": slug, "language": "en", **fields}
    values.setdefault("tenant", tenant())
    return Channel.objects.create(slug=slug, **values)


def notification(on: Channel, subject: str = "Disk full", **fields: Any) -> Notification:
    now = dbclock.now()
    values: dict[str, Any] = {
        "dedupe_key": f"k:{uuid4()}",
        "trigger": "firing",
        "severity": "warning",
        "body": "90 % used",
        "not_before": now - timedelta(seconds=1),
        "happened_at": now - timedelta(seconds=2),
        **fields,
    }
    return Notification.objects.create(tenant=on.tenant, channel=on, subject=subject, **values)


def drain(dispatcher: Dispatcher | None = None) -> Dispatcher:
    """Rounds until nothing is due or under way."""
    dispatcher = dispatcher or Dispatcher(name="test/1")
    ends = dbclock.boot_seconds() + PATIENCE_SECONDS
    while dbclock.boot_seconds() < ends:
        if not dispatcher.round().total and not dispatcher.is_busy:
            return dispatcher
        dispatcher.wait(0.05)
    raise AssertionError("the post office did not come to rest")


def status(row: Notification) -> str:
    row.refresh_from_db()
    return str(NotificationStatus(row.status))


def later(row: Notification, **ago: Any) -> None:
    """As if the row's times lay so far back: `not_before=timedelta(minutes=1)`."""
    now = dbclock.now()
    Notification.objects.filter(pk=row.pk).update(**{name: now - span for name, span in ago.items()})
