"""Who may send a notification now. A row being sent has a lease and a token; a mark with an older one does nothing.

A holder renews its leases; a process that died, froze or lost the database does not, and after a lease its messages go
to another, with the same delivery id: at least once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Coalesce

from alerts import fallbacks
from alerts.models import DeliveryAttempt, Notification
from alerts.parcels import COLUMNS, Parcel, parcel_of
from alerts.retries import DELAYS, GIVE_UP
from alerts.states import NotificationStatus, Severity
from jobs.deadlocks import repeated_after_deadlock
from jobs.engine import statements
from jobs.ledgersql import insert_many, update_many
from portal.lib.said import said

LONGEST_LEASE = timedelta(seconds=40)  # messages are sooner elsewhere than runs
MOST_REAPED = 500
LOOK_AHEAD = 200  # messages of a channel, for critical ones
FEW_DEATHS = 2  # a message may take so many senders with it before it has to wait
N = NotificationStatus

# Everything an office asks when it looks around, in one statement. A loose index scan for each of the first two: a
# probe of `notification_due` for each channel with such rows, however many rows it has.
_SCAN = """
    SELECT MIN(channel_id) FROM alerts_notification WHERE status = '{status}'
    UNION ALL
    SELECT (SELECT MIN(n.channel_id) FROM alerts_notification n
            WHERE n.status = '{status}' AND n.channel_id > {status}.id)
    FROM {status} WHERE {status}.id IS NOT NULL
"""
_DUE = """
SELECT '{status}', id FROM {status} WHERE id IS NOT NULL AND EXISTS (
    SELECT 1 FROM alerts_notification n
    WHERE n.status = '{status}' AND n.channel_id = {status}.id AND n.not_before <= %s
)
"""
_QUESTION = f"""
WITH RECURSIVE pending (id) AS ({_SCAN.format(status="pending")}), held (id) AS ({_SCAN.format(status="held")})
{_DUE.format(status="pending")}
UNION ALL
{_DUE.format(status="held")}
UNION ALL
SELECT 'sending', MIN(channel_id) FROM alerts_notification WHERE status = 'sending'
UNION ALL
SELECT 'ended', MIN(id) FROM alerts_notification WHERE status = 'sending' AND lease_until < %s
UNION ALL
SELECT 'failing', MIN(id) FROM alerts_channel
WHERE failing_since IS NOT NULL AND fallback_id IS NOT NULL AND is_active
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True)
class Due:
    """What there is to do: channels with due messages, and whether some are under way, left behind, or in trouble."""

    pending: list[int]
    held: list[int]
    is_any_sending: bool
    is_any_ended: bool
    is_any_failing: bool


def due(now: datetime) -> Due:
    """One statement, whose cost grows with the channels that have something to send, not with the messages."""
    at = statements.moment(now)
    found: dict[str, list[int]] = {}
    for what, key in statements.values(_QUESTION, [at, at, at]):
        if key is not None:
            found.setdefault(what, []).append(key)
    return Due(
        pending=found.get("pending", []),
        held=found.get("held", []),
        is_any_sending="sending" in found,
        is_any_ended="ended" in found,
        is_any_failing="failing" in found,
    )


def lease() -> timedelta:
    """How long what a dead process held waits for another."""
    return min(timedelta(seconds=settings.PORTAL_LEASE_SECONDS), LONGEST_LEASE)


@repeated_after_deadlock
def claim(channel: int, count: int, *, now: datetime, sender: str) -> list[Parcel]:
    """Up to `count` due messages of the channel that nobody else looks at, each with token + 1 and an open try.

    The critical ones among the next LOOK_AHEAD go first.
    """
    with transaction.atomic():
        rows = _oldest(channel, count, now)
        if not rows:
            return []
        if len(rows) == count:  # there may be more behind them
            rows = [*_urgent(channel, count, now, but=rows), *rows]
            rows = sorted(rows, key=lambda row: row.severity != Severity.CRITICAL)[:count]
        update_many(
            Notification,
            ["id"],
            ["token", "tries"],
            [(row.pk, row.token + 1, row.tries + 1) for row in rows],
            where={"status": N.PENDING},
            same={"status": N.SENDING, "lease_until": now + lease()},
        )
        tries = [(row.pk, row.tries + 1) for row in rows]
        insert_many(DeliveryAttempt, ["notification", "number"], tries, same={"sender": sender, "started_at": now})
    return [parcel_of(row, token=row.token + 1, number=row.tries + 1) for row in rows]


_WAITING = "WHERE status = 'pending' AND channel_id = %s AND not_before <= %s"


def _oldest(channel: int, count: int, now: datetime) -> list[Notification]:
    tail = f"{_WAITING} ORDER BY not_before, id LIMIT {int(count)}{statements.for_update(skip_locked=True)}"
    return statements.rows(Notification, COLUMNS, tail, [channel, statements.moment(now)])


def _urgent(channel: int, count: int, now: datetime, *, but: Sequence[Notification]) -> list[Notification]:
    """Critical ones further back. `notification_due` knows no severity: it is walked for LOOK_AHEAD rows, unlocked."""
    text = f"SELECT id, severity FROM alerts_notification {_WAITING} ORDER BY not_before, id LIMIT {LOOK_AHEAD}"  # noqa: S608 - constants
    known = {row.pk for row in but}
    found = statements.values(text, [channel, statements.moment(now)])
    ids = [key for key, severity in found if severity == Severity.CRITICAL and key not in known][:count]
    if not ids:
        return []
    lock = statements.for_update(skip_locked=True)
    tail = f"{_WAITING} AND id IN {statements.places(ids)} ORDER BY not_before, id{lock}"
    return statements.rows(Notification, COLUMNS, tail, [channel, statements.moment(now), *ids])


@repeated_after_deadlock
def renew(parcels: Iterable[Parcel], *, now: datetime) -> set[int]:
    """The ids still held; the others are somebody else's by now."""
    keys = [(parcel.id, parcel.token) for parcel in parcels]
    with transaction.atomic():
        same = {"lease_until": now + lease()}
        return set(update_many(Notification, ["id", "token"], [], keys, where={"status": N.SENDING}, same=same))


@repeated_after_deadlock
def give_back(parcels: Sequence[Parcel], *, now: datetime) -> int:
    """As if they had not been claimed: no try is used up."""
    rows = [(parcel.id, parcel.token, parcel.number - 1) for parcel in parcels]
    with transaction.atomic():
        same = {"status": N.PENDING, "lease_until": None}
        held = set(update_many(Notification, ["id", "token"], ["tries"], rows, where={"status": N.SENDING}, same=same))
        by_number: dict[int, list[int]] = {}
        for parcel in parcels:
            if parcel.id in held:
                by_number.setdefault(parcel.number, []).append(parcel.id)
        for number, ids in by_number.items():
            DeliveryAttempt.objects.filter(notification__in=ids, number=number, ended_at=None)._raw_delete("default")
    return len(held)


@repeated_after_deadlock
def reap(now: datetime) -> int:
    """Take back what senders hold that gave no sign for a lease; how many messages.

    A message that was with so many senders when they ended waits, lest it ends them all.
    """
    unknown = said("Nobody knows whether it arrived: the sender ended before it could say.").source
    lock = statements.for_update(skip_locked=True)
    tail = f"WHERE status = 'sending' AND lease_until < %s ORDER BY lease_until LIMIT {MOST_REAPED}{lock}"
    with transaction.atomic():
        rows = statements.rows(Notification, ("id", "tries", "first_failed_at"), tail, [statements.moment(now)])
        ids = [row.pk for row in rows]
        if not ids:
            return 0
        DeliveryAttempt.objects.filter(notification__in=ids, ended_at=None).update(ended_at=now, problem=unknown)
        old = [row.pk for row in rows if row.first_failed_at and now - row.first_failed_at >= GIVE_UP]
        Notification.objects.filter(pk__in=old).update(status=N.DEAD, lease_until=None, why=unknown)
        again = Notification.objects.filter(pk__in=set(ids) - set(old))
        again.update(status=N.PENDING, lease_until=None, first_failed_at=Coalesce("first_failed_at", now))
        deadly = [row.pk for row in rows if row.tries > FEW_DEATHS]
        again.filter(pk__in=deadly).update(not_before=now + DELAYS[2])
        for row in Notification.objects.filter(pk__in=old).order_by("pk"):
            fallbacks.tell_of_loss(row, now=now)
    return len(ids)


def tries_within(channels: Sequence[int], *, since: datetime) -> dict[int, int]:
    """How many tries each channel has had since then, in the whole cluster."""
    recent = DeliveryAttempt.objects.filter(started_at__gte=since, notification__channel__in=channels)
    counted = recent.order_by().values_list("notification__channel").annotate(Count("pk"))
    return dict(counted)
