"""Calendars, blackouts and freezes in the admin: what a change does is shown before it is saved."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from jobs import freezes
from jobs.models import Blackout, Calendar, CalendarDay, Freeze, Run, Schedule
from jobs.timetable import first_moment
from tests.jobs import rows

pytestmark = pytest.mark.django_db
INLINE = {"blackouts-TOTAL_FORMS": "0", "blackouts-INITIAL_FORMS": "0"}


def form(**fields):
    return {
        "name": "Week",
        "slug": "week",
        "timezone": "UTC",
        "workdays": list("12345"),
        "days": "",
        **INLINE,
        **fields,
    }


def scheduled(calendar=None, **fields) -> Schedule:
    row = rows.schedule(rows.job(**fields), "0 9 * * *", timezone="UTC", at=timezone.now(), calendar=calendar)
    row.next_fire_at = first_moment(row, timezone.now())
    row.save()
    return row


def soon() -> str:
    day = timezone.now().date() + timedelta(days=1)
    while day.isoweekday() > 5:
        day += timedelta(days=1)
    return day.isoformat()


def test_a_calendar_that_touches_nothing_is_saved_at_once(editor):
    answer = editor.post("/admin/jobs/calendar/add/", form(days="2026-10-01..2026-10-03 holiday National Day"))
    assert answer.status_code == 302
    calendar = Calendar.objects.get()
    assert (calendar.slug, calendar.workdays, calendar.tenant.slug) == ("week", "12345", "acme")
    assert CalendarDay.objects.filter(calendar=calendar, name="National Day").count() == 3
    assert AuditEntry.objects.filter(verb="jobs.calendar.created").count() == 1


def test_a_change_that_touches_fire_times_lists_them_and_saves_nothing_until_it_is_confirmed(editor):
    calendar = Calendar.objects.create(tenant=rows.tenant(), slug="week", name="Week", timezone="UTC")
    scheduled(calendar, slug="nightly")
    address = f"/admin/jobs/calendar/{calendar.pk}/change/"
    posted = form(days=f"{soon()} holiday Inventory")
    answer = editor.post(address, posted)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'data-impact="1"' in text
    assert "nightly" in text
    assert "Inventory" in text
    assert not CalendarDay.objects.exists()
    assert not AuditEntry.objects.filter(verb="jobs.calendar.updated").exists()
    assert editor.post(address, {**posted, "_confirmed": "yes"}).status_code == 302
    assert CalendarDay.objects.get().name == "Inventory"


def test_a_line_that_is_no_day_is_refused_with_its_number(editor):
    text = editor.post("/admin/jobs/calendar/add/", form(days="2026-10-01 a\n2026-13-01 b\nsoon")).content.decode()
    assert "Line 2" in text
    assert "Line 3" in text
    assert not Calendar.objects.exists()


def test_the_year_is_shown_with_a_word_for_each_named_day(as_role):
    calendar = Calendar.objects.create(tenant=rows.tenant(), slug="cn", name="China", timezone="Asia/Shanghai")
    CalendarDay.objects.create(calendar=calendar, date="2026-10-01", name="National Day")
    CalendarDay.objects.create(calendar=calendar, date="2026-10-10", kind="workday", name="Make-up")
    text = as_role("viewer").get(f"/admin/jobs/calendar/{calendar.pk}/change/?year=2026").content.decode()
    assert "National Day" in text
    assert 'class="p-day--work"' in text
    assert text.count('class="p-month"') == 12


def test_a_shipped_calendar_is_imported_with_its_difference_shown_first(editor):
    address = reverse("admin:jobs_calendar_import_days")
    page = editor.post(address, {"shipped": "cn", "keep": "on"})
    text = page.content.decode()
    assert "2026-10-10 workday" in text
    assert not Calendar.objects.exists()
    hidden = {name: page.context["facts"][name] for name in ("name", "slug", "timezone", "workdays")}
    answer = editor.post(address, {"days": page.context["days"], "target": "", **hidden})
    assert answer.status_code == 302
    calendar = Calendar.objects.get()
    assert (calendar.slug, calendar.timezone) == ("cn", "Asia/Shanghai")
    exported = editor.get(f"/admin/jobs/calendar/{calendar.pk}/export.ics")
    upload = SimpleUploadedFile("cn.ics", exported.content)
    again = editor.post(address, {"file": upload, "target": calendar.pk, "keep": "on"})
    assert again.context["change_count"] == 0


def test_a_file_that_is_no_calendar_is_refused_in_a_sentence(editor):
    upload = SimpleUploadedFile("x.ics", b"hello")
    text = editor.post(reverse("admin:jobs_calendar_import_days"), {"file": upload}).content.decode()
    assert "does not begin with BEGIN:VCALENDAR" in text


def blackout(**fields):
    return {"name": "Backup", "weekdays": [], "start_time": "", "end_time": "", "timezone": "", **{
        f"{name}_{part}": "" for name in ("starts_at", "ends_at") for part in (0, 1)}, **fields}  # fmt: skip


def test_a_blackout_of_a_job_shows_what_it_stops(editor):
    schedule = scheduled()
    posted = blackout(
        job=schedule.job_id, weekdays=list("1234567"), start_time="08:00", end_time="10:00", timezone="UTC"
    )
    answer = editor.post("/admin/jobs/blackout/add/", posted)
    assert b"Backup" in answer.content
    assert not Blackout.objects.exists()
    assert editor.post("/admin/jobs/blackout/add/", {**posted, "_confirmed": "yes"}).status_code == 302
    assert Blackout.objects.get().weekdays == "1234567"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"weekdays": ["1"]},
        {
            "weekdays": ["1"],
            "start_time": "08:00",
            "end_time": "09:00",
            "starts_at_0": "2026-12-01",
            "starts_at_1": "10:00",
        },
    ],
)
def test_a_blackout_without_one_clear_time_is_refused(editor, wrong):
    job = rows.job()
    assert editor.post("/admin/jobs/blackout/add/", blackout(job=job.pk, **wrong)).status_code == 200
    assert not Blackout.objects.exists()


def freeze_form(starts, ends=None, **fields):
    def two(name, moment):
        local = timezone.localtime(moment) if moment else None
        return {f"{name}_0": f"{local:%Y-%m-%d}" if local else "", f"{name}_1": f"{local:%H:%M:%S}" if local else ""}

    return {
        "name": "Quarter",
        "reason": "Close",
        "after": "skip",
        **two("starts_at", starts),
        **two("ends_at", ends),
        **fields,
    }


def test_a_freeze_lists_what_it_holds_and_who_is_exempt(as_role):
    kept, exempt = scheduled(slug="kept"), scheduled(slug="exempt")
    owner = as_role("admin")
    now = timezone.now()
    posted = freeze_form(now, now + timedelta(days=2), exempt_jobs=[exempt.job_id])
    text = owner.post("/admin/jobs/freeze/add/", posted).content.decode()
    assert "kept" in text
    assert "1 job is exempt" in text
    assert not Freeze.objects.exists()
    assert owner.post("/admin/jobs/freeze/add/", {**posted, "_confirmed": "yes"}).status_code == 302
    assert Freeze.objects.get().tenant == kept.tenant
    assert "Quarter" in owner.get("/admin/").content.decode()
    assert "Quarter" in as_role("viewer").get("/admin/jobs/job/").content.decode()


def test_ending_a_freeze_asks_first_and_shows_it_ended(as_role):
    row = Freeze.objects.create(tenant=rows.tenant(), name="Quarter", reason="Close", starts_at=timezone.now())
    owner = as_role("admin")
    assert owner.get(f"/admin/jobs/freeze/{row.pk}/end/").status_code == 200
    row.refresh_from_db()
    assert row.ended_at is None
    owner.post(f"/admin/jobs/freeze/{row.pk}/end/")
    row.refresh_from_db()
    assert row.ended_at is not None
    assert "Ended" in owner.get("/admin/jobs/freeze/").content.decode()
    assert owner.post(f"/admin/jobs/freeze/{row.pk}/end/").status_code == 403


def test_an_editor_may_not_freeze_or_end(editor):
    row = Freeze.objects.create(tenant=rows.tenant(), name="Quarter", reason="Close", starts_at=timezone.now())
    assert editor.get("/admin/jobs/freeze/add/").status_code == 403
    assert editor.post(f"/admin/jobs/freeze/{row.pk}/end/").status_code == 403


def test_run_now_in_a_freeze_is_refused_and_an_admin_may_confirm(as_role):
    job = rows.job()
    Freeze.objects.create(tenant=rows.tenant(), name="Quarter", reason="Close", starts_at=timezone.now())
    freezes.forget()
    address = f"/admin/jobs/job/{job.pk}/run/"
    text = as_role("operator").post(address, {}).content.decode()
    assert "Close" in text
    assert "despite_freeze" not in text
    owner = as_role("admin")
    assert "despite_freeze" in owner.post(address, {}).content.decode()
    assert not Run.objects.exists()
    assert owner.post(address, {"despite_freeze": "yes"}).status_code == 302
    assert Run.objects.get().despite_freeze


def test_the_schedules_preview_tells_what_a_calendar_skips_and_moves(editor):
    calendar = Calendar.objects.create(tenant=rows.tenant(), slug="week", name="Week", timezone="UTC")
    asked = {"kind": "cron", "expression": "0 9 * * 6", "timezone": "UTC", "calendar": calendar.slug}
    skipped = editor.get("/admin/jobs/job/schedule-preview/", asked).json()
    assert all("✕" in line for line in skipped["next"])
    moved = editor.get("/admin/jobs/job/schedule-preview/", {**asked, "calendar_policy": "run_after"}).json()
    assert all("→" in line for line in moved["next"])
    other = editor.get("/admin/jobs/job/schedule-preview/", {**asked, "calendar": "foreign"}).json()
    assert not any("✕" in line for line in other["next"])


def test_a_new_calendar_offers_monday_to_friday(editor):
    page = editor.get(reverse("admin:jobs_calendar_add"))
    assert page.context["adminform"].form["workdays"].value() == list("12345")
