"""The channel kind whose other side is the portal's own inbox.

Its class is a transport only for forms and validation. A transport touches no row, and these messages are rows: the
dispatcher writes them in the transaction that marks the notification as sent, so they arrive exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal, NoReturn

from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from pydantic import Field, ValidationError, model_validator

from accounts.models import RoleName
from alerts import channelhealth, inbox, marks
from alerts.leases import lease
from alerts.models import Channel, DeliveryAttempt, Notification
from alerts.params import Params
from alerts.states import NotificationStatus
from alerts.transports import TRANSPORTS, DeliveryError, Message, Transport
from alerts.transports.base import NoSecrets, Recipients
from jobs.deadlocks import repeated_after_deadlock
from jobs.engine import statements
from jobs.ledgersql import insert_many, update_many
from portal.lib.failpoints import failpoint
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Shown
from portal.lib.said import said

KIND = "inbox"
MOST_AT_ONCE = 100
COLUMNS = ("id", "tenant_id", "token", "tries", "stands_in_for_id", "channel_id", "recipients", "delivery_id",
           "subject", "body", "severity", "facts", "incident_id", "first_failed_at")  # fmt: skip
N = NotificationStatus


class InboxParams(Params):
    roles: Annotated[
        tuple[RoleName, ...],
        Shown(label=_("Roles"), help=_("Everybody who has one of these roles in the tenant.")),
    ] = Field(default=(), max_length=10)
    users: Annotated[
        tuple[str, ...], Shown(label=_("Users"), help=_("User names of members of the tenant, one per line."))
    ] = Field(default=(), max_length=200)

    @model_validator(mode="after")
    def _is_for_somebody(self) -> InboxParams:
        if not self.roles and not self.users:
            raise refused("roles", gettext("Choose a role or name a user: otherwise nobody would get it."))
        return self


@TRANSPORTS.register
class Inbox(Transport):
    """What `to` holds are user names."""

    kind = KIND
    label = _("Inbox in the portal")
    icon = "inbox"
    Params = InboxParams
    SECRETS = NoSecrets
    has_recipients = True
    addresses: ClassVar[Literal["", "email", "phone"]] = ""
    longest_body = 200_000

    def send(self, params: InboxParams, secrets: NoSecrets, message: Message, to: Recipients | None) -> NoReturn:
        raise DeliveryError(said("The inbox is written with the ledger; ask the office to deliver it."))


@repeated_after_deadlock
def deliver_due(channel: Channel, *, now: datetime, sender: str) -> int:
    """Deliver what is due on this channel: claimed, written and marked in one transaction. How many were settled."""
    lock = statements.for_update(skip_locked=True)
    tail = (
        "WHERE status = 'pending' AND channel_id = %s AND not_before <= %s"
        f" ORDER BY not_before, id LIMIT {MOST_AT_ONCE}{lock}"
    )
    with transaction.atomic():
        rows = statements.rows(Notification, COLUMNS, tail, [channel.pk, statements.moment(now)])
        if rows:
            _claim(rows, now=now, sender=sender)
            told = {row.pk: tell(channel, row, now=now) for row in rows}
            failpoint("dispatch.before_mark")
            _mark([row for row in rows if told[row.pk]], now=now)
            _give_up([row for row in rows if not told[row.pk]], channel, now=now)
    return len(rows)


def tell(channel: Channel, row: Notification, *, now: datetime) -> int:
    """Write the inbox messages; how many people have one now."""
    try:
        params = InboxParams.model_validate(channel.params)
    except ValidationError:
        return 0
    names = tuple(row.recipients) or params.users
    people = inbox.members(row.tenant_id, role_names=() if row.recipients else params.roles, usernames=names)
    letter = inbox.Letter(
        subject=row.subject,
        body=row.body,
        severity=row.severity,
        link=inbox.link_to(row),
        incident=row.incident_id,
        delivery_id=row.delivery_id,
    )
    return inbox.tell_people(people, letter, now=now, tenant=row.tenant_id)


def _claim(rows: Sequence[Notification], *, now: datetime, sender: str) -> None:
    update_many(
        Notification,
        ["id"],
        ["token", "tries"],
        [(row.pk, row.token + 1, row.tries + 1) for row in rows],
        where={"status": N.PENDING},
        same={"status": N.SENDING, "lease_until": now + lease()},
    )
    tries = [(row.pk, row.tries + 1) for row in rows]
    same = {"sender": sender, "started_at": now, "ended_at": now}
    insert_many(DeliveryAttempt, ["notification", "number"], tries, same=same)


def _mark(rows: Sequence[Notification], *, now: datetime) -> None:
    if not rows:
        return
    ids = [row.pk for row in rows]
    Notification.objects.filter(pk__in=ids, status=N.SENDING).update(status=N.SENT, sent_at=now, lease_until=None)
    DeliveryAttempt.objects.filter(notification__in=ids, ended_at=now, is_ok=None).update(is_ok=True)
    marks.after_sending(ids, now=now)
    channelhealth.delivered({rows[0].channel_id}, now=now)


def _give_up(rows: Sequence[Notification], channel: Channel, *, now: datetime) -> None:
    """Nobody has the roles or the names any more: another try would find nobody either."""
    if not rows:
        return
    error = DeliveryError(nobody(channel), is_permanent=True)
    for row in Notification.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk"):
        marks.fail(row, error, number=row.tries, now=now, began_ended=(now, now))
    channelhealth.failed({channel.pk: error}, now=now)


def nobody(channel: Channel) -> str:
    words = said("Nobody has the roles or the names that the channel “%(name)s” is for: choose others.")
    return words % {"name": channel.name}
