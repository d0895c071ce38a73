"""The page that says how sending went."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.admin_scope import narrowed, user_of
from accounts.permissions import visible_to
from alerts import wording
from alerts.admin.daybars import Series, bars
from alerts.models import Channel, Notification
from alerts.queries.days import Day, last_days
from alerts.queries.deliveries import ChannelDeliveries, deliveries, top_rules
from alerts.states import NotificationStatus
from jobs import look

PERIODS = (7, 30, 90)


def chosen_days(request: HttpRequest) -> list[Day]:
    """`?days=30`; a week without it."""
    text = request.GET.get("days", "")
    count = int(text) if text in {str(number) for number in PERIODS} else PERIODS[0]
    return last_days(count, now=timezone.now(), zone=timezone.get_current_timezone())


def context(request: HttpRequest) -> dict[str, Any]:
    user, days = user_of(request), chosen_days(request)
    rows = narrowed(request, visible_to(user, Notification.objects.all()))
    channels = narrowed(request, visible_to(user, Channel.objects.all()))
    found = deliveries(rows, channels, days)
    return {
        "title": _("How sending went"),
        "periods": PERIODS,
        "days": len(days),
        "chart": bars(days, _series(found, len(days)), _("Messages per day")),
        "series": _series(found, len(days)),
        "channels": [_channel(one, days) for one in found],
        "top_rules": top_rules(rows, days),
        "has_any": any(one.sent or one.dead or one.suppressed or one.waiting for one in found),
    }


def _series(found: list[ChannelDeliveries], days: int) -> list[Series]:
    sent = [sum(one.sent_per_day[number] for one in found) for number in range(days)]
    dead = [sum(one.dead_per_day[number] for one in found) for number in range(days)]
    return [
        Series(label=NotificationStatus.SENT.label, tone="good", counts=sent),
        Series(label=NotificationStatus.DEAD.label, tone="bad", counts=dead),
    ]


def _channel(found: ChannelDeliveries, days: list[Day]) -> dict[str, Any]:
    channel = found.channel
    series = [
        Series(label=NotificationStatus.SENT.label, tone="good", counts=found.sent_per_day),
        Series(label=NotificationStatus.DEAD.label, tone="bad", counts=found.dead_per_day),
    ]
    return {
        "channel": channel,
        "found": found,
        "mean": look.seconds_text(found.mean),
        "slowest": look.seconds_text(found.slowest),
        "chart": bars(days, series, channel.name),
        "problem": wording.render((channel.problem or {}).get("sentence")) if channel.failing_since else "",
    }
