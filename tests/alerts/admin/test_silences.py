"""Silences: saved with a selector, looked at before, ended early."""

from datetime import timedelta

import pytest
from django.utils import timezone

from alerts.models import RuleBook, Silence
from alerts.routing import Selector
from alerts.silences import fitting
from tests.alerts.admin import rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/silence/"
FITS = f"{LIST}fits/"


def posted(**fields):
    base = {"reason": "Moving the database", "starts_at_0": "2026-11-21", "starts_at_1": "10:00:00",
            "ends_at_0": "2026-11-21", "ends_at_1": "12:00:00"}  # fmt: skip
    return {**base, **fields}


def silence(**fields):
    now = timezone.now()
    values = {
        "tenant": jobs.tenant(),
        "reason": "R",
        "starts_at": now - timedelta(hours=1),
        "ends_at": now + timedelta(hours=1),
    }
    return Silence.objects.create(**{**values, **fields})


def test_an_operator_silences_what_fits(as_role) -> None:
    jobs.job("report")
    response = as_role("operator").post(
        f"{LIST}add/", posted(selector_jobs=["report"], selector_labels="team=payments")
    )
    assert response.status_code == 302, response.context["adminform"].form.errors
    row = Silence.objects.get()
    assert row.selector == {"jobs": ["report"], "labels": ["team=payments"]}
    assert RuleBook.objects.get().version == 1


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"ends_at_1": "09:00:00"}, "ends_at"),
        ({"ends_at_0": "2028-11-21"}, "ends_at"),
        ({"reason": ""}, "reason"),
        ({"selector_labels": "a b"}, "selector_labels"),
        ({"selector_jobs": ["nobody"]}, "selector_jobs"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(editor, fields, place) -> None:
    response = editor.post(f"{LIST}add/", posted(**fields))
    assert place in response.context["adminform"].form.errors
    assert Silence.objects.count() == 0


def test_what_it_fits_is_told_before_it_is_saved(editor) -> None:
    jobs.job("a")
    rows.rule("watching", job=jobs.job("b"), labels={"team": "payments"})
    answer = editor.post(FITS, {"selector_jobs": ["b"]}).json()
    assert answer["text"] == "It fits 1 job and 1 alert rule now."
    assert editor.post(FITS, {"selector_labels": "team=payments"}).json()["jobs"] == []
    assert editor.post(FITS, {}).json()["text"] == "It fits 2 jobs and 1 alert rule now."
    assert "no label" in editor.post(FITS, {"selector_labels": "a b"}).json()["error"]


def test_what_it_fits_is_of_the_own_tenant_alone(editor) -> None:
    theirs = jobs.job("theirs", jobs.tenant("other"))
    foreign = silence(tenant=theirs.tenant)
    assert editor.post(FITS, {}).json()["jobs"] == []
    assert editor.post(FITS, {"object_id": foreign.pk}).status_code == 404
    assert editor.get(FITS).status_code == 405


def test_a_rule_about_several_jobs_fits_by_any_of_them() -> None:
    jobs.job("a", category="sync")
    jobs.job("b")
    rows.rule("all", selector={})
    found = fitting(Selector(categories=("sync",)), tenant=jobs.tenant(), user=jobs.user())
    assert (found.job_count, found.rule_count) == (1, 1)


def test_ended_early_it_is_history(editor) -> None:
    row = silence()
    assert "In force" in editor.get(LIST).content.decode()
    editor.post(f"{LIST}{row.pk}/end/")
    row.refresh_from_db()
    assert row.ended_at is not None
    ended = row.ended_at
    editor.post(f"{LIST}{row.pk}/end/")
    row.refresh_from_db()
    assert row.ended_at == ended
    assert editor.post(f"{LIST}{row.pk}/change/", posted()).status_code == 403
    assert RuleBook.objects.get().version == 1


@pytest.mark.parametrize(("hours", "is_previewed"), [(-1, False), (1, True)])
def test_only_of_what_may_be_changed_the_page_tells_what_the_form_fits(editor, hours, is_previewed) -> None:
    row = silence(ends_at=timezone.now() + timedelta(hours=hours))
    page = editor.get(f"{LIST}{row.pk}/change/").content.decode()
    assert ("data-fits-preview" in page) is is_previewed


@pytest.mark.parametrize(("now", "expected"), [("active", {"on"}), ("planned", {"next"}), ("ended", {"over", "early"})])
def test_the_list_filters_by_what_is_in_force(editor, now, expected) -> None:
    at = timezone.now()
    silence(reason="on")
    silence(reason="next", starts_at=at + timedelta(minutes=5))
    silence(reason="over", ends_at=at - timedelta(minutes=5))
    silence(reason="early", ended_at=at - timedelta(minutes=5))
    assert {row.reason for row in editor.get(LIST, {"now": now}).context["cl"].result_list} == expected


def test_a_viewer_ends_nothing(as_role) -> None:
    row = silence()
    assert as_role("viewer").post(f"{LIST}{row.pk}/end/").status_code == 403
    row.refresh_from_db()
    assert row.ended_at is None


def test_the_form_says_in_which_zone_its_times_are(editor) -> None:
    assert "In the time zone" in editor.get("/admin/alerts/silence/add/").content.decode()
