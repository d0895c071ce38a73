"""Workers, beats and sessions that nothing needs any more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session

from jobs import dbclock, retention
from jobs.models import BeatHeartbeat, WorkerNode
from jobs.retention import Limits
from tests.jobs import rows as make
from tests.jobs.engine.rows import node
from tests.jobs.retention.history import aged

pytestmark = pytest.mark.django_db


def test_a_worker_long_silent_goes_unless_kept_history_names_it() -> None:
    long_ago = dbclock.now() - timedelta(days=8)
    gone, named, alive = node("gone", last_seen_at=long_ago), node("named", last_seen_at=long_ago), node("alive")
    make.attempt(aged(make.job(), 8), worker=named)

    report = retention.prune(Limits(pause=0))

    assert report is not None
    assert report.nodes == 1
    assert set(WorkerNode.objects.values_list("pk", flat=True)) == {named.pk, alive.pk}
    assert gone.pk not in {named.pk, alive.pk}


def test_expired_sessions_and_silent_beats_go() -> None:
    now = dbclock.now()
    for key, days in (("old", -1), ("new", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=now + timedelta(days=days))
    for name, days in (("old", 8), ("new", 0)):
        seen = now - timedelta(days=days)
        BeatHeartbeat.objects.create(name=name, host="h", pid=1, started_at=seen, last_seen_at=seen)

    retention.prune(Limits(pause=0))

    assert [row.session_key for row in Session.objects.all()] == ["new"]
    assert [row.name for row in BeatHeartbeat.objects.all()] == ["new"]


def test_a_round_for_one_tenant_leaves_them_alone() -> None:
    node("gone", last_seen_at=dbclock.now() - timedelta(days=8))
    retention.prune(Limits(pause=0, tenant_id=make.tenant().pk))
    assert WorkerNode.objects.count() == 1
