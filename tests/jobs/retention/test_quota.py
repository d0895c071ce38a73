"""What a tenant's logs weigh, what happens beyond its quota, and what a new attempt may keep."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Sum

from accounts.models import Tenant
from jobs import dbclock, logquota, retention
from jobs.models import Attempt, Job, LogUsage, Run
from jobs.retention import Limits, quota
from jobs.states import RunStatus
from tests.jobs import rows as make
from tests.jobs.retention.history import aged, kept, logged, texts_of

pytestmark = pytest.mark.django_db
AT_ONCE = Limits(pause=0)


@pytest.fixture(autouse=True)
def nothing_known(settings: Any) -> None:
    settings.PORTAL_RUN_DAYS, settings.PORTAL_LOG_DAYS = 90, 30
    logquota.forget()


def used(job: Job) -> int:
    return LogUsage.objects.get(tenant=job.tenant_id).stored_bytes


def really_stored(job: Job) -> int:
    rows = Attempt.objects.filter(run__tenant=job.tenant_id, log_deleted_at=None)
    return rows.aggregate(size=Sum("log_bytes"))["size"] or 0


def limit(job: Job, size: int | None) -> None:
    Tenant.objects.filter(pk=job.tenant_id).update(log_bytes_limit=size)


def test_each_tenants_logs_are_counted_apart_and_once() -> None:
    mine, other = make.job("mine"), make.job("other", of=make.tenant("rival"))
    logged(mine, 2, "12345")
    logged(other, 2, "123")

    for _round in range(3):
        quota.count_usage(dbclock.now())

    assert (used(mine), used(other)) == (5, 3)
    logged(mine, 1, "12")
    quota.count_usage(dbclock.now())
    assert used(mine) == 7


def test_what_ended_behind_a_running_attempt_is_counted_and_counted_once() -> None:
    job = make.job()
    logged(job, 3, "1234")
    long = aged(job, 2, RunStatus.RUNNING)
    attempt = make.attempt(long, status="running")
    logged(job, 1, "12345")

    quota.count_usage(dbclock.now())
    quota.count_usage(dbclock.now())
    assert used(job) == 9

    Attempt.objects.filter(pk=attempt.pk).update(status="succeeded", ended_at=dbclock.now(), log_bytes=100)
    quota.count_usage(dbclock.now())
    quota.count_usage(dbclock.now())
    assert used(job) == 109


def test_a_deleted_log_is_counted_off_once_whether_it_was_settled_or_not() -> None:
    job = make.job()
    logged(job, 60, "settled")
    quota.count_usage(dbclock.now())
    make.attempt(aged(job, 50, RunStatus.RUNNING), status="running")
    logged(job, 40, "tail")
    logged(job, 0, "new")

    retention.prune(AT_ONCE)
    assert used(job) == really_stored(job) == 3
    quota.count_usage(dbclock.now())
    assert used(job) == 3


def test_counting_from_the_beginning_heals_a_wrong_count() -> None:
    job = make.job()
    logged(job, 1, "12345")
    quota.count_usage(dbclock.now())
    LogUsage.objects.update(stored_bytes=999, settled_bytes=999)

    quota.recount(dbclock.now())

    assert used(job) == 5


def test_over_the_quota_the_oldest_logs_go_down_to_the_limit() -> None:
    job, other = make.job(), make.job("other", of=make.tenant("rival"))
    runs = [logged(job, 9 - day, "x" * 100) for day in range(5)]
    foreign = logged(other, 20, "y" * 1000)
    limit(job, 250)

    report = retention.prune(AT_ONCE)

    assert report is not None
    assert report.quota_logs == 3
    assert [len(texts_of(run)) for run in runs] == [0, 0, 0, 1, 1]
    assert texts_of(foreign) == ["y" * 1000]
    assert used(job) == really_stored(job) == 200
    assert Attempt.objects.get(run=runs[0]).log_deleted_for == "quota"
    assert kept(*runs) == [0, 1, 2, 3, 4]


def test_a_quota_deletes_no_log_of_the_last_day_but_cuts_new_ones_short(settings: Any) -> None:
    job = make.job()
    young = logged(job, 0.5, "x" * 100)
    limit(job, 50)

    retention.prune(AT_ONCE)

    assert texts_of(young) == ["x" * 100]
    assert logquota.cap_for(job.tenant_id) == logquota.QUOTA_CAP_BYTES
    assert "64 KiB: the tenant has stored as much log as it may" in logquota.cut_sentence(logquota.QUOTA_CAP_BYTES)


def test_a_tenant_within_its_quota_or_without_one_has_the_whole_cap(settings: Any) -> None:
    job = make.job()
    logged(job, 0.5, "x" * 100)

    assert logquota.cap_for(job.tenant_id) == settings.PORTAL_LOG_BYTES_PER_ATTEMPT
    limit(job, 101)
    quota.count_usage(dbclock.now())
    logquota.forget()
    assert logquota.cap_for(job.tenant_id) == settings.PORTAL_LOG_BYTES_PER_ATTEMPT
    assert "10240 KiB, the most one attempt may store" in logquota.cut_sentence(settings.PORTAL_LOG_BYTES_PER_ATTEMPT)


def test_a_smaller_cap_of_the_installation_wins(settings: Any) -> None:
    settings.PORTAL_LOG_BYTES_PER_ATTEMPT = 1000
    job = make.job()
    logged(job, 0.5, "x" * 100)
    limit(job, 1)
    quota.count_usage(dbclock.now())
    assert logquota.cap_for(job.tenant_id) == 1000


def test_the_cap_is_remembered_for_a_moment(django_assert_num_queries: Any) -> None:
    job = make.job()
    logquota.cap_for(job.tenant_id)
    with django_assert_num_queries(0):
        logquota.cap_for(job.tenant_id)


@pytest.mark.parametrize(
    ("truncated", "size", "expected"), [(True, 64 * 1024, True), (False, 100, False), (True, 10 * 1024 * 1024, False)]
)
def test_an_attempt_says_whether_the_quota_cut_its_log(truncated: bool, size: int, expected: bool) -> None:
    assert logquota.was_cut_by_quota(Attempt(log_truncated=truncated, log_bytes=size)) is expected


def test_a_tenant_over_its_quota_does_not_wait_for_the_hour() -> None:
    job = make.job()
    old = logged(job, 5, "x" * 100)
    aged(job, 0)
    retention.tend()
    assert texts_of(old) == ["x" * 100]

    limit(job, 10)

    assert retention.tend() == 1
    assert texts_of(old) == []
    assert retention.tend() == 0


def test_the_quota_goes_on_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "WINDOW", 2)
    job = make.job()
    runs = [logged(job, 29 - day, "x" * 10) for day in range(20)]
    limit(job, 100)
    retention.prune(AT_ONCE)
    done = LogUsage.objects.get(tenant=job.tenant_id).oldest_run_id

    logged(job, 2, "x" * 10)
    retention.prune(AT_ONCE)

    assert runs[7].pk < done <= runs[10].pk
    assert LogUsage.objects.get(tenant=job.tenant_id).oldest_run_id >= done
    assert used(job) == really_stored(job) == 100


def test_two_deleters_of_one_log_count_it_off_once() -> None:
    """The second writer: a log was marked and counted off between our list and our delete."""
    job = make.job()
    logged(job, 40, "x" * 100)
    logged(job, 39, "y" * 10)
    aged(job, 0)
    quota.count_usage(dbclock.now())
    found = next(iter(retention.logs.logged_attempts(before_id=10**9)))

    now = dbclock.now()
    first = [list(batch) for batch in retention.logs.delete_logs(found, why="age", now=now)]  # type: ignore[arg-type]
    second = [list(batch) for batch in retention.logs.delete_logs(found, why="age", now=now)]  # type: ignore[arg-type]

    assert [len(batch) for batch in first] == [2]
    assert [len(batch) for batch in second] == [0]
    assert used(job) == 0


def test_runs_that_go_take_their_logs_weight_with_them(settings: Any) -> None:
    settings.PORTAL_RUN_DAYS = settings.PORTAL_LOG_DAYS = 30
    job = make.job()
    old = logged(job, 40, "x" * 100)
    logged(job, 0, "y")
    quota.count_usage(dbclock.now())
    assert used(job) == 101

    retention.prune(AT_ONCE)

    assert not Run.objects.filter(pk=old.pk).exists()
    assert used(job) == really_stored(job) == 1


def test_a_tenant_made_later_is_counted_too() -> None:
    quota.count_usage(dbclock.now())
    job = make.job("new", of=make.tenant("new"))
    logged(job, 1, "abc")
    quota.count_usage(dbclock.now() + timedelta(minutes=5))
    assert used(job) == 3
