"""How sending went: per channel and day, how long it took, and which rules send most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Max, Q, QuerySet

from alerts.models import Channel, Notification
from alerts.queries.days import Day, counts_per_day
from alerts.states import NotificationStatus

MOST_CHANNELS = 50
MOST_RULES = 10
WAITS = (NotificationStatus.PENDING, NotificationStatus.HELD, NotificationStatus.SENDING)


@dataclass(frozen=True, kw_only=True)
class ChannelDeliveries:
    """`mean` and `slowest` are from what happened to what the other side took; of held messages too."""

    channel: Channel
    sent: int
    dead: int
    suppressed: int
    waiting: int
    mean: timedelta | None
    slowest: timedelta | None
    sent_per_day: list[int]
    dead_per_day: list[int]


def deliveries(
    rows: QuerySet[Notification], channels: QuerySet[Channel], days: Sequence[Day]
) -> list[ChannelDeliveries]:
    """Of each channel, those without a message in these days too. Four statements."""
    within = rows.filter(happened_at__gte=days[0].starts, happened_at__lt=days[-1].ends).order_by()
    took = ExpressionWrapper(F("sent_at") - F("happened_at"), output_field=DurationField())
    summed: dict[int, Mapping[str, Any]] = {
        row["channel"]: row
        for row in within.values("channel").annotate(
            sent=Count("pk", filter=Q(status=NotificationStatus.SENT)),
            dead=Count("pk", filter=Q(status=NotificationStatus.DEAD)),
            suppressed=Count("pk", filter=Q(status=NotificationStatus.SUPPRESSED)),
            waiting=Count("pk", filter=Q(status__in=WAITS)),
            mean=Avg(took, filter=Q(sent_at__isnull=False)),
            slowest=Max(took, filter=Q(sent_at__isnull=False)),
        )
    }
    sent = counts_per_day(within.filter(status=NotificationStatus.SENT), days, at="happened_at", by="channel")
    dead = counts_per_day(within.filter(status=NotificationStatus.DEAD), days, at="happened_at", by="channel")
    none = [0] * len(days)
    return [
        ChannelDeliveries(
            channel=channel,
            sent=(row := summed.get(channel.pk, {})).get("sent", 0),
            dead=row.get("dead", 0),
            suppressed=row.get("suppressed", 0),
            waiting=row.get("waiting", 0),
            mean=row.get("mean"),
            slowest=row.get("slowest"),
            sent_per_day=sent.get(channel.pk, none),
            dead_per_day=dead.get(channel.pk, none),
        )
        for channel in channels.order_by("name", "pk")[:MOST_CHANNELS]
    ]


def top_rules(rows: QuerySet[Notification], days: Sequence[Day]) -> list[tuple[int, str, int]]:
    """(id, name, messages) of the notification rules that wrote most."""
    within = rows.filter(happened_at__gte=days[0].starts, happened_at__lt=days[-1].ends, rule__isnull=False)
    found = within.order_by().values_list("rule", "rule__name").annotate(n=Count("pk")).order_by("-n", "rule")
    return [(pk, name, number) for pk, name, number in found[:MOST_RULES]]
