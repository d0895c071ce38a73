"""Somebody sends a message again that was given up."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts import audit
from accounts.models import User
from accounts.permissions import can
from alerts.models import Notification
from alerts.states import NotificationStatus

N = NotificationStatus


def send_again(notification: Notification, *, actor: User, now: datetime) -> bool:
    """With the same delivery id, and a whole day of tries. False: it was not given up, or somebody was quicker.

    Needs the right to change its channel.
    """
    if not can(actor, "change", notification.channel):
        raise PermissionDenied
    with transaction.atomic():
        dead = Notification.objects.filter(pk=notification.pk, status=N.DEAD)
        again = dead.update(status=N.PENDING, not_before=now, first_failed_at=None, why={}, lease_until=None)
        if again:
            audit.record("alerts.notification.sent_again", actor=actor, target=notification)
    return bool(again)
