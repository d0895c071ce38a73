"""The pages of the fire ledger, of what was missed, of backfills and outages, and the banner."""

import csv
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from jobs import watchdog
from jobs.models import Backfill, Outage, Run, Schedule
from jobs.scheduling.tick import tick
from jobs.states import Origin
from tests.jobs import rows as base
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def now():
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def job(now):
    """Ten fire times were missed within the last hour."""
    return missed_job("report", now)


def missed_job(slug, now, of=None):
    began = now - 40 * MINUTE
    job = rows.job(slug, of=of) if of else rows.job(slug)
    fields = {"kind": "interval", "timezone": "UTC", "misfire": "skip", "grace": timedelta(seconds=1)}
    made = base.schedule(job, "1m", at=began, next_fire_at=began + MINUTE, **fields)
    tick(began + 10 * MINUTE + timedelta(seconds=5))
    Schedule.objects.filter(pk=made.pk).update(next_fire_at=None)  # beat is not the matter here
    return job


def url(name, *args):
    return reverse(f"admin:jobs_{name}", args=args)


def text_of(answer):
    assert answer.status_code == 200, answer
    return answer.content.decode()


# --- the ledger -------------------------------------------------------------------------------------------------------


def test_the_page_of_a_job_says_the_headline_and_lists_every_moment(as_role, job):
    text = text_of(as_role("viewer").get(url("job_fires", job.pk)))
    assert "Expected 10, ran 0, 10 missed." in text
    assert text.count("<tr>") == 12  # two heads
    assert "Run what was missed" not in text  # a viewer may not


def test_the_page_of_a_tenant_holds_all_its_jobs_and_no_others(as_role, now):
    ours = missed_job("ours", now)
    missed_job("theirs", now, base.tenant("other"))
    text = text_of(as_role("operator").get(url("job_tenant_fires")))
    assert "Expected 10, ran 0, 10 missed." in text
    assert ours.name in text
    assert "theirs" not in text
    assert "Run what was missed" in text


def test_a_foreign_jobs_ledger_is_not_found(as_role, now):
    theirs = missed_job("theirs", now, base.tenant("other"))
    client = as_role("admin")
    for name in ("job_fires", "job_missed", "job_backfill"):
        assert client.get(url(name, theirs.pk)).status_code == 404
        assert client.post(url(name, theirs.pk), {"_confirm": "1"}).status_code == 404
    assert not Backfill.objects.exists()


@pytest.mark.parametrize("period", ["today", "yesterday", "day", "week", "rubbish"])
def test_every_named_period_opens(as_role, job, period):
    text_of(as_role("viewer").get(url("job_fires", job.pk), {"period": period}))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"from": "soon", "to": "later"}, "is not a date or a moment"),
        ({"from": "2026-11-20", "to": "2026-11-19"}, "The period is empty"),
        ({"from": "2026-01-01", "to": "2026-11-19"}, "at most 31 days"),
    ],
)
def test_a_period_that_cannot_be_is_refused_in_words(as_role, job, given, words):
    assert words in text_of(as_role("viewer").get(url("job_fires", job.pk), given))


def test_one_fate_can_be_listed_alone(as_role, job):
    client = as_role("viewer")
    assert client.get(url("job_fires", job.pk), {"fate": "missed"}).context["numbered"].paginator.count == 10
    assert client.get(url("job_fires", job.pk), {"fate": "late"}).context["numbered"].paginator.count == 0


def test_many_moments_are_turned_page_by_page(as_role, now):
    job = rows.job(overlap="allow", overlap_limit=500)
    began = now - timedelta(hours=3)
    fields = {"kind": "interval", "timezone": "UTC", "misfire": "skip", "grace": timedelta(days=1)}
    base.schedule(job, "1m", at=began, next_fire_at=began + MINUTE, **fields)
    while tick(now).has_more:
        pass
    client = as_role("viewer")
    first = client.get(url("job_fires", job.pk))
    assert (len(first.context["lines"]), first.context["numbered"].paginator.num_pages) == (100, 2)
    assert len(client.get(url("job_fires", job.pk), {"page": 2}).context["lines"]) == 80


def test_the_csv_has_a_line_for_each_moment(as_role, job):
    answer = as_role("viewer").get(url("job_fires", job.pk), {"format": "csv"})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    lines = list(csv.DictReader(text.splitlines()))
    assert len(lines) == 10
    assert {(line["job"], line["fate"], line["reason_code"]) for line in lines} == {("report", "missed", "misfire")}


def test_a_hole_is_shown_as_what_must_not_happen(as_role, job):
    Run.objects.filter(pk=Run.objects.order_by("pk").values_list("pk", flat=True)[0]).delete()
    assert "1 unaccounted for" in text_of(as_role("viewer").get(url("job_fires", job.pk)))


# --- run what was missed ----------------------------------------------------------------------------------------------


def test_one_click_runs_what_was_missed_and_a_second_does_nothing(as_role, job):
    client = as_role("operator")
    assert "10 missed fire times would run now" in text_of(client.get(url("job_missed", job.pk)))
    answer = client.post(url("job_missed", job.pk))
    backfill = Backfill.objects.get()
    assert answer.url == url("backfill_change", backfill.pk)
    assert backfill.total_count == 10
    assert backfill.created_by == User.objects.get(username="acme-operator")
    assert "Nothing is left to run" in text_of(client.get(url("job_missed", job.pk)))
    client.post(url("job_missed", job.pk))
    assert Backfill.objects.count() == 1
    later = Run.objects.filter(origin=Origin.BACKFILL).order_by("scheduled_for")[0]
    assert f"#{later.pk}</a>" in text_of(client.get(url("job_fires", job.pk)))


def test_the_tenants_click_runs_the_missed_of_every_job_one_may_run(as_role, now):
    for slug in ("a", "b"):
        missed_job(slug, now)
    missed_job("c", now, base.tenant("other"))
    as_role("operator").post(url("job_tenant_missed"))
    assert {each.job.slug for each in Backfill.objects.all()} == {"a", "b"}


def test_a_viewer_runs_nothing(as_role, job):
    client = as_role("viewer")
    for name in ("job_missed", "job_backfill"):
        assert client.get(url(name, job.pk)).status_code == 403
        assert client.post(url(name, job.pk), {"_confirm": "1"}).status_code == 403
    client.post(url("job_tenant_missed"))
    assert not Backfill.objects.exists()


# --- backfills --------------------------------------------------------------------------------------------------------


def form(**changes):
    given = {"rule": "cron", "cron": "0 * * * *", "timezone": "UTC", "since": "2026-10-01T00:00"}
    given |= {"until": "2026-10-01T06:00", "direction": "oldest", "limit": "500", "max_parallel": "1"}
    return given | changes


def test_a_backfill_is_previewed_and_then_made(as_role, job):
    client = as_role("operator")
    text_of(client.get(url("job_backfill", job.pk)))
    preview = text_of(client.post(url("job_backfill", job.pk), form(_preview="1")))
    assert "6 fire times would run." in preview
    assert not Backfill.objects.exists()
    answer = client.post(url("job_backfill", job.pk), form(_confirm="1"))
    backfill = Backfill.objects.get()
    assert answer.url == url("backfill_change", backfill.pk)
    assert backfill.total_count == 6
    assert "0 of 6 ended" in text_of(client.get(answer.url))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cron": "rubbish"}, "5"),
        ({"since": "x"}, "is not a date"),
        ({"until": "2026-09-01T00:00"}, "The period is empty"),
        ({"limit": "0"}, "greater than or equal to 1"),
        ({"timezone": "Nowhere"}, "not a known time zone"),
    ],
)
def test_a_backfill_that_cannot_be_is_refused_in_words(as_role, job, changes, words):
    answer = as_role("operator").post(url("job_backfill", job.pk), form(_confirm="1", **changes))
    assert words in text_of(answer)
    assert not Backfill.objects.exists()


def test_a_parameter_that_does_not_fit_is_blamed_at_its_field(as_role):
    job = rows.job(run_params=[{"name": "day", "type": "date"}])
    client = as_role("operator")
    bad = client.post(url("job_backfill", job.pk), form(_confirm="1", param_day="tomorrow"))
    assert bad.context["form"].errors["param_day"]
    client.post(url("job_backfill", job.pk), form(_confirm="1", param_day="{date}"))
    assert Run.objects.order_by("pk")[0].params == {"day": "2026-10-01"}


def test_a_backfill_is_cancelled_by_who_may_run_the_job(as_role, job):
    operator, viewer = as_role("operator"), as_role("viewer")
    operator.post(url("job_backfill", job.pk), form(_confirm="1"))
    backfill = Backfill.objects.get()
    assert viewer.post(url("backfill_cancel", backfill.pk)).status_code == 403
    text_of(viewer.get(url("backfill_change", backfill.pk)))
    text_of(viewer.get(url("backfill_changelist")))
    text_of(operator.get(url("backfill_cancel", backfill.pk)))
    operator.post(url("backfill_cancel", backfill.pk))
    backfill.refresh_from_db()
    assert backfill.state == "cancelled"
    assert backfill.cancelled_by == User.objects.get(username="acme-operator")
    assert "6" in text_of(viewer.get(url("backfill_live", backfill.pk)))


# --- outages ----------------------------------------------------------------------------------------------------------


def test_a_lasting_outage_stands_on_every_page_and_names_no_machine(as_role, now):
    watchdog.open_outage("beat", now - 10 * MINUTE, now=now, by="worker secret-host/1")
    client = as_role("viewer")
    for address in (reverse("admin:index"), url("job_changelist"), url("outage_changelist")):
        text = text_of(client.get(address))
        assert "Schedules have not fired since" in text
        assert "secret-host" not in text
    assert client.get(url("outage_change", Outage.objects.get().pk)).status_code == 403


def test_no_lookup_asks_for_what_is_not_shown(as_role, now):
    watchdog.open_outage("beat", now - 10 * MINUTE, now=now, by="worker secret-host/1")
    assert as_role("viewer").get(url("outage_changelist"), {"noticed_by__startswith": "worker"}).status_code in {
        302,
        400,
    }


def test_a_platform_admin_reads_who_noticed_and_what_to_do(now, client):
    watchdog.open_outage("beat", now - 10 * MINUTE, now=now, by="worker w1@host/1")
    client.force_login(base.user("root", role="", is_superuser=True))
    text = text_of(client.get(url("outage_changelist")))
    assert "w1@host" in text
    assert "celery -A portal beat" in text
    text_of(client.get(url("outage_change", Outage.objects.get().pk)))


def test_what_is_over_is_shown_for_a_while_until_taken_off(as_role, now):
    watchdog.open_outage("beat", now - 30 * MINUTE, now=now, by="w", ended_at=now - 20 * MINUTE)
    client = as_role("viewer")
    address = url("job_changelist")
    assert "Schedules did not fire from" in text_of(client.get(address))
    assert client.get(url("outage_dismiss")).status_code == 302
    assert "Schedules did not fire from" in text_of(client.get(address))  # a link takes nothing off
    assert client.post(url("outage_dismiss"), {"next": address}).url == address
    assert "Schedules did not fire from" not in text_of(client.get(address))
    assert client.post(url("outage_dismiss"), {"next": "https://elsewhere.example/"}).url == reverse("admin:index")


def test_an_old_outage_is_on_its_page_and_not_in_the_banner(as_role, now):
    watchdog.open_outage("beat", now - timedelta(days=2), now=now, by="w", ended_at=now - timedelta(days=1))
    client = as_role("viewer")
    assert "Schedules did not fire from" not in text_of(client.get(url("job_changelist")))
    assert "Schedules did not fire from" in text_of(client.get(url("outage_changelist")))


def test_a_queues_outage_is_for_who_has_a_job_on_it(as_role, now):
    rows.job("ours", queue="ours")
    for queue in ("ours", "theirs"):
        watchdog.open_outage(f"queue:{queue}", now - 10 * MINUTE, now=now, by="w")
    client = as_role("viewer")
    for address in (url("job_changelist"), url("outage_changelist")):
        text = text_of(client.get(address))
        assert "“ours”" in text
        assert "theirs" not in text


def test_who_belongs_to_no_tenant_is_told_nothing(client, now):
    watchdog.open_outage("beat", now - 10 * MINUTE, now=now, by="w")
    client.force_login(base.user("stranger", role=""))
    assert "Schedules have not fired" not in text_of(client.get(reverse("admin:index")))
    assert client.get(url("outage_changelist")).status_code == 403
