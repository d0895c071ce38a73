"""The job list: what it shows, its buttons and its actions."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs import freezes
from jobs.models import Job, Run
from jobs.states import RunStatus
from tests.jobs import rows

pytestmark = pytest.mark.django_db
LIST = "/admin/jobs/job/"


def count_queries(client) -> int:
    freezes.forget()  # remembered for a second, which may just be over
    with CaptureQueriesContext(
        connection,
    ) as found:
        assert client.get(LIST).status_code == 200
    return len(found)


def make_jobs(count: int) -> None:
    for number in range(count):
        job = rows.job(f"job-{Job.objects.count()}-{number}")
        rows.run(job, RunStatus.TECHNICAL_FAILURE)
        rows.schedule(job)


def test_more_jobs_take_no_more_queries(editor) -> None:
    make_jobs(2)
    count_queries(editor)
    few = count_queries(editor)
    make_jobs(30)
    assert count_queries(editor) == few <= 25


def test_running_job_shows_so_in_the_list_and_in_its_live_part(editor) -> None:
    rows.run(rows.job(), RunStatus.RUNNING)
    for address in (LIST, f"{LIST}?_live=1"):
        assert 'data-status="running"' in editor.get(address).content.decode()


def test_live_part_is_only_the_rows_and_keeps_the_filter(editor) -> None:
    rows.job("one", name="Alpha")
    rows.job("two", name="Beta")
    page = editor.get(f"{LIST}?q=Alpha&_live=1").content.decode()
    assert "<html" not in page
    assert "Alpha" in page
    assert "Beta" not in page
    assert "q=Alpha&amp;_live=1" in page


def test_empty_list_says_what_to_do_first(editor) -> None:
    assert reverse("admin:jobs_job_add") in editor.get(LIST).content.decode().split("p-empty")[1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("now=failed", {"bad"}),
        ("now=ok", {"good"}),
        ("now=idle", {"new"}),
        ("now=running", {"busy"}),
        ("kind=shell", {"new"}),
        ("queue=slow", {"busy"}),
        ("is_enabled__exact=0", {"good"}),
    ],
)
def test_filters(editor, query, expected) -> None:
    rows.run(rows.job("bad"), RunStatus.TIMED_OUT)
    rows.run(rows.job("good", is_enabled=False))
    rows.run(rows.job("busy", queue="slow"), RunStatus.RUNNING)
    rows.job("new", kind="shell")
    shown = editor.get(f"{LIST}?{query}").context["cl"].result_list
    assert {job.slug for job in shown} == expected


def test_button_disables_and_enables(editor) -> None:
    job = rows.job()
    url = reverse("admin:jobs_job_switch", args=[job.pk])
    editor.post(url, {"enable": "0"})
    assert not Job.objects.get().is_enabled
    editor.post(url, {"enable": "1"})
    assert Job.objects.get().is_enabled


def test_switch_by_get_changes_nothing(editor) -> None:
    job = rows.job()
    editor.get(reverse("admin:jobs_job_switch", args=[job.pk]), {"enable": "0"})
    assert Job.objects.get().is_enabled


def act(client, action: str, *jobs: Job, **more: str):
    values = {"action": action, "_selected_action": [job.pk for job in jobs], **more}
    return client.post(LIST, values, follow=True)


def test_bulk_run_creates_a_run_for_each_and_reports_the_count(editor) -> None:
    response = act(editor, "run_chosen", rows.job("a"), rows.job("b"))
    assert Run.objects.filter(origin="manual").count() == 2
    assert any("2" in str(message) for message in response.context["messages"])


def test_bulk_disable_counts_what_was_so_already(editor) -> None:
    response = act(editor, "disable_chosen", rows.job("a"), rows.job("b", is_enabled=False))
    assert Job.objects.filter(is_enabled=False).count() == 2
    assert len(response.context["messages"]) == 2


def test_bulk_delete_asks_first_and_keeps_the_history(editor) -> None:
    job, unused = rows.job("ran"), rows.job("unused")
    rows.run(job)
    act(editor, "delete_chosen", job, unused)
    assert Job.objects.filter(archived_at=None).count() == 2
    act(editor, "delete_chosen", job, unused, confirmed="yes")
    assert Job.objects.filter(archived_at=None).count() == 0
    assert Run.objects.count() == 1


def test_viewer_can_neither_run_nor_change_in_bulk(as_role) -> None:
    viewer, job = as_role("viewer"), rows.job()
    for action in ("run_chosen", "disable_chosen", "delete_chosen"):
        act(viewer, action, job, confirmed="yes")
    assert (Run.objects.count(), Job.objects.get().is_enabled) == (0, True)


def test_delete_page_asks_and_a_post_deletes(editor) -> None:
    url = reverse("admin:jobs_job_delete", args=[rows.job().pk])
    assert editor.get(url).status_code == 200
    assert Job.objects.count() == 1
    editor.post(url)
    assert Job.objects.count() == 0
