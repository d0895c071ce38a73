"""10,000 notifications over loopback webhooks, with one channel that hangs and without."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import uuid4

from accounts.models import Tenant
from alerts.models import Channel, DeliveryAttempt, Notification, OfficeTurn
from bench.figure import Figure
from bench.place import Place, end, wait_for
from jobs import dbclock

ORDER = 14
CHANNELS = 10
PATIENCE = 600.0


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """One office. The hanging channel has as many messages as each of the others; its tries take their whole limit."""
    each = 20 if quick else 1_000
    port = _start_sink(place)
    os.environ["PORTAL_HTTP_ALLOWED_NETWORKS"] = "127.0.0.0/8"
    alone = _drain(place, port, each, hangs=False)
    beside = _drain(place, port, each, hangs=True)
    count = each * (CHANNELS - 1)
    yield Figure(
        name=f"{count:,} notifications sent beside {each:,} on a channel that hangs",
        value=beside,
        unit="s",
        baseline="without that channel",
        baseline_value=alone,
        target=1.3,
        better="lower",
        of="ratio",
    )
    yield Figure(
        name=f"notifications a second, {CHANNELS - 1} channels, one office, one hangs",
        value=count / beside,
        unit="/s",
        baseline="without that channel",
        baseline_value=count / alone,
        target=None if quick else 100.0,
    )
    twice = DeliveryAttempt.objects.filter(is_ok=True, number__gt=1).count()
    yield Figure(name="notifications sent twice", value=twice, unit="", target=0, better="lower")


def _start_sink(place: Place) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    place.start(sys.executable, "-m", "bench.sink", str(port))
    wait_for(lambda: _answers(port), "the sink", seconds=30)
    return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _drain(place: Place, port: int, each: int, *, hangs: bool) -> float:
    """Seconds from the first message due until all messages of the channels that work are sent."""
    tenant = Tenant.objects.get_or_create(slug="bench", defaults={"name": "Bench"})[0]
    Notification.objects.all().delete()
    Channel.objects.all().delete()
    OfficeTurn.objects.all().delete()
    now = dbclock.now()
    rows: list[Notification] = []
    for number in range(CHANNELS):
        is_hanging = number == 0
        if is_hanging and not hangs:
            continue
        url = f"http://127.0.0.1:{port}/{'hang' if is_hanging else 'take'}"
        params = {"url": url, "timeout": "15s"}
        on = Channel.objects.create(tenant=tenant, slug=f"c{number}", name=f"c{number}", kind="webhook", params=params)
        rows += [_message(on, place_, now) for place_ in range(each)]
    Notification.objects.bulk_create(rows, batch_size=500)
    place.tidy()
    office = place.start(sys.executable, "manage.py", "post_office")
    wait_for(lambda: OfficeTurn.objects.filter(name="dispatch").exists(), "the office", seconds=60)
    due = dbclock.now()
    Notification.objects.update(not_before=due)
    left = Notification.objects.exclude(status="sent").exclude(channel__slug="c0")
    began = time.perf_counter()
    wait_for(lambda: not left.exists(), "the messages", seconds=PATIENCE, step=0.2)
    took = time.perf_counter() - began
    end(office)
    return took


def _message(on: Channel, number: int, now: datetime) -> Notification:
    return Notification(
        tenant_id=on.tenant_id,
        channel=on,
        dedupe_key=f"bench:{uuid4()}",
        trigger="firing",
        severity="warning",
        subject=f"Message {number}",
        body="Something is wrong.\n" * 20,
        not_before=now + timedelta(days=1),
        happened_at=now,
    )
