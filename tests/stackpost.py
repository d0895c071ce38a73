"""Channels and notifications for a stack of real processes; runs inside its shell."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

from accounts.models import Tenant
from alerts.models import Channel, Notification
from jobs import dbclock


def add_channel(slug: str, kind: str, params: dict[str, Any], fallback: str = "") -> None:
    """A channel of tenant demo."""
    tenant = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})[0]
    other = Channel.objects.get(slug=fallback) if fallback else None
    Channel.objects.create(tenant=tenant, slug=slug, name=slug, kind=kind, params=params, fallback=other, language="en")


def notify(slug: str, count: int = 1) -> None:
    """So many messages for the channel; prints their delivery ids."""
    on, now = Channel.objects.get(slug=slug), dbclock.now()
    rows = [
        Notification(
            tenant=on.tenant,
            channel=on,
            dedupe_key=f"test:{uuid4()}",
            trigger="firing",
            severity="critical",
            subject=f"Message {number}",
            body="Something is wrong.",
            not_before=now,
            happened_at=now - timedelta(seconds=1),
        )
        for number in range(count)
    ]
    Notification.objects.bulk_create(rows, batch_size=500)
    print(json.dumps([str(row.delivery_id) for row in rows]))
