"""What calendars, freezes and backfills give as reasons, brought about by the engine itself."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from jobs import backfills, freezes
from jobs.backfills import Wish
from jobs.engine.labels import label_waiting
from jobs.engine.offer import Offer
from jobs.models import Calendar, CalendarDay, Freeze
from jobs.scheduling.tick import tick
from jobs.scheduling.triggers import parse_trigger
from jobs.states import ReasonCode, WaitReason
from tests.jobs import rows as job_rows
from tests.jobs.engine import rows
from tests.jobs.reasoncases import brings_about

pytestmark = pytest.mark.django_db

R, W = ReasonCode, WaitReason
SATURDAY = datetime(2026, 11, 21, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def nothing_remembered():
    freezes.forget()
    yield
    freezes.forget()


def due_on_saturday(**fields):
    """A schedule that is due at 09:00 on a day that the calendar names as off."""
    job = rows.job()
    calendar = Calendar.objects.create(tenant=job.tenant, slug="cn", name="China", timezone="UTC")
    CalendarDay.objects.create(calendar=calendar, date=SATURDAY.date(), name="Rest day")
    at = SATURDAY - DAY
    values = {"timezone": "UTC", "at": at, "next_fire_at": SATURDAY, "calendar": calendar, **fields}
    return job_rows.schedule(job, **{"expression": "0 9 21 * *", **values})


def frozen(job, since):
    Freeze.objects.create(tenant=job.tenant, name="Year end", reason="books", starts_at=since, ends_at=since + 9 * DAY)
    freezes.forget()


@brings_about(R.CALENDAR)
def test_a_fire_time_on_a_day_off_is_skipped():
    due_on_saturday()
    tick(SATURDAY + timedelta(seconds=1))


@brings_about(W.TIME)
def test_a_fire_time_on_a_day_off_waits_for_the_day_after():
    due_on_saturday(calendar_policy="run_after")
    tick(SATURDAY + timedelta(seconds=1))


@brings_about(R.FROZEN)
def test_a_fire_time_in_a_freeze_is_skipped():
    schedule = due_on_saturday(calendar=None)
    frozen(schedule.job, SATURDAY - DAY)
    tick(SATURDAY + timedelta(seconds=1))


@brings_about(W.FROZEN)
def test_a_queued_run_waits_for_the_end_of_a_freeze():
    job = rows.job()
    rows.queued(job)
    frozen(job, timezone.now() - DAY)
    label_waiting(timezone.now() + rows.HOUR, offer=Offer(kinds=frozenset(rows.KINDS)), queues=["default"])


@brings_about(R.BACKFILL_CANCELLED)
def test_a_cancelled_backfill_cancels_its_queued_runs():
    trigger = parse_trigger("cron", "0 * * * *", "UTC", SATURDAY)
    wish = Wish(since=SATURDAY, until=SATURDAY + timedelta(hours=5), trigger=trigger, timezone="UTC")
    made = backfills.create_range(rows.job(), wish, actor=None)
    backfills.release(timezone.now())
    assert backfills.cancel_backfill(made, actor=job_rows.user("olga"))
