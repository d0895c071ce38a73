"""That the queries of a long history walk the index made for them: asked of PostgreSQL's planner."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from accounts.models import Tenant
from bench import histories
from jobs import dbclock
from jobs.models import Attempt, Job, LogChunk, Run
from jobs.queries import overview
from jobs.retention import ages
from jobs.retention.policy import keeps_of_jobs
from jobs.states import FAILURE, RunStatus

pytestmark = [pytest.mark.django_db, pytest.mark.ledger("postgresql")]
COUNT = 10_000


@pytest.fixture
def history() -> None:
    with connection.cursor() as cursor:
        histories.add_jobs(cursor)
        histories.add_runs(cursor, COUNT)
        cursor.execute("ANALYZE jobs_run")


def team() -> Tenant:
    """A tenant with a tenth of the runs: for one that has most of them a walk through all is as good."""
    return Tenant.objects.order_by("pk")[2]


def plan(rows: QuerySet[Any]) -> str:
    return str(rows.explain())


def indexes(text: str) -> set[str]:
    return set(re.findall(r"(?:using|on) (run_\w+|\w+_pkey)", text))


def expired() -> QuerySet[Any]:
    kept = next(iter(keeps_of_jobs(Job.objects.all()).values()))
    rows: QuerySet[Any] = ages.expired_ids(kept, after=0, below=COUNT // 2, now=dbclock.now())
    return rows[:1000]


ANY = ""  # in so short a history several indexes are as good; what counts is that the table is not read whole
READS: dict[str, tuple[Callable[[], QuerySet[Any]], str]] = {
    "runs that have expired": (expired, "run_job_recent"),
    "the newest kept run": (lambda: Run.objects.filter(job=1, parent=None).order_by("-id")[:1], "run_job_recent"),
    "a tenant's history": (lambda: Run.objects.filter(tenant=team()).order_by("-id")[:50], ANY),
    "everybody's history": (lambda: Run.objects.order_by("-id")[:50], ANY),
    "a job's history": (
        lambda: Run.objects.filter(tenant=team(), job=Job.objects.filter(tenant=team())[0]).order_by("-id")[:50],
        ANY,
    ),
    "what is rare": (
        lambda: Run.objects.filter(tenant=team(), status=RunStatus.CANCELLED).order_by("-id")[:50],
        ANY,
    ),
    "what came by hand": (
        lambda: Run.objects.filter(tenant=team(), origin="backfill").order_by("-id")[:50],
        "run_tenant_origin",
    ),
    "running runs": (lambda: Run.objects.filter(status=RunStatus.RUNNING, lease_until__lt=dbclock.now()), "run_"),
    "failures of a day": (
        lambda: Run.objects.filter(status__in=FAILURE, ended_at__gte=dbclock.now() - timedelta(days=1)),
        "run_ended",
    ),
    "a day in the past": (
        lambda: Run.objects.filter(
            tenant=team(),
            scheduled_for__gte=dbclock.now() - timedelta(days=60),
            scheduled_for__lt=dbclock.now() - timedelta(days=59),
        ).order_by("-scheduled_for", "-id")[:50],
        ANY,
    ),
    "today's runs": (
        lambda: Run.objects.filter(tenant=team(), scheduled_for__gte=dbclock.now() - timedelta(hours=9)),
        ANY,
    ),
}


def test_each_read_of_a_long_history_goes_by_its_index(history: None) -> None:
    wrong = []
    for name, (rows, index) in READS.items():
        text = plan(rows())
        if "Seq Scan on jobs_run" in text or not any(found.startswith(index) for found in indexes(text)):
            wrong.append(f"{name}, wants {index}:\n{text}")
    assert not wrong, "\n\n".join(wrong)


def test_an_index_that_is_missing_is_seen(history: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX run_tenant_recent")
    assert "run_tenant_recent" not in indexes(plan(Run.objects.filter(tenant=team()).order_by("-id")[:50]))


def test_chunks_of_expired_logs_are_found_by_their_own_index(history: None) -> None:
    rows = LogChunk.objects.filter(attempt_id__gt=5, attempt_id__lt=10**6, seq=1).order_by("attempt_id")[:500]
    assert "chunk_seq_per_attempt" in plan(rows)


def test_the_index_for_like_is_gone_and_the_tables_are_vacuumed_early() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'jobs_run'")
        made = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT relname, array_to_string(reloptions, ' ') FROM pg_class WHERE relname LIKE 'jobs_%%'")
        options = dict(cursor.fetchall())
    assert not [text for text in made if "pattern_ops" in text]
    assert not [text for text in made if "lease_until" in text]
    for table in ("jobs_run", "jobs_attempt", "jobs_runevent", "jobs_logchunk"):
        assert "autovacuum_vacuum_scale_factor=0.01" in options[table]


def test_the_home_page_asks_for_no_more_than_a_day(history: None) -> None:
    found = overview.recent_failures(Run.objects.all(), now=dbclock.now())
    assert 0 < len(found) <= 10
    assert not Attempt.objects.exists()
