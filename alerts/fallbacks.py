"""Another channel takes over: a stand-in is made, and when it is sent, what it stands in for is settled.

A chain of fallbacks is followed without coming back to a channel it has been at; inactive channels are passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import uuid5

from django.db.models import Exists, OuterRef, Q, QuerySet

from alerts import inbox
from alerts.models import Channel, DeliveryAttempt, Notification
from alerts.states import TEST, UNDELIVERED, NotificationStatus, Severity
from alerts.transports import TRANSPORTS
from portal.lib.plugins import UnknownKindError
from portal.lib.said import said as _

QUEUE_LIMIT = timedelta(seconds=45)  # a message waits so long behind a channel in trouble
TRIED_LIMIT = timedelta(seconds=25)  # and so long after its first failure: a hanging try takes its time before that
SLOW_TRY = timedelta(seconds=20)  # a try that takes longer is trouble, before it has failed
MOST_AT_ONCE = 500
LONGEST_CHAIN = 20
LONGEST_KEY = 191
N = NotificationStatus


def successor(channel: Channel, visited: Iterable[int] = ()) -> Channel | None:
    """The next active channel of the chain; None: there is none that was not visited."""
    seen = {channel.pk, *visited}
    current = channel
    for _step in range(LONGEST_CHAIN):
        following = current.fallback
        if following is None or following.pk in seen:
            return None
        if following.is_active and following.tenant_id == channel.tenant_id:
            return following
        seen.add(following.pk)
        current = following
    return None


def take_over(rows: Sequence[Notification], channel: Channel, *, now: datetime) -> tuple[Channel | None, int]:
    """Make stand-ins for rows of `channel`: on which channel, and how many. A test is about this channel alone."""
    made = 0
    last: Channel | None = None
    for visited, group in _by_history([row for row in rows if row.trigger != TEST]).items():
        chosen = successor(channel, visited)
        if chosen is None:
            continue
        last, keeps = chosen, _takes_the_same(channel, chosen)
        stand_ins = [_stand_in(row, chosen, keeps_recipients=keeps, now=now) for row in group]
        Notification.objects.bulk_create(stand_ins, batch_size=200, ignore_conflicts=True)
        made += len(group)
    return last, made


def _by_history(rows: Sequence[Notification]) -> dict[frozenset[int], list[Notification]]:
    """Grouped by the channels that had it before."""
    groups: dict[frozenset[int], list[Notification]] = {}
    for row in rows:
        groups.setdefault(frozenset(one.channel_id for one in ancestors(row)), []).append(row)
    return groups


def ancestors(row: Notification) -> list[Notification]:
    """What it stands in for, what that stands in for, and so on."""
    found: list[Notification] = []
    current = row
    while current.stands_in_for_id and len(found) < LONGEST_CHAIN:
        following = Notification.objects.filter(pk=current.stands_in_for_id).first()
        if following is None:
            break
        found.append(following)
        current = following
    return found


def descendants(ids: Iterable[int]) -> list[Notification]:
    """What stands in for these, what stands in for that, and so on: the nearest first, with their channels' names."""
    found: list[Notification] = []
    level = list(ids)
    for _step in range(LONGEST_CHAIN):
        rows = Notification.objects.filter(stands_in_for__in=level).select_related("channel").order_by("pk")
        below = list(rows.only("status", "stands_in_for", "channel__name"))
        if not below:
            break
        found += below
        level = [one.pk for one in below]
    return found


def _stand_in(row: Notification, channel: Channel, *, keeps_recipients: bool, now: datetime) -> Notification:
    return Notification(
        tenant_id=row.tenant_id,
        dedupe_key=stand_in_key(row.dedupe_key, channel.pk),
        channel=channel,
        recipients=row.recipients if keeps_recipients else [],
        trigger=row.trigger,
        severity=row.severity,
        rule_id=row.rule_id,
        alert_rule_id=row.alert_rule_id,
        incident_id=row.incident_id,
        job_id=row.job_id,
        run_id=row.run_id,
        subject=row.subject,
        body=row.body,
        facts=row.facts,
        language=row.language,
        status=N.PENDING,
        not_before=now,
        happened_at=row.happened_at,
        stands_in_for=row,
    )


def stand_in_key(key: str, channel: int) -> str:
    """The dedupe key of a stand-in; a long one is shortened to a digest of itself."""
    made = f"{key}:fallback:{channel}"
    if len(made) <= LONGEST_KEY:
        return made
    tail = f":{hashlib.sha256(made.encode()).hexdigest()[:40]}:fallback:{channel}"
    return key[: LONGEST_KEY - len(tail)] + tail


def _takes_the_same(one: Channel, other: Channel) -> bool:
    """Whether addresses for one mean the same people in the other."""
    try:
        first, second = TRANSPORTS.get(one.kind), TRANSPORTS.get(other.kind)
    except UnknownKindError:
        return False
    return bool(first.addresses) and first.addresses == second.addresses


# --- when -------------------------------------------------------------------------------------------------------------


def sweep(now: datetime) -> int:
    """Stand-ins for what waits behind channels in trouble; how many were made."""
    slow = slow_channels(now)
    troubled = Channel.objects.filter(Q(failing_since__isnull=False) | Q(pk__in=slow), is_active=True)
    made = 0
    for channel in troubled.exclude(fallback=None).select_related("fallback").order_by("pk"):
        made += take_over(list(overdue(channel, now)[:MOST_AT_ONCE]), channel, now=now)[1]
    return made


def slow_channels(now: datetime) -> list[int]:
    """Those with a try under way that takes too long."""
    began = (now - timedelta(hours=1), now - SLOW_TRY)  # no transport takes an hour: the older ones need no look
    slow = DeliveryAttempt.objects.filter(ended_at=None, started_at__range=began, notification__status=N.SENDING)
    return list(slow.order_by().values_list("notification__channel", flat=True).distinct())


def overdue(channel: Channel, now: datetime) -> QuerySet[Notification]:
    """What has waited too long there and has no stand-in yet, whether it was tried or not."""
    hanging = DeliveryAttempt.objects.filter(
        notification=OuterRef("pk"), ended_at=None, started_at__lte=now - QUEUE_LIMIT
    )
    waits = Q(status=N.PENDING, not_before__lte=now - QUEUE_LIMIT)
    tried = Q(status__in=[N.PENDING, N.SENDING], first_failed_at__lte=now - TRIED_LIMIT)
    hangs = Q(status=N.SENDING) & Exists(hanging)
    rows = Notification.objects.filter(waits | tried | hangs, channel=channel, status__in=[N.PENDING, N.SENDING])
    rows = rows.exclude(trigger=TEST)
    return rows.exclude(Exists(Notification.objects.filter(stands_in_for=OuterRef("pk")))).order_by("not_before", "id")


# --- afterwards -------------------------------------------------------------------------------------------------------


def settle_relatives(sent: Iterable[Notification], names: Mapping[int, str], *, now: datetime) -> None:
    """After these were sent: what they stand in for is over, and what would stand in for them is not needed.

    `names` are those of their channels.
    """
    rows = list(sent)
    above: dict[int, set[int]] = {}
    for row in rows:
        if row.stands_in_for_id:
            above.setdefault(row.channel_id, set()).add(row.stands_in_for_id)
    for channel, ids in above.items():
        why = _("It was taken over by “%(name)s”.") % {"name": names.get(channel, "")}
        _settle_upwards(ids, why)
    queued = [one.pk for one in descendants([row.pk for row in rows]) if one.status == N.PENDING]
    needless = Notification.objects.filter(pk__in=queued, status=N.PENDING)
    words = _("The channel it would have stood in for has delivered it.")
    if queued:
        needless.update(status=N.SUPPRESSED, why=words.source)


def _settle_upwards(ids: set[int], why: str) -> None:
    for _step in range(LONGEST_CHAIN):
        settle_taken_over(ids, why)
        upper = Notification.objects.filter(pk__in=ids, stands_in_for__isnull=False)
        ids = set(upper.values_list("stands_in_for_id", flat=True))
        if not ids:
            return


def settle_taken_over(ids: Iterable[int], why: str) -> None:
    """They wait no longer, so that nobody gets them hours later; one that is being sent is left to its sender.

    One that was given up already says who has it.
    """
    stored = dict(getattr(why, "source", {}))
    waiting = Notification.objects.filter(pk__in=list(ids), status__in=[N.PENDING, N.DEAD])
    waiting.update(status=N.DEAD, why=stored, lease_until=None)


def sent_stand_in(row: Notification) -> Notification | None:
    """The stand-in that was sent for it, however far down the chain."""
    return next((one for one in descendants([row.pk]) if one.status == N.SENT), None)


def tell_of_loss(row: Notification, *, now: datetime) -> bool:
    """When nobody gets it any more, its tenant's admins are told: once an hour for each channel. Whether it is lost."""
    if row.trigger == TEST:
        return False
    family = [row, *ancestors(row)]
    below = descendants([one.pk for one in family])
    if any(one.status in UNDELIVERED or one.status == N.SENT for one in [*family[1:], *below]):
        return False
    channel = Channel.objects.get(pk=row.channel_id)
    words = _("“%(subject)s” was given up, and no other channel took over. Open it to see why and to send it again.")
    letter = inbox.Letter(
        subject=_("A message could not be delivered through “%(name)s”") % {"name": channel.name},
        body=words % {"subject": row.subject},
        severity=Severity.CRITICAL,
        link=inbox.link_to(row),
        incident=row.incident_id,
        delivery_id=uuid5(channel.key, f"lost:{now:%Y-%m-%dT%H}"),
    )
    inbox.tell_admins(row.tenant_id, letter, now=now)
    return True
