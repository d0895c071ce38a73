"""Messages of a channel that is switched off: another channel takes them, or they are kept as suppressed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from alerts import fallbacks
from alerts.models import Channel, Notification
from alerts.states import NotificationStatus
from jobs.deadlocks import repeated_after_deadlock
from portal.lib.said import said

MOST_AT_ONCE = 500
N = NotificationStatus


def is_open(channel: Channel) -> bool:
    """Whether messages go out through it."""
    return channel.is_active and channel.tenant.is_active


@repeated_after_deadlock
def set_aside(channel: Channel, *, now: datetime) -> int:
    """Settle what is due on it; how many messages."""
    with transaction.atomic():
        due = Notification.objects.filter(channel=channel, status=N.PENDING, not_before__lte=now)
        rows = list(due.select_for_update().order_by("not_before", "id")[:MOST_AT_ONCE])
        if not channel.tenant.is_active:
            words = said("The tenant is switched off.")
            Notification.objects.filter(pk__in=[row.pk for row in rows], status=N.PENDING).update(
                status=N.SUPPRESSED,
                why=words.source,
            )
            return len(rows)
        fallbacks.take_over(rows, channel, now=now)
        taken = dict(
            Notification.objects.filter(stands_in_for__in=rows).values_list("stands_in_for_id", "channel__name")
        )
        for row in rows:
            why = _why(channel, taken.get(row.pk, ""))
            Notification.objects.filter(pk=row.pk, status=N.PENDING).update(status=N.SUPPRESSED, why=why)
    return len(rows)


def _why(channel: Channel, other: str) -> dict[str, object]:
    if other:
        words = said("The channel “%(name)s” is switched off; “%(other)s” takes over.")
        made = words % {"name": channel.name, "other": other}
    else:
        made = said("The channel “%(name)s” is switched off.") % {"name": channel.name}
    return dict(made.source)  # type: ignore[attr-defined]
