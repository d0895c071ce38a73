"""A job's labels: saved beside its definition, filtered by, written to files, and told to whom they concern."""

import pytest

from accounts.models import AuditEntry
from alerts.models import RuleBook
from jobs import catalog, labels
from jobs.models import Job, JobRevision
from jobs.yamlfile.applier import apply_bundles
from jobs.yamlfile.bundles import read_bundle
from jobs.yamlfile.writer import job_entry
from tests.jobs import rows
from tests.jobs.admin.conftest import as_role, editor  # noqa: F401
from tests.jobs.admin.test_job_form import ADD, form_errors, posted

pytestmark = pytest.mark.django_db
LIST = "/admin/jobs/job/"


def made(slug="report", **given):
    job = rows.job(slug)
    labels.save_labels(job, actor=None, labels=given)
    return job


def titles(response):
    return {job.slug for job in response.context["cl"].result_list}


def test_labels_make_no_new_revision(editor) -> None:  # noqa: F811
    editor.post(ADD, posted(labels="team=payments\nurgent"))
    job = Job.objects.get()
    editor.post(f"{LIST}{job.pk}/change/", posted(labels="team=billing", slug=job.slug))
    job.refresh_from_db()
    assert job.labels == {"team": "billing"}
    assert JobRevision.objects.count() == 1
    assert AuditEntry.objects.filter(verb="jobs.job.labelled").count() == 2


def test_the_form_shows_them_as_lines_and_refuses_a_wrong_one(editor) -> None:  # noqa: F811
    job = made(team="payments", urgent="")
    page = editor.get(f"{LIST}{job.pk}/change/").content.decode()
    assert "team=payments\nurgent" in page
    response = editor.post(ADD, posted(labels="=x"))
    assert "no label" in form_errors(response)["labels"][0]
    assert Job.objects.count() == 1


def test_the_list_filters_by_a_label_with_its_value_and_by_a_name_of_digits(editor) -> None:  # noqa: F811
    made("a", team="payments", **{"2024": ""})
    made("b", team="billing")
    made("c")
    assert titles(editor.get(LIST, {"label": "team=payments"})) == {"a"}
    assert titles(editor.get(LIST, {"label": "team"})) == {"a", "b"}
    assert titles(editor.get(LIST, {"label": "2024"})) == {"a"}
    assert titles(editor.get(LIST, {"label": "nobody"})) == set()


def test_the_filter_offers_no_foreign_label(editor) -> None:  # noqa: F811
    made("a", team="payments")
    stranger = rows.job("b", rows.tenant("other"))
    labels.save_labels(stranger, actor=None, labels={"foreign-secret": ""})
    page = editor.get(LIST).content.decode()
    assert "team=payments" in page
    assert "foreign-secret" not in page


def test_who_remembers_rules_is_told_when_a_label_a_slug_or_a_category_changes() -> None:
    job = made(team="payments")
    seen = [RuleBook.objects.get().version]
    for change in ({"slug": "other"}, {"definition": {**base(job), "category": "sync"}}, {"is_enabled": False}):
        catalog.update_job(job, actor=None, **change)
        seen.append(RuleBook.objects.get().version)
    assert not labels.save_labels(job, actor=None, labels={"team": "payments"})
    assert seen == [1, 2, 3, 3]


def base(job):
    return {"name": job.name, "kind": job.kind, "params": job.params}


def test_a_file_sets_labels_and_an_export_writes_them() -> None:
    rows.tenant()
    text = "version: 1\ntenant: acme\njobs:\n  - {slug: a, kind: python, params: {script: x}, labels: %s}\n"
    apply_bundles(
        [read_bundle((text % "{team: payments, tier: 1, urgent: }").encode(), name="f", folder=None)], actor=None
    )
    job = Job.objects.get()
    assert job.labels == {"team": "payments", "tier": "1", "urgent": ""}
    assert job_entry(job)["labels"] == job.labels
    silent = text.replace(", labels: %s", "")
    apply_bundles([read_bundle(silent.encode(), name="f", folder=None)], actor=None)
    job.refresh_from_db()
    assert job.labels != {}
    apply_bundles([read_bundle((text % "{}").encode(), name="f", folder=None)], actor=None)
    job.refresh_from_db()
    assert job.labels == {}


def test_a_wrong_label_in_a_file_is_told_with_its_line() -> None:
    text = (
        "version: 1\ntenant: acme\njobs:\n  - slug: a\n    kind: python\n    params: {script: x}\n    labels: [a b]\n"
    )
    bundle = read_bundle(text.encode(), name="f.yaml", folder=None)
    assert str(bundle.problems[0]).startswith("f.yaml:7: jobs[0].labels: ")
