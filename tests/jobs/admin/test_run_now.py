"""Run now: a page with typed fields, and a run."""

import pytest
from django.urls import reverse

from accounts.models import AuditEntry
from jobs.models import Run
from tests.jobs import rows

pytestmark = pytest.mark.django_db
PARAMS = [
    {"name": "day", "type": "date", "required": True},
    {"name": "count", "type": "int", "default": 3, "max": 9},
    {"name": "region", "type": "choice", "choices": ["north", "south"]},
    {"name": "dry", "type": "bool"},
]


@pytest.fixture
def address() -> str:
    job = rows.job()
    job.revision = rows.revision(job, 2, run_params=PARAMS)
    job.save()
    return reverse("admin:jobs_job_run", args=[job.pk])


def test_page_has_a_typed_field_for_each_parameter(as_role, address) -> None:
    page = as_role("operator").get(address).content.decode()
    for text in ('type="date"', 'type="number"', 'max="9"', "<option", 'type="checkbox"'):
        assert text in page


def test_post_makes_an_audited_run_and_goes_to_its_page(as_role, address) -> None:
    response = as_role("operator").post(address, {"day": "2026-11-20", "count": "5", "region": "north"})
    run = Run.objects.get()
    assert run.params["day"] == "2026-11-20"
    assert (run.params["count"], run.params["region"]) == (5, "north")
    assert response["Location"] == reverse("admin:jobs_run_change", args=[run.pk])
    assert AuditEntry.objects.filter(verb="jobs.run.requested").count() == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [({"day": ""}, "day"), ({"day": "2026-11-20", "count": "10"}, "count"), ({"day": "soon"}, "day")],
)
def test_value_that_does_not_fit_is_said_at_its_field(as_role, address, values, field) -> None:
    response = as_role("operator").post(address, values)
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert Run.objects.count() == 0


def test_viewer_may_not_run(as_role, address) -> None:
    viewer = as_role("viewer")
    assert (viewer.get(address).status_code, viewer.post(address).status_code) == (403, 403)


def test_opening_the_page_runs_nothing(as_role, address) -> None:
    as_role("operator").get(address)
    assert Run.objects.count() == 0


def test_revisions_page_shows_the_difference(editor) -> None:
    job = rows.job()
    rows.revision(job, 2, params={"script": "print('changed')"})
    page = editor.get(reverse("admin:jobs_job_revisions", args=[job.pk])).content.decode()
    assert '<span class="add">+print(&#x27;changed&#x27;)</span>' in page
    assert '<span class="del">-print(&#x27;hello&#x27;)</span>' in page
