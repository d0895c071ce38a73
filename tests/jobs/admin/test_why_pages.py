"""The Why? pages, their buttons, and the command."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from jobs.admin.why_page import asked_moment
from jobs.models import Job, Run
from jobs.reasons import say
from jobs.states import ReasonCode, RunStatus, WaitReason
from tests.jobs import rows

pytestmark = pytest.mark.django_db


def run_page(run: Run, name: str = "why") -> str:
    return reverse(f"admin:jobs_run_{name}", args=[run.pk])


def job_page(job: Job, name: str = "why") -> str:
    return reverse(f"admin:jobs_job_{name}", args=[job.pk])


@pytest.fixture
def skipped() -> Run:
    return rows.run(rows.job(), RunStatus.SKIPPED, **say(ReasonCode.OVERLAP, run=7).columns())


def test_a_runs_page_marks_the_check_that_decided_and_leads_to_the_job(editor, skipped) -> None:
    page = editor.get(run_page(skipped)).content.decode()
    assert "Run #7 of this job has not ended." in page
    assert 'data-check="ended" data-result="failed" aria-current="true"' in page
    assert f'href="{job_page(skipped.job, "change")}"' in page
    assert page.count('aria-current="true"') == 1


def test_every_outcome_has_a_word_beside_its_colour(editor, skipped) -> None:
    page = editor.get(run_page(skipped)).content.decode()
    for word in ("passed", "failed", "does not apply"):
        assert f'<span class="p-why-mark">{word}</span>' in page


def test_a_runs_page_is_in_the_readers_language(editor, skipped) -> None:
    with translation.override("zh-hans"):
        page = editor.get(run_page(skipped), headers={"accept-language": "zh-hans"}).content.decode()
    assert "此任务的运行 #7 尚未结束。" in page
    assert "Run #7 of this job" not in page


def test_a_jobs_page_explains_the_last_that_did_not_run(editor, skipped) -> None:
    page = editor.get(job_page(skipped.job)).content.decode()
    assert f"Run #{skipped.pk}, due at" in page
    assert f'value="{timezone.localtime(skipped.scheduled_for):%Y-%m-%dT%H:%M}"' in page


def test_a_jobs_page_takes_a_minute(editor) -> None:
    job = rows.job()
    page = editor.get(job_page(job), {"at": "2030-01-01T09:00"}).content.decode()
    assert 'value="2030-01-01T09:00"' in page
    assert "The job has no schedule" in page


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-45T99:00", "1900-01-01T00:00", "9999-12-31T23:59", "x" * 5000])
def test_a_minute_that_is_none_gets_one_sentence(editor, text) -> None:
    answer = editor.get(job_page(rows.job()), {"at": text})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


def test_a_minute_is_read_in_the_pages_zone_unless_it_names_one(settings) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    with timezone.override("Asia/Shanghai"):
        here, problem = asked_moment("2026-11-21T09:00")
        there, _problem = asked_moment("2026-11-21T09:00:00+00:00")
    assert not problem
    assert here is not None
    assert there is not None
    assert there - here == timedelta(hours=8)


def test_buttons_lead_there_from_job_run_and_lists(editor, skipped) -> None:
    for page, target in (
        (job_page(skipped.job, "change"), job_page(skipped.job)),
        (reverse("admin:jobs_job_changelist"), job_page(skipped.job)),
        (run_page(skipped, "change"), run_page(skipped)),
        (reverse("admin:jobs_run_changelist"), run_page(skipped)),
    ):
        assert f'href="{target}"' in editor.get(page).content.decode(), page


def test_another_tenants_job_and_run_are_not_explained(as_role, skipped) -> None:
    stranger = as_role("admin", of="globex")
    for url in (run_page(skipped), job_page(skipped.job)):
        assert stranger.get(url).status_code in {302, 403, 404}


def test_a_viewer_may_ask_but_is_not_led_where_only_others_may_go(as_role) -> None:
    run = rows.run(rows.job(), RunStatus.CANCELLED, **say(ReasonCode.CANCELLED_BY_USER, user="olga").columns())
    again = run_page(run, "again")
    assert again not in as_role("viewer").get(run_page(run)).content.decode()
    assert again in as_role("operator").get(run_page(run)).content.decode()


def test_machines_are_shown_to_platform_admins_only(editor) -> None:
    run = rows.run(rows.job(), RunStatus.QUEUED, wait_reason=WaitReason.NONE)
    admin = Client()
    admin.force_login(rows.user("root", "", is_superuser=True))
    workers = reverse("admin:jobs_workernode_changelist")
    answers = [client.get(run_page(run)).content.decode() for client in (editor, admin)]
    assert [page.count(f'<a class="p-link p-strong" href="{workers}"') for page in answers] == [0, 1]


def test_a_page_costs_a_bounded_number_of_queries(editor, django_assert_max_num_queries) -> None:
    job = rows.job()
    for _ in range(30):
        rows.run(job, RunStatus.SKIPPED, reason_code=ReasonCode.OVERLAP)
    editor.get(job_page(job))
    with django_assert_max_num_queries(30):
        editor.get(job_page(job))


# --- the command ------------------------------------------------------------------------------------------------------


def output(*args: str) -> str:
    out = io.StringIO()
    call_command("why", *args, stdout=out)
    return out.getvalue()


def test_why_prints_the_headline_and_points_at_what_decided(skipped) -> None:
    told = output("acme/report", "--run", str(skipped.pk))
    assert told.startswith("Skipped. An earlier run of this job had not ended: Run #7")
    assert "► ✗ Skipped." in told
    assert "→ If runs may wait or overlap" in told


def test_why_prints_one_json_object(skipped) -> None:
    told = json.loads(output("acme/report", "--run", str(skipped.pk), "--json"))
    assert (told["run"], told["answer"]) == (skipped.pk, "ended")
    ended = next(check for check in told["checks"] if check["key"] == "ended")
    assert (ended["result"], ended["part"], ended["fix"]["place"]) == ("failed", "ended", "job")


def test_why_takes_a_minute(skipped) -> None:
    told = json.loads(output("acme/report", "--at", skipped.scheduled_for.isoformat(), "--json"))
    assert told["answer"] == f"run-{skipped.pk}"
    assert "did not run" in output("acme/report")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["acme/none"], "There is no job"),
        (["acme/report", "--run", "99999"], "has no run #99999"),
        (["acme/report", "--at", "soon"], "“soon” is not a time"),
    ],
)
def test_why_says_what_is_wrong_in_one_sentence(skipped, args, words) -> None:
    with pytest.raises(CommandError, match=words):
        output(*args)
