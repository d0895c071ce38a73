"""What a page of jobs shows beside each job."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.models import Calendar, Job, Run, Schedule
from jobs.queries import JobActivity, job_activity, next_fire_times
from jobs.states import RunStatus
from tests.jobs import rows

pytestmark = pytest.mark.django_db


def activity_of(*jobs: Job) -> dict[int, JobActivity]:
    return job_activity(jobs, runs=Run.objects.all(), schedules=Schedule.objects.all())


def test_job_that_never_ran_is_idle() -> None:
    job = rows.job()
    assert activity_of(job)[job.pk] == JobActivity(status="idle")


def test_running_run_shows_before_a_queued_one_and_the_last_result() -> None:
    job = rows.job()
    for status in (RunStatus.SUCCEEDED, RunStatus.RUNNING, RunStatus.QUEUED):
        rows.run(job, status)
    found = activity_of(job)[job.pk]
    assert (found.status, found.running_count, found.queued_count) == (RunStatus.RUNNING, 1, 1)
    assert found.last is not None
    assert found.last.status == RunStatus.SUCCEEDED


def test_success_rate_counts_only_executed_runs() -> None:
    job = rows.job()
    for status in (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED, RunStatus.TIMED_OUT, RunStatus.SKIPPED):
        rows.run(job, status)
    found = activity_of(job)[job.pk]
    assert (found.success_rate, found.executed_count) == (2 / 3, 3)


def test_strip_holds_the_twenty_newest_oldest_first() -> None:
    job = rows.job()
    made = [rows.run(job).pk for _ in range(25)]
    assert [mark.pk for mark in activity_of(job)[job.pk].marks] == made[5:]


def test_success_rate_forgets_runs_older_than_the_last_hundred() -> None:
    job = rows.job()
    rows.run(job, RunStatus.TECHNICAL_FAILURE)
    for _ in range(100):
        rows.run(job)
    assert activity_of(job)[job.pk].success_rate == 1.0


def test_next_fire_is_the_earliest_of_the_enabled_schedules() -> None:
    job = rows.job()
    rows.schedule(job, at=rows.NOW + timedelta(hours=2))
    rows.schedule(job, at=rows.NOW + timedelta(hours=1), timezone="Europe/Berlin")
    rows.schedule(job, at=rows.NOW, is_enabled=False)
    found = activity_of(job)[job.pk]
    assert (found.next_fire_at, found.timezone) == (rows.NOW + timedelta(hours=1), "Europe/Berlin")


def test_runs_that_are_not_passed_in_do_not_count() -> None:
    job = rows.job()
    rows.run(job)
    found = job_activity([job], runs=Run.objects.none(), schedules=Schedule.objects.none())
    assert found[job.pk].marks == ()


@pytest.mark.parametrize("job_count", [1, 60])
def test_a_page_of_jobs_takes_eight_queries(django_assert_num_queries, job_count) -> None:
    jobs = [rows.job(f"job-{number}") for number in range(job_count)]
    for job in jobs:
        rows.run(job)
        rows.schedule(job)
    with django_assert_num_queries(8):  # two of them once a second only: freezes and blackouts
        activity_of(*jobs)


def test_what_a_calendar_closes_is_not_the_next_run() -> None:
    job = rows.job()
    week = Calendar.objects.create(tenant=job.tenant, name="Week", slug="week")
    saturday = datetime(2026, 11, 21, 9, tzinfo=UTC)
    rows.schedule(job, "0 9 * * *", timezone="UTC", calendar=week, next_fire_at=saturday)
    assert activity_of(job)[job.pk].next_fire_at == datetime(2026, 11, 23, 9, tzinfo=UTC)
    [fire] = next_fire_times(Schedule.objects.all())
    assert fire.at == datetime(2026, 11, 23, 9, tzinfo=UTC)
