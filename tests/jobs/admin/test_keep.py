"""How long history is kept, on the job's form, in files, on the tenant's page and on the home page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Tenant
from jobs import dbclock
from jobs.catalog import CatalogError, create_job
from jobs.models import Attempt, Job, LogUsage, Pruning
from jobs.yamlfile.writer import job_entry
from tests.cast import make_platform_admin
from tests.jobs import rows
from tests.jobs.admin.test_job_form import ADD, form_errors, posted
from tests.jobs.retention.history import logged

pytestmark = pytest.mark.django_db
SHELL = {"kind": "shell", "params": {"script": "true"}}


def test_days_and_runs_are_saved_and_shown_again(editor: Any) -> None:
    editor.post(ADD, posted(run_days="100", log_days="7", keep_runs="20"))
    job = Job.objects.get()
    assert (job.run_days, job.log_days, job.keep_runs) == (100, 7, 20)
    form = editor.get(reverse("admin:jobs_job_change", args=[job.pk])).context["adminform"].form
    assert [form.initial[name] for name in ("run_days", "log_days", "keep_runs")] == [100, 7, 20]


def test_nothing_said_is_as_the_tenant_keeps_it(editor: Any) -> None:
    editor.post(ADD, posted())
    job = Job.objects.get()
    assert (job.run_days, job.log_days, job.keep_runs) == (None, None, 1)


@pytest.mark.parametrize(("field", "value"), [("run_days", "0"), ("log_days", "4000"), ("keep_runs", "0")])
def test_a_number_out_of_bounds_is_refused_at_its_field(editor: Any, field: str, value: str) -> None:
    assert field in form_errors(editor.post(ADD, posted(**{field: value})))


def test_a_file_says_it_and_an_export_says_it_again() -> None:
    job = create_job(
        actor=None, tenant=rows.tenant(), slug="one", definition={**SHELL, "keep": {"run_days": 100, "runs": 5}}
    )
    assert job_entry(job)["keep"] == {"run_days": 100, "runs": 5}
    assert (job.run_days, job.log_days, job.keep_runs) == (100, None, 5)


def test_no_door_makes_more_jobs_than_the_tenant_may_have() -> None:
    tenant = rows.tenant(job_limit=1)
    create_job(actor=None, tenant=tenant, slug="one", definition=SHELL)
    with pytest.raises(CatalogError, match="as many as it may"):
        create_job(actor=None, tenant=tenant, slug="two", definition=SHELL, is_enabled=False)


def test_the_tenants_page_shows_what_is_stored_of_its_quota(client: Any) -> None:
    tenant = rows.tenant(log_bytes_limit=2 * 1024**2)
    LogUsage.objects.create(tenant=tenant, stored_bytes=1024**2)
    client.force_login(make_platform_admin())

    page = client.get(reverse("admin:accounts_tenant_change", args=[tenant.pk])).content.decode()

    assert "1.0\xa0MB of 2.0\xa0MB" in page
    assert 'style="flex:50"' in page
    assert client.get(reverse("admin:accounts_tenant_add")).status_code == 200


def test_a_tenant_may_be_given_days_by_a_platform_admin_alone(client: Any, as_role: Any) -> None:
    tenant = rows.tenant()
    posted = {"slug": tenant.slug, "name": tenant.name, "is_active": "on", "run_days": "100", "log_days": "10"}
    url = reverse("admin:accounts_tenant_change", args=[tenant.pk])
    as_role("admin").post(url, posted)
    assert Tenant.objects.get(pk=tenant.pk).run_days is None
    client.force_login(make_platform_admin())
    client.post(url, posted)
    found = Tenant.objects.get(pk=tenant.pk)
    assert (found.run_days, found.log_days) == (100, 10)


def test_the_home_page_says_that_the_quota_is_used_up(as_role: Any) -> None:
    tenant = rows.tenant(log_bytes_limit=100)
    LogUsage.objects.create(tenant=tenant, stored_bytes=200)
    page = as_role("viewer").get("/admin/").content.decode()
    assert "200\xa0bytes of 100\xa0bytes stored" in page
    assert "new ones are cut short at 64 KiB" in page


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (None, "Not pruned lately"),
        ({"ended_at": timedelta(0), "report": {"runs": 3, "logs": 2, "quota_logs": 2}}, "3 runs and 4 logs deleted"),
        ({"ended_at": timedelta(days=2)}, "Not pruned lately"),
        ({"ended_at": timedelta(0), "error": "OSError: no"}, "Pruning failed"),
    ],
)
def test_the_home_page_tells_platform_admins_whether_history_is_pruned(
    client: Any, facts: dict[str, Any] | None, words: str
) -> None:
    if facts is not None:
        Pruning.objects.create(**{**facts, "ended_at": dbclock.now() - facts["ended_at"]})
    client.force_login(make_platform_admin())
    assert words in client.get("/admin/").content.decode()


@pytest.mark.parametrize(
    ("why", "words"),
    [("age", "it was older than logs of this job are kept"), ("quota", "logs had outgrown their quota")],
)
def test_a_run_says_why_its_log_is_gone(as_role: Any, why: str, words: str) -> None:
    run = logged(rows.job(), 5)
    Attempt.objects.filter(run=run).update(log_deleted_at=dbclock.now(), log_deleted_for=why, log_bytes=10)
    page = as_role("viewer").get(reverse("admin:jobs_run_change", args=[run.pk])).content.decode()
    assert words in page.replace("&#x27;", "'")
    assert "Nothing was written" not in page


def test_a_run_says_that_the_quota_cut_its_log(as_role: Any) -> None:
    run = logged(rows.job(), 1, "text")
    Attempt.objects.filter(run=run).update(log_truncated=True)
    page = as_role("viewer").get(reverse("admin:jobs_run_change", args=[run.pk])).content.decode()
    assert "the tenant's log quota" in page.replace("&#x27;", "'")
