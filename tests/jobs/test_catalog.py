"""Jobs are saved whole or not at all, and every refusal names its field."""

from __future__ import annotations

from datetime import timedelta

import pytest
from guardian.shortcuts import assign_perm

from accounts.models import AuditEntry
from datasources.models import DataSource, Secret
from jobs import catalog, dbclock
from jobs.catalog import CatalogError, ScheduleSpec
from jobs.definitions import digest
from jobs.models import Job, JobRevision, Run, Schedule
from jobs.runs import create_run
from jobs.states import Origin, RunStatus
from tests.jobs import rows

pytestmark = pytest.mark.django_db

SCRIPT = {"kind": "python", "params": {"script": "print('hello')"}}


def make(slug="report", actor=None, schedules=(), tenant=None, **changes):
    return catalog.create_job(
        actor=actor,
        tenant=tenant or rows.tenant(),
        slug=slug,
        definition={**SCRIPT, **changes},
        schedules=schedules,
    )


def refusal(call) -> dict[str, str]:
    with pytest.raises(CatalogError) as caught:
        call()
    return {error.path: error.message for error in caught.value.errors}


def test_new_job_is_published_and_audited():
    job = make(actor=rows.user(), name="Report")
    assert job.revision.number == 1
    assert job.revision.definition["params"]["script"] == "print('hello')"
    assert AuditEntry.objects.get().verb == "jobs.job.created"


def test_columns_give_the_published_definition_back():
    job = make(timeout="90s", retry={"max": 1, "backoff": "fixed", "base": "2s"}, exit_codes={3: "succeeded"})
    job.refresh_from_db()
    assert digest(catalog.definition_of(job)) == job.revision.digest


def test_duplicate_slug_is_refused_at_the_slug():
    make()
    assert "already a job" in refusal(make)["slug"]


def test_two_tenants_may_use_one_slug():
    make()
    make(tenant=rows.tenant("other"))
    assert Job.objects.count() == 2


@pytest.mark.parametrize("slug", ["", "a b", "-x", "x" * 81, "a.b", "日报"])
def test_bad_slug_is_refused(slug):
    assert list(refusal(lambda: make(slug))) == ["slug"]


def test_viewer_may_not_create_a_job():
    viewer = rows.user("vi", role="viewer")
    refusal(lambda: make(actor=viewer))
    assert not Job.objects.exists()


def test_stranger_may_not_change_a_job():
    job = make()
    stranger = rows.user("stranger", of=rows.tenant("other"))
    refusal(lambda: catalog.update_job(job, actor=stranger, definition=SCRIPT))


def test_unknown_secret_is_refused():
    assert "API_KEY" in refusal(lambda: make(secrets=["API_KEY"]))["secrets[0]"]


def test_secret_of_another_tenant_is_as_good_as_none():
    Secret.objects.create(tenant=rows.tenant("other"), name="API_KEY", value_encrypted="x")
    assert "secrets[0]" in refusal(lambda: make(secrets=["API_KEY"], actor=rows.user()))


def test_secret_needs_the_right_to_use_it():
    Secret.objects.create(tenant=rows.tenant(), name="API_KEY", value_encrypted="x")
    job = make("allowed", actor=rows.user(), secrets=["API_KEY"])
    viewer = rows.user("vi", role="viewer")
    assign_perm("jobs.change_job", viewer, job)
    change = {**SCRIPT, "timeout": "2m", "secrets": ["API_KEY"]}
    assert list(refusal(lambda: catalog.update_job(job, actor=viewer, definition=change))) == ["secrets[0]"]
    assert catalog.update_job(job, actor=viewer, definition={**SCRIPT, "timeout": "2m"})


def test_datasource_needs_the_right_to_use_it():
    DataSource.objects.create(tenant=rows.tenant(), slug="shop", name="Shop", kind="sqlite", params={"path": "s.db"})
    query = {"kind": "sql", "params": {"datasource": "shop", "sql": "select 1"}}
    job = make(actor=rows.user(), **query)
    viewer = rows.user("vi", role="viewer")
    assign_perm("jobs.change_job", viewer, job)
    change = {**query, "timeout": "2m"}
    assert list(refusal(lambda: catalog.update_job(job, actor=viewer, definition=change))) == ["params.datasource"]


def test_datasource_of_another_tenant_is_as_good_as_none():
    DataSource.objects.create(tenant=rows.tenant("other"), slug="shop", name="S", kind="sqlite", params={})
    query = {"kind": "sql", "params": {"datasource": "shop", "sql": "select 1"}}
    unknown = {"kind": "sql", "params": {"datasource": "none", "sql": "select 1"}}
    own = refusal(lambda: make(actor=rows.user(), **query))["params.datasource"]
    assert refusal(lambda: make(**unknown))["params.datasource"] == own.replace("shop", "none")


def test_shell_syntax_error_is_refused_at_the_script():
    found = refusal(lambda: make(kind="shell", params={"script": "if true; then\n"}))
    assert "syntax error" in found["params.script"]


def test_missing_interpreter_is_refused_where_the_worker_is_this_machine(settings):
    settings.EMBEDDED = True
    found = refusal(lambda: make(params={"script": "x", "interpreter": "/no/such/python"}))
    assert "/no/such/python" in found["params.interpreter"]


def test_job_limit_of_the_tenant_is_kept():
    tenant = rows.tenant(job_limit=1)
    make(tenant=tenant)
    assert "1" in refusal(lambda: make("second", tenant=tenant))[""]


def test_timeout_limit_of_the_tenant_is_kept():
    tenant = rows.tenant(timeout_limit=timedelta(minutes=1))
    assert list(refusal(lambda: make(tenant=tenant, timeout="2m"))) == ["timeout"]


def test_bad_schedule_leaves_nothing_half_saved():
    found = refusal(lambda: make(schedules=[ScheduleSpec(expression="61 * * * *")]))
    assert list(found) == ["schedules[0].expression"]
    assert not Job.objects.exists()
    assert not JobRevision.objects.exists()


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (ScheduleSpec(expression="0 0 30 2 *"), "schedules[0].expression"),
        (ScheduleSpec(expression="0 9 * * *", timezone="Mars/Olympus"), "schedules[0].timezone"),
        (ScheduleSpec(kind="never", expression="x"), "schedules[0].kind"),
        (ScheduleSpec(kind="interval", expression="soon"), "schedules[0].expression"),
        (ScheduleSpec(kind="once", expression="2001-01-01T00:00:00+00:00"), "schedules[0].expression"),
        (ScheduleSpec(expression="0 9 * * *", misfire="maybe"), "schedules[0].misfire"),
        (ScheduleSpec(expression="0 9 * * *", grace=timedelta(seconds=-1)), "schedules[0].grace"),
        (ScheduleSpec(expression="0 9 * * *", jitter=timedelta(days=2)), "schedules[0].jitter"),
    ],
)
def test_bad_schedule_is_refused_at_its_field(spec, path):
    assert list(refusal(lambda: make(schedules=[spec]))) == [path]


def test_new_schedule_counts_from_now():
    before = dbclock.now()
    schedule = make(schedules=[ScheduleSpec(kind="interval", expression="15m")]).schedules.get()
    assert schedule.cursor_at >= before
    assert schedule.next_fire_at == schedule.cursor_at + timedelta(minutes=15)


def test_change_publishes_a_new_revision_and_runs_keep_theirs():
    job = make()
    run = create_run(job, origin=Origin.MANUAL)
    assert catalog.update_job(job, actor=None, definition={**SCRIPT, "timeout": "5m"})
    run.refresh_from_db()
    assert (run.revision.number, job.revision.number) == (1, 2)


def test_same_definition_changes_nothing():
    job = make(schedules=[ScheduleSpec(expression="0 9 * * *")])
    before = Schedule.objects.values().get()
    spec = ScheduleSpec(expression="0 9 * * *")
    assert not catalog.update_job(job, actor=None, definition=SCRIPT, schedules=[spec])
    assert Schedule.objects.values().get() == before
    assert JobRevision.objects.count() == 1


def test_edited_schedule_moves_the_cursor_and_keeps_the_others():
    job = make(schedules=[ScheduleSpec(expression="0 9 * * *"), ScheduleSpec(expression="0 8 * * *")])
    long_ago = dbclock.now() - timedelta(days=3)
    Schedule.objects.update(cursor_at=long_ago)
    first, second = job.schedules.all()
    specs = [ScheduleSpec(id=first.pk, expression="0 10 * * *"), catalog.spec_of(second)]
    catalog.update_job(job, actor=None, schedules=specs)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.cursor_at > long_ago
    assert second.cursor_at == long_ago


def test_disabling_stops_and_enabling_starts_from_now():
    job = make(schedules=[ScheduleSpec(kind="interval", expression="15m")])
    anchor = job.schedules.get().anchor_at
    catalog.disable_job(job, actor=None)
    assert job.schedules.get().next_fire_at is None
    Schedule.objects.update(cursor_at=dbclock.now() - timedelta(days=3))
    assert catalog.enable_job(job, actor=None)
    schedule = job.schedules.get()
    assert schedule.next_fire_at > dbclock.now()
    assert schedule.anchor_at == anchor


def test_enabling_an_enabled_job_says_so():
    assert not catalog.enable_job(make(), actor=None)


def test_job_that_never_ran_is_gone_after_delete():
    catalog.delete_job(make(schedules=[ScheduleSpec(expression="0 9 * * *")]), actor=None)
    assert not Job.objects.exists()
    assert not Schedule.objects.exists()


def test_job_that_ran_is_archived_and_frees_its_slug():
    job = make()
    run = create_run(job, origin=Origin.MANUAL)
    catalog.delete_job(job, actor=None)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert Run.objects.get().job.archived_at is not None
    assert make().pk != job.pk


def test_deleted_job_can_not_be_changed():
    job = make()
    create_run(job, origin=Origin.MANUAL)
    stale = Job.objects.get()
    catalog.delete_job(job, actor=None)
    refusal(lambda: catalog.update_job(stale, actor=None, definition=SCRIPT))
