"""What is older than it is kept goes, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Tenant
from jobs import dbclock, retention
from jobs.models import Attempt, LogChunk, RunEvent
from jobs.retention import Limits, rows
from jobs.states import RunStatus
from tests.jobs import rows as make
from tests.jobs.retention.history import aged, kept, logged, texts_of

pytestmark = pytest.mark.django_db
AT_ONCE = Limits(pause=0)


@pytest.fixture(autouse=True)
def days(settings: Any) -> None:
    settings.PORTAL_RUN_DAYS, settings.PORTAL_LOG_DAYS = 30, 3


def test_runs_older_than_the_setting_go_with_attempts_events_and_logs() -> None:
    job = make.job()
    old, young = logged(job, 31, "a", "b"), logged(job, 1, "c")
    RunEvent.objects.create(run=old, new="succeeded", at=old.created_at)

    report = retention.prune(AT_ONCE)

    assert report is not None
    assert (report.runs, report.logs) == (1, 1)
    assert kept(old, young) == [1]
    assert not RunEvent.objects.filter(run=old.pk).exists()
    assert Attempt.objects.count() == 1
    assert texts_of(young) == ["c"]


def test_logs_go_before_their_runs_and_the_attempt_says_so() -> None:
    job = make.job()
    old = logged(job, 5, "text")
    logged(job, 0.1, "newest")

    retention.prune(AT_ONCE)

    attempt = Attempt.objects.get(run=old)
    assert texts_of(old) == []
    assert attempt.log_deleted_for == "age"
    assert attempt.log_bytes == 4
    assert attempt.log_deleted_at is not None


@pytest.mark.parametrize(
    ("of_tenant", "of_job", "expected"),
    [(None, None, [2]), (60, None, [1, 2]), (60, 100, [0, 1, 2]), (None, 100, [0, 1, 2]), (100, 5, [2])],
)
def test_the_job_decides_before_its_tenant_and_that_before_the_setting(
    of_tenant: int | None, of_job: int | None, expected: list[int]
) -> None:
    job = make.job(run_days=of_job)
    Tenant.objects.filter(pk=job.tenant_id).update(run_days=of_tenant)
    runs = [aged(job, 90), aged(job, 40), aged(job, 0)]

    retention.prune(AT_ONCE)

    assert kept(*runs) == expected


def test_the_newest_runs_of_a_job_stay_whatever_their_age_and_keep_their_logs() -> None:
    one, three = make.job("one"), make.job("three", keep_runs=3)
    of_one = [logged(one, 99 - day, "x") for day in range(4)]
    of_three = [logged(three, 99 - day, "x") for day in range(4)]

    retention.prune(AT_ONCE)

    assert kept(*of_one) == [3]
    assert kept(*of_three) == [1, 2, 3]
    assert texts_of(of_three[1]) == ["x"]


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING])
def test_what_has_not_ended_is_never_touched(status: str) -> None:
    job = make.job()
    alive = aged(job, 400, status)
    make.attempt(alive, status="running")
    LogChunk.objects.create(attempt=alive.attempts.get(), seq=1, stream="stdout", at=dbclock.now(), text="so far")
    aged(job, 0)

    retention.prune(AT_ONCE)

    assert kept(alive) == [0]
    assert texts_of(alive) == ["so far"]


def test_a_run_that_began_long_ago_is_as_old_as_its_end() -> None:
    job = make.job()
    long = aged(job, 33, ended_at=dbclock.now() - timedelta(days=2))
    aged(job, 0)

    retention.prune(AT_ONCE)

    assert kept(long) == [0]


def test_missed_and_skipped_runs_go_too() -> None:
    job = make.job()
    runs = [aged(job, 40, status, reason_code="misfire") for status in (RunStatus.MISSED, RunStatus.SKIPPED)]
    aged(job, 0)

    retention.prune(AT_ONCE)

    assert kept(*runs) == []


def test_a_container_goes_with_its_parts_but_not_while_one_of_them_lives() -> None:
    job = make.job()
    done, busy = aged(job, 40, is_container=True), aged(job, 40, is_container=True)
    parts = [aged(job, 40, parent=done), aged(job, 40, parent=done)]
    others = [aged(job, 40, parent=busy), aged(job, 40, RunStatus.RUNNING, parent=busy)]
    aged(job, 0)

    report = retention.prune(AT_ONCE)

    assert report is not None
    assert report.runs == 3
    assert kept(done, *parts) == []
    assert kept(busy, *others) == [0, 1, 2]


def test_a_part_does_not_count_as_one_of_the_newest_runs() -> None:
    job = make.job()
    older, newest = aged(job, 50), aged(job, 40, is_container=True)
    parts = [aged(job, 40, parent=newest) for _ in range(3)]

    retention.prune(AT_ONCE)

    assert kept(older, newest, *parts) == [1, 2, 3, 4]


def test_a_run_that_was_repeated_goes_and_the_repetition_stays() -> None:
    job = make.job()
    old = aged(job, 40)
    again = aged(job, 1, rerun_of=old)

    retention.prune(AT_ONCE)

    again.refresh_from_db()
    assert kept(old) == []
    assert again.rerun_of is None


def test_a_job_or_a_tenant_can_be_pruned_alone() -> None:
    mine, other = make.job("mine"), make.job("other", of=make.tenant("rival"))
    runs = [aged(mine, 40), aged(other, 40)]
    for job in (mine, other):
        aged(job, 0)

    retention.prune(Limits(pause=0, tenant_id=other.tenant_id))
    assert kept(*runs) == [0]
    retention.prune(Limits(pause=0, job_id=mine.pk))
    assert kept(*runs) == []


def test_a_dry_run_counts_and_changes_nothing() -> None:
    job = make.job()
    container = aged(job, 40, is_container=True)
    runs = [logged(job, 40, "abc"), container, aged(job, 40, parent=container), logged(job, 5, "de"), aged(job, 0)]

    report = retention.would_delete()

    assert (report.runs, report.logs, report.log_bytes) == (3, 2, 5)
    assert kept(*runs) == [0, 1, 2, 3, 4]


def test_what_a_dry_run_counts_is_what_goes() -> None:
    job = make.job()
    for day in range(0, 60, 3):
        logged(job, 60 - day, "text")

    wanted = retention.would_delete()
    done = retention.prune(AT_ONCE)

    assert done is not None
    assert (done.runs, done.logs, done.log_bytes) == (wanted.runs, wanted.logs, wanted.log_bytes)
    assert done.runs > 5


def test_batches_delete_everything_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH", 3)
    job = make.job()
    container = aged(job, 41, is_container=True)
    runs = [container, *(aged(job, 41, parent=container) for _ in range(7)), *(aged(job, 40) for _ in range(8))]
    aged(job, 0)

    report = retention.prune(AT_ONCE)

    assert report is not None
    assert report.runs == 16
    assert kept(*runs) == []
