"""Calendars, blackouts and freezes in the tick and the claim: what is closed is a row that says why."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from accounts.models import AuditEntry
from datasources.models import DataSource
from jobs import dbclock, freezes, freezing
from jobs.engine.invariants import INVARIANTS
from jobs.engine.labels import label_waiting
from jobs.engine.offer import Offer
from jobs.models import Blackout, Calendar, CalendarDay, Freeze, Job, Run, Schedule, WorkerNode
from jobs.runs import FrozenError, create_run, create_run_despite_freeze
from jobs.scheduling.tick import tick
from jobs.states import Origin, ReasonCode, RunStatus, WaitReason
from jobs.timetable import calendar_changed, first_moment
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
FRIDAY = datetime(2026, 11, 20, 9, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def calendar(**fields) -> Calendar:
    values = {"slug": "week", "name": "Week", "timezone": "UTC", **fields}
    return Calendar.objects.create(tenant=base.tenant(), **values)


def daily(job, expression="0 9 * * *", at=FRIDAY - MINUTE, **fields) -> Schedule:
    schedule = base.schedule(job, expression, timezone="UTC", at=at, next_fire_at=None, **fields)
    schedule.next_fire_at = first_moment(schedule, at)
    schedule.save()
    return schedule


def freeze(starts_at, ends_at=None, **fields) -> Freeze:
    values = {"tenant": base.tenant(), "name": "Quarter", "reason": "Year-end close", **fields}
    exempt = values.pop("exempt", ())
    row = Freeze.objects.create(starts_at=starts_at, ends_at=ends_at, **values)
    row.exempt_jobs.set(exempt)
    freezes.forget()
    return row


def tick_through(start, end, step=timedelta(hours=1)) -> None:
    now = start
    while now <= end:
        while tick(now).has_more:
            pass
        now += step


def claimed():
    return rows.take(WorkerNode.objects.first() or rows.node())


def fates() -> list[tuple[str, str, str]]:
    found = Run.objects.order_by("scheduled_for").values_list("scheduled_for", "status", "reason_code")
    return [(f"{at:%m-%d}", status, code) for at, status, code in found]


def test_a_day_off_becomes_a_skipped_row_that_names_calendar_and_day():
    cal = calendar()
    CalendarDay.objects.create(calendar=cal, date=date(2026, 11, 20), name="Founders' Day")
    daily(rows.job(), calendar=cal)
    tick(FRIDAY)
    run = Run.objects.get()
    assert (run.status, run.reason_code) == (RunStatus.SKIPPED, ReasonCode.CALENDAR)
    assert run.reason == "2026-11-20 is a day off in the calendar “Week”: Founders' Day."


def test_run_after_waits_for_its_working_day_and_is_in_nobodys_way():
    job = rows.job()
    schedule = daily(job, "0 9 21 * *", calendar=calendar(), calendar_policy="run_after")
    other = daily(job, "0 12 * * *")
    tick_through(FRIDAY, FRIDAY + DAY + timedelta(hours=4))
    moved = Run.objects.get(schedule=schedule)
    assert (moved.status, moved.scheduled_for, moved.not_before) == (RunStatus.QUEUED, FRIDAY + DAY, FRIDAY + 3 * DAY)
    assert "Moved from" in moved.reason
    assert Run.objects.filter(schedule=other, status=RunStatus.QUEUED).count() == 1
    assert Run.objects.filter(schedule=other, reason_code=ReasonCode.OVERLAP).count() == 1  # by its own run


def test_run_before_comes_a_working_day_early_and_once():
    schedule = daily(rows.job(), "0 9 22 * *", calendar=calendar(), calendar_policy="run_before")
    assert schedule.next_fire_at == FRIDAY
    tick_through(FRIDAY, FRIDAY + 4 * DAY)
    run = Run.objects.get()
    assert (run.scheduled_for, run.status) == (FRIDAY + 2 * DAY, RunStatus.QUEUED)
    assert run.not_before <= FRIDAY + timedelta(hours=1)


@pytest.mark.parametrize(("misfire", "status"), [("run_once", RunStatus.QUEUED), ("skip", RunStatus.MISSED)])
def test_a_holiday_that_became_known_too_late_goes_by_the_misfire_policy(misfire, status):
    cal = calendar(workdays="1234567")
    schedule = daily(rows.job(), "0 9 22 * *", calendar=cal, calendar_policy="run_before", misfire=misfire)
    tick_through(FRIDAY, FRIDAY + DAY)
    CalendarDay.objects.create(calendar=cal, date=date(2026, 11, 22))
    CalendarDay.objects.create(calendar=cal, date=date(2026, 11, 21))
    calendar_changed(cal)
    tick_through(FRIDAY + DAY, FRIDAY + 3 * DAY)
    run = Run.objects.get(schedule=schedule)
    assert (run.status, run.scheduled_for) == (status, FRIDAY + 2 * DAY)


def test_a_working_day_schedule_follows_its_calendar():
    cal = calendar()
    CalendarDay.objects.create(calendar=cal, date=date(2026, 12, 1))
    schedule = daily(rows.job(), "1 09:00", kind="workday", calendar=cal)
    assert schedule.next_fire_at == datetime(2026, 12, 2, 9, tzinfo=UTC)
    CalendarDay.objects.filter(calendar=cal).delete()
    calendar_changed(cal)
    schedule.refresh_from_db()
    assert schedule.next_fire_at > dbclock.now()


def test_a_blackout_of_a_datasource_closes_the_jobs_that_use_it_and_no_others():
    source = DataSource.objects.create(tenant=base.tenant(), slug="shop", name="Shop", kind="sqlite")
    uses = rows.job("uses", kind="sql", params={"datasource": "shop", "sql": "select 1"})
    other = rows.job("other")
    Blackout.objects.create(
        tenant=base.tenant(),
        name="Backup",
        datasource=source,
        weekdays="5",
        start_time=time(8),
        end_time=time(10),
        timezone="UTC",
    )
    freezes.forget()
    daily(uses)
    daily(other)
    tick(FRIDAY)
    assert Run.objects.get(job=uses).reason_code == ReasonCode.CALENDAR
    assert "Backup" in Run.objects.get(job=uses).reason
    assert Run.objects.get(job=other).status == RunStatus.QUEUED


# --- freezes ---


def test_what_comes_due_in_a_freeze_is_skipped_and_names_it_and_its_end():
    freeze(FRIDAY - DAY, FRIDAY + DAY)
    daily(rows.job())
    tick(FRIDAY)
    run = Run.objects.get()
    assert (run.status, run.reason_code) == (RunStatus.SKIPPED, ReasonCode.FROZEN)
    assert "“Quarter”" in run.reason
    assert "Year-end close" in run.reason
    assert "2026-11-21" in run.reason


def test_exempt_jobs_and_other_tenants_go_on():
    exempt, other = rows.job("exempt"), rows.job("other", of=base.tenant("other"))
    freeze(FRIDAY - DAY, FRIDAY + DAY, exempt=[exempt])
    daily(exempt)
    daily(other)
    tick(FRIDAY)
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.QUEUED}


def test_a_freeze_of_every_tenant_holds_every_tenant():
    freeze(FRIDAY - DAY, tenant=None)
    daily(rows.job())
    daily(rows.job("other", of=base.tenant("other")))
    tick(FRIDAY)
    assert set(Run.objects.values_list("reason_code", flat=True)) == {ReasonCode.FROZEN}


def switches() -> list[tuple[str, int, bool]]:
    return [
        *(("job", pk, on) for pk, on in Job.objects.order_by("pk").values_list("pk", "is_enabled")),
        *(("schedule", pk, on) for pk, on in Schedule.objects.order_by("pk").values_list("pk", "is_enabled")),
    ]


@pytest.mark.parametrize("how", ["expires", "ended_early", "edited", "overlapping", "beat_down"])
def test_however_a_freeze_ends_everything_is_exactly_as_it_was(how):
    on, off = rows.job("on"), rows.job("off", is_enabled=False)
    daily(on)
    daily(on, "0 10 * * *", is_enabled=False)
    daily(off)
    before = switches()
    row = freeze(FRIDAY - DAY, FRIDAY + DAY)
    if how == "overlapping":
        freeze(FRIDAY, FRIDAY + timedelta(hours=30), name="Second")
    if how != "beat_down":
        tick_through(FRIDAY, FRIDAY + timedelta(hours=4))
    if how == "ended_early":
        Freeze.objects.filter(pk=row.pk).update(ended_at=FRIDAY + timedelta(hours=6))
    if how == "edited":
        Freeze.objects.filter(pk=row.pk).update(ends_at=FRIDAY + timedelta(hours=6), reason="Shorter")
    freezes.forget()
    tick_through(FRIDAY + timedelta(hours=5), FRIDAY + 3 * DAY, timedelta(hours=8))
    assert switches() == before
    frozen = [at for at, _status, code in fates() if code == ReasonCode.FROZEN]
    expected = {"ended_early": ["11-20"], "edited": ["11-20"], "overlapping": ["11-20", "11-21"]}
    assert frozen == expected.get(how, ["11-20"])
    ran = Run.objects.filter(reason_code="", status=RunStatus.QUEUED)
    assert ran.count() == 1  # overlap=skip: it waits, the next day meets it
    assert not list(INVARIANTS[0].find(FRIDAY + 3 * DAY))


def test_a_beat_that_was_down_for_a_whole_freeze_writes_it_down_all_the_same():
    freeze(FRIDAY - DAY, FRIDAY + timedelta(hours=12))
    daily(rows.job(), grace=timedelta(hours=1))
    tick(FRIDAY + 2 * DAY + MINUTE)
    assert fates() == [
        ("11-20", RunStatus.SKIPPED, ReasonCode.FROZEN),
        ("11-21", RunStatus.MISSED, ReasonCode.MISFIRE),
        ("11-22", RunStatus.QUEUED, ""),
    ]


def test_run_once_afterwards_runs_the_newest_of_each_schedule_once():
    job = rows.job()
    schedule = daily(job)
    end = FRIDAY + 2 * DAY + timedelta(hours=1)
    row = freeze(FRIDAY - DAY, end, after="run_once")
    Freeze.objects.filter(pk=row.pk).update(starts_at=FRIDAY - DAY)
    tick_through(FRIDAY, end, timedelta(hours=6))
    assert freezing.release_freezes(end - MINUTE) == 0
    next_fire_at = Schedule.objects.get(pk=schedule.pk).next_fire_at
    assert next_fire_at is not None
    assert next_fire_at > end
    assert freezing.release_freezes(end) == 1
    assert freezing.release_freezes(end) == 0
    run = Run.objects.get(status=RunStatus.QUEUED)
    assert (run.scheduled_for, run.origin) == (FRIDAY + 2 * DAY, Origin.BACKFILL)
    assert "Quarter" in run.reason


def test_run_once_waits_until_the_freezes_own_time_is_decided():
    daily(rows.job())
    row = freeze(FRIDAY - DAY, FRIDAY + MINUTE, after="run_once")
    assert freezing.release_freezes(FRIDAY + DAY) == 0  # beat has not been here yet
    tick(FRIDAY + 2 * MINUTE)
    assert freezing.release_freezes(FRIDAY + DAY) == 1
    row.refresh_from_db()
    assert row.released_at is not None


def test_queued_runs_wait_while_a_freeze_is_in_force_and_go_on_after_it():
    job = rows.job()
    run = rows.queued(job)
    now = dbclock.now()
    row = freeze(now - MINUTE)
    assert claimed() is None
    label_waiting(now + MINUTE, offer=Offer(slot="h/w1", kinds=frozenset(rows.KINDS)), queues=["default"])
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.QUEUED, WaitReason.FROZEN)
    freezing.end_freeze(row, actor=None)
    freezes.forget()
    assert claimed() is not None


def test_a_person_is_refused_and_one_who_may_can_confirm_it():
    job = rows.job()
    freeze(dbclock.now() - MINUTE)
    editor, admin = base.user("ed"), base.user("ada", role="admin")
    with pytest.raises(FrozenError, match="Year-end close") as caught:
        create_run(job, origin=Origin.MANUAL, actor=editor)
    assert not caught.value.may_override
    with pytest.raises(FrozenError):
        create_run_despite_freeze(job, origin=Origin.MANUAL, actor=editor)
    with pytest.raises(FrozenError) as caught:
        create_run(job, origin=Origin.MANUAL, actor=admin)
    assert caught.value.may_override
    run = create_run_despite_freeze(job, origin=Origin.MANUAL, actor=admin)
    assert AuditEntry.objects.filter(verb="jobs.run.despite_freeze", object_id=str(run.pk)).exists()
    assert claimed() is not None


def test_of_a_freeze_of_every_tenant_only_a_platform_admin_makes_an_exception():
    job = rows.job()
    freeze(dbclock.now() - MINUTE, tenant=None)
    with pytest.raises(FrozenError) as caught:
        create_run(job, origin=Origin.MANUAL, actor=base.user("ada", role="admin"))
    assert not caught.value.may_override
    root = base.user("root", role="", is_superuser=True)
    assert create_run_despite_freeze(job, origin=Origin.MANUAL, actor=root).despite_freeze


def test_the_same_key_gives_the_same_run_also_in_a_freeze():
    job = rows.job()
    first = create_run(job, origin=Origin.API, dedupe_key="api:1:k")
    freeze(dbclock.now() - MINUTE)
    assert create_run(job, origin=Origin.API, dedupe_key="api:1:k") == first
