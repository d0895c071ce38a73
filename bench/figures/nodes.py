"""A thousand workers: what their heartbeats cost, how fast their page is, how soon the silent ones show."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from bench.figure import Figure
from bench.place import Place
from jobs import dbclock, nodes
from jobs.models import WorkerNode

ORDER = 8
LEASE_SECONDS = 4.0  # short, so that the bench is; what counts is the number of leases
PAGES = 10


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """The nodes are rows; everything else is what the portal does with them."""
    count = 50 if quick else 1000
    made = _add_nodes(count)
    heartbeat = _heartbeat_seconds(made)
    needed = count / settings.PORTAL_HEARTBEAT_SECONDS
    yield Figure(
        name=f"heartbeats of {count:,} workers, one connection",
        value=1 / heartbeat,
        unit="per s",
        baseline="what they send",
        baseline_value=needed,
        target=1.0,
        of="ratio",
    )
    client = _client()
    pages = sorted(_page_seconds(client) for _ in range(PAGES))
    yield Figure(
        name=f"page of {count:,} workers, slowest of {PAGES}",
        value=pages[-1],
        unit="s",
        target=1.0,
        better="lower",
    )
    yield Figure(
        name=f"{count // 2:,} of {count:,} workers fall silent: all shown offline after",
        value=_leases_until_offline(client, made),
        unit="leases",
        target=2.0,
        better="lower",
    )
    WorkerNode.objects.filter(pk__in=[node.pk for node in made]).delete()


def _add_nodes(count: int) -> list[WorkerNode]:
    now = dbclock.now()
    same: dict[str, Any] = {"host": "bench", "pid": 1, "capacity": 16, "started_at": now, "last_seen_at": now}
    same |= {"queues": ["default"], "capabilities": ["python", "shell", "sql", "driver:sqlite"]}
    rows = [WorkerNode(name=f"bench-{n:04}", slot=f"bench/{n}", running_count=n % 4, **same) for n in range(count)]
    WorkerNode.objects.bulk_create(rows, batch_size=200)
    return list(WorkerNode.objects.filter(host="bench").order_by("pk"))


def _beat(node: WorkerNode) -> None:
    """As a worker does it: with its history, and a look whether it is to drain."""
    history = [[1_800_000_000 + n * 15, 50.0, 40.0, 3] for n in range(40)]
    nodes.is_drain_wanted(node)
    nodes.beat(node, last_seen_at=dbclock.now(), running_count=3, cpu_percent=50.0, history=history)


def _heartbeat_seconds(made: Sequence[WorkerNode]) -> float:
    began = time.perf_counter()
    for node in made:
        _beat(node)
    return (time.perf_counter() - began) / len(made)


def _client() -> Client:
    from accounts.models import User

    call_command("collectstatic", verbosity=0, interactive=False)
    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    client.force_login(User.objects.create_superuser(f"bench-{time.monotonic_ns()}", password="bench"))
    client.get(reverse("admin:jobs_workernode_changelist"))  # templates are compiled once
    return client


def _page_seconds(client: Client) -> float:
    began = time.perf_counter()
    page = client.get(reverse("admin:jobs_workernode_changelist"))
    assert page.status_code == 200
    return time.perf_counter() - began


def _leases_until_offline(client: Client, made: Sequence[WorkerNode]) -> float:
    """From the last heartbeat of the silent half until the page counts all of it, while the others go on."""
    silent, others = made[: len(made) // 2], made[len(made) // 2 :]
    lease_before, settings.PORTAL_LEASE_SECONDS = settings.PORTAL_LEASE_SECONDS, LEASE_SECONDS
    try:
        for node in silent:
            _beat(node)
        began = time.monotonic()
        while (waited := (time.monotonic() - began) / LEASE_SECONDS) < 4:
            WorkerNode.objects.filter(pk__in=[node.pk for node in others]).update(last_seen_at=dbclock.now())
            if _offline(client) >= len(silent):
                break
            time.sleep(0.1)
        return waited
    finally:
        settings.PORTAL_LEASE_SECONDS = lease_before


def _offline(client: Client) -> int:
    page = client.get(reverse("admin:jobs_workernode_changelist")).content.decode()
    found = re.search(r'href="\?state=offline"><b>(\d+)</b>', page)
    assert found is not None
    return int(found[1])
