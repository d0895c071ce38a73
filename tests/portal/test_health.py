"""The probes: open to anybody, honest, and free of details."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts.models import OfficeTurn
from jobs.models import BeatHeartbeat, RunEvent, WorkerNode
from jobs.states import RunStatus
from portal import health
from portal.celery import app
from tests.jobs import rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_look(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """No answer of another test, and no real broker: one in memory, as Celery offers it."""
    monkeypatch.setattr(health, "readiness", health._Readiness())
    monkeypatch.setattr(app.conf, "broker_url", "memory://")
    settings.PORTAL_LEASE_SECONDS = 60.0


def beat(age: float = 0) -> None:
    now = timezone.now()
    BeatHeartbeat.objects.create(
        name="beat@here", host="here", pid=1, started_at=now, last_seen_at=now - timedelta(seconds=age)
    )


def worker(age: float = 0, **more: Any) -> None:
    now = timezone.now()
    seen = now - timedelta(seconds=age)
    WorkerNode.objects.create(
        name="w@here", slot="w@here", host="here", pid=1, capacity=4, started_at=now, last_seen_at=seen, **more
    )


def parts(client: Client) -> tuple[int, list[str]]:
    answer = client.get("/readyz")
    return answer.status_code, [name for name, part in answer.json()["parts"].items() if not part["ok"]]


def test_a_live_process_needs_no_database(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_when_every_part_is_there(client: Client) -> None:
    beat()
    worker()
    assert parts(client) == (200, [])


def test_without_beat_and_worker_it_is_not_ready_and_names_them(client: Client) -> None:
    assert parts(client) == (503, ["beat", "worker"])


def test_a_heartbeat_older_than_a_lease_does_not_count(client: Client) -> None:
    beat(age=61)
    worker(age=61)
    assert parts(client) == (503, ["beat", "worker"])


def test_a_worker_that_stopped_does_not_count(client: Client) -> None:
    beat()
    worker(stopped_at=timezone.now())
    assert parts(client) == (503, ["worker"])


def test_a_post_office_that_nobody_works_in_is_named(client: Client) -> None:
    beat()
    worker()
    OfficeTurn.objects.create(name="dispatch", at=timezone.now() - timedelta(minutes=3))
    assert parts(client) == (503, ["post_office"])


@pytest.mark.parametrize(("minutes", "code"), [(4, 200), (6, 503)])
def test_a_post_office_that_gets_nowhere_is_not_ready(client: Client, minutes: int, code: int) -> None:
    beat()
    worker()
    OfficeTurn.objects.create(name="consume", at=timezone.now())
    run = rows.run(rows.job(), RunStatus.SUCCEEDED)
    RunEvent.objects.create(run=run, new=RunStatus.SUCCEEDED, at=timezone.now() - timedelta(minutes=minutes))
    assert parts(client) == (code, ["post_office"] if code == 503 else [])


def test_a_closed_broker_is_named_without_its_address(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    beat()
    worker()
    monkeypatch.setattr(app.conf, "broker_url", "redis://:pass-word@127.0.0.1:1/0")
    answer = client.get("/readyz")
    assert [name for name, part in answer.json()["parts"].items() if not part["ok"]] == ["broker"]
    assert "pass-word" not in answer.content.decode() and "127.0.0.1" not in answer.content.decode()
    assert answer["Retry-After"] == "5"


def test_probes_come_by_any_address_and_without_https(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz", headers={"host": "10.1.2.3:8000"}).status_code == 200


def test_many_probes_cost_one_look(client: Client, django_assert_num_queries: Any) -> None:
    client.get("/readyz")
    with django_assert_num_queries(0):
        client.get("/readyz")


def test_the_version_is_ours(client: Client) -> None:
    from portal import __version__

    assert client.get("/version").json() == {"version": __version__}
