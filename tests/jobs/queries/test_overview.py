"""What the home page shows."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs.models import Run, Schedule
from jobs.queries import next_fire_times, recent_failures, running_now, system_state, today_summary
from jobs.states import RunStatus
from tests.jobs import rows

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_today_starts_at_midnight_of_the_zone() -> None:
    job = rows.job()
    midnight = rows.NOW.astimezone(SHANGHAI).replace(hour=0, minute=0)
    rows.run(job, RunStatus.SUCCEEDED, at=midnight)
    rows.run(job, RunStatus.TIMED_OUT, at=midnight + timedelta(hours=1))
    rows.run(job, RunStatus.SUCCEEDED, at=midnight - timedelta(seconds=1))
    today = today_summary(Run.objects.all(), now=rows.NOW, zone=SHANGHAI)
    assert (today.total, today.failed, today.success_rate) == (2, 1, 0.5)


def test_failures_are_of_the_last_day_and_newest_first() -> None:
    job = rows.job()
    rows.run(job, RunStatus.TECHNICAL_FAILURE, at=rows.NOW - timedelta(hours=25))
    older = rows.run(job, RunStatus.BUSINESS_FAILURE, at=rows.NOW - timedelta(hours=2))
    newer = rows.run(job, RunStatus.LOST, at=rows.NOW - timedelta(hours=1))
    rows.run(job, RunStatus.SKIPPED, at=rows.NOW - timedelta(hours=1))
    assert recent_failures(Run.objects.all(), now=rows.NOW) == [newer, older]


def test_running_now_is_longest_first() -> None:
    job = rows.job()
    young = rows.run(job, RunStatus.RUNNING, at=rows.NOW)
    old = rows.run(job, RunStatus.RUNNING, at=rows.NOW - timedelta(hours=1))
    rows.run(job, RunStatus.QUEUED)
    assert running_now(Run.objects.all()) == [old, young]


def test_disabled_jobs_and_schedules_fire_nothing() -> None:
    job, off = rows.job(), rows.job("off", is_enabled=False)
    wanted = rows.schedule(job)
    rows.schedule(job, is_enabled=False)
    rows.schedule(off)
    assert [fire.schedule for fire in next_fire_times(Schedule.objects.all())] == [wanted]


def test_system_state_counts_what_is_due_and_says_since_when() -> None:
    job = rows.job()
    rows.run(job, RunStatus.QUEUED, at=rows.NOW - timedelta(minutes=3))
    rows.run(job, RunStatus.QUEUED, at=rows.NOW + timedelta(minutes=3))
    state = system_state(Run.objects.all(), schedules=Schedule.objects.all(), now=rows.NOW)
    assert (state.queued, state.due, state.oldest_due) == (2, 1, rows.NOW - timedelta(minutes=3))
    assert (state.workers, state.beats) == ((), ())
