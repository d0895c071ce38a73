"""What senders hand in is written here: many in one transaction, each guarded by its token."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from alerts import channelhealth, fallbacks, leases, retries
from alerts.models import Channel, DeliveryAttempt, Notification
from alerts.parcels import Outcome, stored_sentence
from alerts.states import NotificationStatus
from alerts.transports import DeliveryError, Receipt
from jobs.deadlocks import repeated_after_deadlock
from jobs.ledgersql import update_many
from portal.lib.failpoints import failpoint
from portal.lib.said import said as _

N = NotificationStatus
LONGEST_RECEIPT = 300


@repeated_after_deadlock
def settle(outcomes: Sequence[Outcome], *, now: datetime, times: Mapping[int, tuple[datetime, datetime]]) -> int:
    """How many of them counted: the others' leases had gone to somebody else. `times` are when each try ran."""
    unsent = [each.parcel for each in outcomes if each.receipt is None and each.error is None]
    tried = [each for each in outcomes if each.receipt is not None or each.error is not None]
    with transaction.atomic():
        counted = leases.give_back(unsent, now=now) if unsent else 0
        counted += _sent([each for each in tried if _is_whole(each.receipt)], now=now, times=times)
        for each in sorted(tried, key=lambda one: one.parcel.id):
            if not _is_whole(each.receipt):
                counted += _not_all(each, now=now, began_ended=times[each.parcel.id])
        _note_health(tried, now=now)
        if tried:
            failpoint("dispatch.before_mark")
    return counted


def _is_whole(receipt: Receipt | None) -> bool:
    """Everybody has it. When some were refused, that is kept with the message."""
    return receipt is not None and not receipt.refused


def _sent(outcomes: Sequence[Outcome], *, now: datetime, times: Mapping[int, tuple[datetime, datetime]]) -> int:
    if not outcomes:
        return 0
    keys = [(each.parcel.id, each.parcel.token, times[each.parcel.id][1]) for each in outcomes]
    same = {"status": N.SENT, "lease_until": None}
    held = set(update_many(Notification, ["id", "token"], ["sent_at"], keys, where={"status": N.SENDING}, same=same))
    tries = [
        (each.parcel.id, each.parcel.number, *times[each.parcel.id], (each.receipt or Receipt()).remote_id[:300])
        for each in outcomes
        if each.parcel.id in held
    ]
    columns = ["started_at", "ended_at", "receipt"]
    update_many(DeliveryAttempt, ["notification", "number"], columns, tries, same={"is_ok": True})
    after_sending(held, now=now)
    return len(held)


def after_sending(ids: Iterable[int], *, now: datetime) -> None:
    """What else is settled when these are."""
    rows = list(Notification.objects.filter(pk__in=ids).only("id", "channel_id", "stands_in_for_id"))
    if rows:
        stand_ins = {row.channel_id for row in rows if row.stands_in_for_id}
        names = dict(Channel.objects.filter(pk__in=stand_ins).values_list("pk", "name")) if stand_ins else {}
        fallbacks.settle_relatives(rows, names, now=now)


def _not_all(each: Outcome, *, now: datetime, began_ended: tuple[datetime, datetime]) -> int:
    """A try that failed, or that did not reach everybody. 1 when the message was still held."""
    parcel = each.parcel
    row = Notification.objects.filter(pk=parcel.id, token=parcel.token, status=N.SENDING).first()
    if row is None:
        return 0
    if each.error is not None:
        return fail(row, each.error, number=parcel.number, now=now, began_ended=began_ended)
    return _partly(row, each.receipt or Receipt(), number=parcel.number, now=now, began_ended=began_ended)


def fail(
    row: Notification, error: DeliveryError, *, number: int, now: datetime, began_ended: tuple[datetime, datetime]
) -> int:
    """Keep the try, and go on later, on another channel too, or never. 1 when the message was still held.

    The first update is guarded and locks the row, before anything follows from the failure.
    """
    problem = stored_sentence(error.sentence)
    first_failed_at = row.first_failed_at or now
    if not _held(row).update(first_failed_at=first_failed_at, lease_until=None, why=problem):
        return 0
    _keep_try(row, number, began_ended, is_ok=False, problem=problem)
    changes = _after_failure(row, error, now=now, first_failed_at=first_failed_at)
    _held(row).update(**changes)
    if changes["status"] == N.DEAD:
        fallbacks.tell_of_loss(row, now=now)
    return 1


def _held(row: Notification) -> QuerySet[Notification]:
    """The row while nobody else has claimed it since it was read."""
    return Notification.objects.filter(pk=row.pk, token=row.token, status=N.SENDING)


def _partly(
    row: Notification, receipt: Receipt, *, number: int, now: datetime, began_ended: tuple[datetime, datetime]
) -> int:
    """The others have it: it goes on for those alone whom another try may reach."""
    problem = stored_sentence(_refusals(receipt))
    changes: dict[str, object] = {"lease_until": None, "why": problem}
    at = None
    if receipt.to_retry:
        first_failed_at = row.first_failed_at or now
        changes |= {"first_failed_at": first_failed_at, "recipients": list(receipt.to_retry)}
        at = retries.next_try(number, now=now, first_failed_at=first_failed_at, luck=_luck())
    changes |= {"status": N.SENT, "sent_at": began_ended[1]} if at is None else {"status": N.PENDING, "not_before": at}
    if not _held(row).update(**changes):
        return 0
    _keep_try(row, number, began_ended, is_ok=True, problem=problem, receipt=receipt.remote_id[:LONGEST_RECEIPT])
    if at is None:
        after_sending([row.pk], now=now)
    return 1


def _keep_try(row: Notification, number: int, began_ended: tuple[datetime, datetime], **columns: object) -> None:
    began, ended = began_ended
    one = DeliveryAttempt.objects.filter(notification=row, number=number)
    one.update(started_at=began, ended_at=ended, **columns)


def _luck() -> float:
    return random.random()  # noqa: S311 - it spreads load, and keeps no secret


def _refusals(receipt: Receipt | None) -> str:
    """Who does not get it, and why the first of them does not."""
    refused = receipt.refused if receipt else ()
    names = ", ".join(one.recipient for one in refused)[:200]
    words = _("Not delivered to %(names)s: %(sentence)s")
    return words % {"names": names, "sentence": refused[0].sentence if refused else ""}


def _after_failure(
    row: Notification, error: DeliveryError, *, now: datetime, first_failed_at: datetime
) -> dict[str, object]:
    """Again later, on another channel too, or never."""
    failures = DeliveryAttempt.objects.filter(notification=row, is_ok=False).count()
    at = None
    if not error.is_permanent:
        at = retries.next_try(
            failures, now=now, first_failed_at=first_failed_at, luck=_luck(), retry_after=error.retry_after
        )
    if at is None or failures >= retries.FAILURES_TO_FALL_BACK:
        channel = Channel.objects.select_related("fallback").get(pk=row.channel_id)
        if not Notification.objects.filter(stands_in_for=row).exists():
            fallbacks.take_over([row], channel, now=now)
    taken = fallbacks.sent_stand_in(row)
    if taken is not None:
        why = _("It was taken over by “%(name)s”.") % {"name": taken.channel.name}
        return {"status": N.DEAD, "why": stored_sentence(why)}
    return {"status": N.DEAD} if at is None else {"status": N.PENDING, "not_before": at}


def _note_health(tried: Sequence[Outcome], *, now: datetime) -> None:
    """The last outcome of each channel decides: a try that failed late says more than one that succeeded before."""
    last: dict[int, Outcome] = {}
    for each in sorted(tried, key=lambda one: one.ended):
        if not each.is_about_its_people:
            last[each.parcel.channel] = each
    good = {channel for channel, each in last.items() if each.error is None}
    bad = {channel: each.error for channel, each in last.items() if each.error is not None}
    if good:
        channelhealth.delivered(good, now=now)
    if bad:
        channelhealth.failed(bad, now=now)
