"""The story of a job at a minute, past or future."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts import audit
from accounts.models import AuditEntry, Tenant
from jobs import catalog, dbclock, freezes
from jobs.models import BeatHeartbeat, Calendar, CalendarDay, Freeze, Job, Outage, Run, Schedule
from jobs.reasons import say
from jobs.scheduling.tick import tick
from jobs.states import Origin, ReasonCode, RunStatus
from jobs.why import Mark, Place, default_moment, explain
from jobs.why.moments import Switch, switch_at
from tests.jobs import rows
from tests.jobs.engine import rows as engine_rows

pytestmark = pytest.mark.django_db

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def half_past_nine(monkeypatch):
    """The database's clock stands at 09:30 UTC."""
    at = NINE + 30 * MINUTE
    monkeypatch.setattr(dbclock, "now", lambda: at)
    return at


@pytest.fixture(autouse=True)
def utc(settings):
    settings.TIME_ZONE = "UTC"
    freezes.forget()


def daily(**fields):
    """A job that is due at 09:00 every day, made long ago, its fire times decided up to now."""
    job = engine_rows.job()
    Job.objects.filter(pk=job.pk).update(created_at=NINE - 90 * DAY)
    job.refresh_from_db()
    values = {"timezone": "UTC", "cursor_at": NINE, "next_fire_at": NINE + DAY, "anchor_at": NINE - 90 * DAY}
    rows.schedule(job, **{**values, "counted_from_at": NINE - 90 * DAY, **fields})
    return job


def fired(job, at=NINE, status=RunStatus.SUCCEEDED, **fields):
    schedule = job.schedules.first()
    values = {"schedule": schedule, "dedupe_key": f"schedule:{schedule.pk}:{at.isoformat()}", **fields}
    return rows.run(job, status, at, origin=Origin.SCHEDULE, **values)


def told(job, at=NINE, **more):
    return explain(Job.objects.select_related("tenant").get(pk=job.pk), at, **more)


def check(found, key):
    return next(each for each in found.checks if each.key == key)


def healthy(now):
    engine_rows.node(last_seen_at=now, started_at=now)
    BeatHeartbeat.objects.create(name="b", host="h", pid=1, started_at=now, last_seen_at=now)


# --- the past ---------------------------------------------------------------------------------------------------------


def test_a_minute_with_a_run_that_succeeded():
    job = daily()
    run = fired(job)
    found = told(job)
    assert (found.headline, found.answer) == (f"It ran: run #{run.pk}, Succeeded.", "")
    assert check(found, f"run-{run.pk}").fix.pk == run.pk


def test_a_minute_whose_run_was_skipped_says_why_and_where():
    job = daily()
    run = fired(job, status=RunStatus.SKIPPED, **say(ReasonCode.OVERLAP, run=7).columns())
    found = told(job, NINE + timedelta(seconds=59))
    assert found.answer == f"run-{run.pk}"
    assert found.headline.startswith("It did not run: ")
    assert "Run #7 of this job has not ended." in found.headline
    assert found.decisive.fix.place == Place.JOB


def test_a_minute_between_fire_times_names_the_nearest():
    found = told(daily(), NINE + timedelta(hours=5))
    assert found.answer == "schedule-1"
    assert "The nearest are 2026-11-20 09:00:00 and 2026-11-21 09:00:00." in found.headline
    assert (found.before, found.after) == (NINE, NINE + DAY)


def test_a_job_without_a_schedule_runs_only_when_asked():
    job = daily()
    job.schedules.all().delete()
    assert "The job has no schedule" in told(job).headline


def test_a_disabled_schedule_is_the_answer():
    found = told(daily(is_enabled=False))
    assert found.answer == "schedule-1"
    assert "but it is disabled" in found.headline


def test_a_schedule_that_cannot_be_read_is_said_and_breaks_nothing():
    found = told(daily(expression="61 9 * * *"))
    assert check(found, "schedule-1").mark == Mark.FAILED
    assert "can't be read" in found.headline


def test_a_minute_before_the_job_was_made():
    found = told(daily(), NINE - 100 * DAY)
    assert check(found, "existed").mark == Mark.FAILED


def test_a_minute_before_the_rule_was_in_force_is_not_known():
    job = daily(counted_from_at=NINE + 5 * MINUTE)
    found = told(job)
    assert check(found, "schedule-1").mark == Mark.UNKNOWN
    assert "it counts only from 2026-11-20 09:05:00 on" in check(found, "schedule-1").text


def test_a_job_that_was_disabled_then_says_since_when_and_by_whom(monkeypatch):
    job = daily()
    olga = rows.user("olga")
    switch(job, olga, on=False, at=NINE - DAY)
    switch(job, olga, on=True, at=NINE + 10 * MINUTE)
    found = told(job)
    assert found.answer == "job_enabled"
    assert "The job has been disabled since 2026-11-19 09:00:00, by olga." in found.headline
    assert check(told(job, NINE + 20 * MINUTE), "job_enabled").mark == Mark.PASSED


def switch(job, user, *, on, at):
    verb = "jobs.job.enabled" if on else "jobs.job.disabled"
    entry = audit.record(verb, actor=user, target=job)
    AuditEntry.objects.filter(pk=entry.pk).update(at=at)


def entry(verb, hours, changed=()):
    return AuditEntry(verb=verb, at=NINE + timedelta(hours=hours), details={"changed": list(changed)})


@pytest.mark.parametrize(
    ("entries", "is_on_now", "hours", "expected"),
    [
        ([], True, 0, (True, None)),
        ([("jobs.job.disabled", 1)], False, 2, (False, 1)),
        ([("jobs.job.disabled", 1)], False, 0, (True, None)),
        ([("jobs.job.enabled", 3), ("jobs.job.disabled", 1)], True, 2, (False, 1)),
        ([("jobs.job.enabled", 3), ("jobs.job.disabled", 1)], True, 4, (True, 3)),
        ([("jobs.job.updated", 3, ["is_enabled"])], True, 2, (False, None)),
        ([("jobs.job.updated", 3, ["is_enabled"]), ("jobs.job.updated", 1, ["is_enabled"])], True, 2, (False, 1)),
        ([("jobs.job.updated", 1, ["name"])], True, 2, (True, None)),
    ],
)
def test_the_switch_at_a_moment_is_read_from_the_audit_trail(entries, is_on_now, hours, expected):
    found = switch_at([entry(*each) for each in entries], is_on_now, NINE + timedelta(hours=hours))
    is_on, at = expected
    assert found == Switch(is_on=is_on, at=None if at is None else NINE + timedelta(hours=at))


def test_a_fire_time_that_nobody_decided_blames_the_silent_scheduler(half_past_nine):
    job = daily(cursor_at=NINE - DAY)
    BeatHeartbeat.objects.create(name="b", host="h", pid=1, started_at=NINE - DAY, last_seen_at=NINE - 10 * MINUTE)
    found = told(job, is_platform=True)
    assert found.answer == "undecided-1"
    assert "more than the grace period of 5 min 0 s" in found.headline
    assert "Run once" in found.headline
    assert check(found, "beat").text == "The scheduler (beat) has been silent since 2026-11-20 08:50:00."


def test_a_fire_time_within_its_grace_still_runs(half_past_nine):
    job = daily(cursor_at=NINE - DAY, grace=timedelta(hours=1))
    assert "within 1 h 0 min it still runs" in told(job).headline


def test_a_fire_time_whose_row_was_deleted_is_not_known():
    found = told(daily(), NINE - 30 * DAY)
    assert check(found, "undecided-1").mark == Mark.UNKNOWN
    assert "no longer kept" in check(found, "undecided-1").text


def test_a_missed_row_answers_for_each_fire_time_it_stands_for(half_past_nine):
    """The engine itself writes the row; any minute within its span finds it."""
    job = engine_rows.job()
    Job.objects.filter(pk=job.pk).update(created_at=NINE - 90 * DAY)
    rows.schedule(
        job, "* * * * *", timezone="UTC", misfire="skip", cursor_at=NINE - 6 * timedelta(hours=1),
        next_fire_at=NINE - 6 * timedelta(hours=1) + MINUTE, counted_from_at=NINE - 90 * DAY,
    )  # fmt: skip
    tick(half_past_nine)
    missed = Run.objects.filter(status=RunStatus.MISSED, coalesced__gt=1).order_by("scheduled_for").first()
    assert missed is not None
    found = told(job, missed.scheduled_for + 7 * MINUTE)
    assert found.answer == f"run-{missed.pk}"
    assert "were missed by more than the grace period" in found.headline


def test_an_outage_over_the_minute_is_told():
    job = daily(cursor_at=NINE - DAY)
    Outage.objects.create(
        subject="beat", began_at=NINE - 5 * MINUTE, noticed_at=NINE - 3 * MINUTE, ended_at=NINE + 5 * MINUTE
    )
    found = told(job)
    assert check(found, "outage-1").mark == Mark.FAILED
    assert "from 2026-11-20 08:55:00 to 2026-11-20 09:05:00" in check(found, "outage-1").text


def test_an_outage_of_another_queue_is_not_this_jobs_matter():
    job = daily()
    Outage.objects.create(subject="queue:other", began_at=NINE - 5 * MINUTE, noticed_at=NINE)
    assert not [each for each in told(job).checks if each.key.startswith("outage")]


def test_a_disabled_tenant_is_the_answer():
    job = daily()
    Tenant.objects.filter(pk=job.tenant_id).update(is_active=False)
    found = told(job)
    assert found.answer == "tenant_active"


# --- the future -------------------------------------------------------------------------------------------------------


def test_a_healthy_future_fires(half_past_nine):
    healthy(half_past_nine)
    found = told(daily(), NINE + DAY)
    assert (found.headline, found.answer) == ("It will fire, as things stand now.", "")


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (lambda job: Job.objects.filter(pk=job.pk).update(is_enabled=False), "job_enabled"),
        (lambda job: Schedule.objects.filter(job=job).update(is_enabled=False), "schedule-1"),
        (lambda job: Tenant.objects.filter(pk=job.tenant_id).update(is_active=False), "tenant_active"),
        (lambda job: Job.objects.filter(pk=job.pk).update(queue="lonely"), "workers"),
        (lambda job: BeatHeartbeat.objects.all().delete(), "beat"),
    ],
)
def test_what_will_stop_it_if_nothing_changes(half_past_nine, change, answer):
    healthy(half_past_nine)
    job = daily()
    change(job)
    found = told(job, NINE + DAY)
    assert found.answer == answer
    assert found.headline.startswith(("As things stand now it will not run on time: ", "It will not fire then: "))


def test_a_run_under_way_may_be_in_the_way_later(half_past_nine):
    healthy(half_past_nine)
    job = daily()
    run = rows.run(job, RunStatus.RUNNING)
    found = told(job, NINE + DAY)
    assert check(found, "overlap").mark == Mark.UNKNOWN
    assert f"Run #{run.pk} is waiting or running now" in check(found, "overlap").text


def weekend_calendar():
    """21 November 2026, a Saturday, has a name; the 22nd is a Sunday."""
    calendar = Calendar.objects.create(tenant=rows.tenant(), slug="cn", name="China", timezone="UTC")
    CalendarDay.objects.create(calendar=calendar, date=(NINE + DAY).date(), name="Rest day")
    return calendar


def test_a_day_off_in_the_calendar_is_named(half_past_nine):
    healthy(half_past_nine)
    found = told(daily(calendar=weekend_calendar()), NINE + DAY)
    assert found.answer == "closed-1"
    assert "2026-11-21 is a day off in the calendar “China”: Rest day." in found.headline
    assert found.decisive.fix.place == Place.CALENDARS


def test_a_time_that_moves_off_a_day_off_says_where_to(half_past_nine):
    healthy(half_past_nine)
    found = told(daily(expression="0 9 21 * *", calendar=weekend_calendar(), calendar_policy="run_after"), NINE + DAY)
    assert "to 2026-11-23 09:00:00" in found.headline


def test_a_freeze_to_come_is_named_with_its_reason_and_end(half_past_nine):
    healthy(half_past_nine)
    job = daily()
    freeze(job, NINE + 12 * MINUTE * 60, NINE + 2 * DAY)
    found = told(job, NINE + DAY)
    assert found.answer == "closed-1"
    assert "The freeze “Year end” is in force until 2026-11-22 09:00:00: closing the books" in found.headline
    assert found.decisive.fix.place == Place.FREEZES


def freeze(job, since, until):
    made = Freeze.objects.create(
        tenant=job.tenant, name="Year end", reason="closing the books", starts_at=since, ends_at=until
    )
    freezes.forget()
    return made


def test_what_ran_in_spite_of_a_calendar_changed_later_still_ran():
    job = daily(calendar=weekend_calendar())
    CalendarDay.objects.update(date=NINE.date())
    run = fired(job)
    found = told(job)
    assert found.headline == f"It ran: run #{run.pk}, Succeeded."
    assert check(found, "closed-1").mark == Mark.UNKNOWN


# --- which minute, and what it costs ----------------------------------------------------------------------------------


def test_by_default_the_last_that_did_not_run_is_explained(half_past_nine):
    job = daily()
    assert default_moment(job) == half_past_nine
    fired(job, NINE - DAY, RunStatus.SKIPPED, reason_code=ReasonCode.OVERLAP)
    fired(job, NINE)
    assert default_moment(job) == NINE - DAY


@pytest.mark.parametrize("at", [datetime.max.replace(tzinfo=UTC) - 2 * DAY, datetime(1, 1, 2, tzinfo=UTC)])
def test_the_ends_of_time_are_no_trouble(at):
    assert told(daily(), at).headline


def test_an_explanation_costs_the_same_however_long_the_history_is(half_past_nine, django_assert_max_num_queries):
    job = daily()
    for number in range(40):
        fired(job, NINE - number * DAY)
    job = Job.objects.select_related("tenant").get(pk=job.pk)
    with django_assert_max_num_queries(14):
        explain(job, NINE)


def test_enabling_through_the_catalogue_is_seen(half_past_nine):
    job = daily()
    catalog.disable_job(job, actor=rows.user("olga"))
    AuditEntry.objects.update(at=half_past_nine - MINUTE)
    assert "by olga" in check(told(job, half_past_nine + MINUTE), "job_enabled").text


def test_a_skipped_row_for_many_fire_times_answers_for_each(half_past_nine):
    job = daily()
    row = fired(job, NINE - timedelta(hours=3), RunStatus.SKIPPED, coalesced=100, reason_code=ReasonCode.FROZEN)
    Run.objects.filter(pk=row.pk).update(reason_args={"key": "any.many_excluded", "last_at": NINE.isoformat()})
    assert told(job, NINE - MINUTE * 30).answer == f"run-{row.pk}"
