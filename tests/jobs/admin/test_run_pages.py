"""The history, and the page of one run."""

import pytest
from django.urls import reverse

from jobs.admin.run_page import cause_of, result_parts
from jobs.admin.run_views import PAGE_CHUNKS
from jobs.models import Run
from jobs.states import AttemptStatus, RunStatus
from tests.jobs import rows

pytestmark = pytest.mark.django_db


def url(name: str, run: Run) -> str:
    return reverse(f"admin:jobs_run_{name}", args=[run.pk])


@pytest.fixture
def failed() -> Run:
    run = rows.run(rows.job(), RunStatus.TECHNICAL_FAILURE, reason_code="script_failed", reason="It broke.")
    first = rows.attempt(run, 1, AttemptStatus.TECHNICAL_FAILURE, exit_code=2, signal=9)
    second = rows.attempt(run, 2, AttemptStatus.TECHNICAL_FAILURE, exit_code=2)
    rows.chunk(first, 1, "first try\n")
    rows.chunk(second, 1, "second ")
    rows.chunk(second, 2, "try <b>\n", stream="stderr")
    return run


def test_page_says_cause_advice_attempts_and_what_ran(editor, failed) -> None:
    page = editor.get(url("change", failed)).content.decode()
    for text in ("It broke.", "SIGKILL (9)", "print(&#x27;hello&#x27;)", "try &lt;b&gt;"):
        assert text in page


def test_log_goes_through_the_attempts_in_order(editor, failed) -> None:
    answer = editor.get(url("log", failed)).json()
    assert [chunk["text"] for chunk in answer["chunks"]] == ["first try\n", "second ", "try <b>\n"]
    assert (answer["done"], answer["more"], answer["status"]) == (True, False, "technical_failure")


def test_log_after_a_position_gives_only_what_is_new(editor, failed) -> None:
    whole = editor.get(url("log", failed)).json()
    after = whole["chunks"][1]["seq"]
    rest = editor.get(url("log", failed), {"after": after}).json()
    assert [chunk["text"] for chunk in rest["chunks"]] == ["try <b>\n"]
    assert editor.get(url("log", failed), {"after": rest["next"]}).json()["chunks"] == []


def test_log_of_one_attempt(editor, failed) -> None:
    answer = editor.get(url("log", failed), {"attempt": 1}).json()
    assert [chunk["text"] for chunk in answer["chunks"]] == ["first try\n"]


def test_long_log_comes_in_pages(editor) -> None:
    run = rows.run(rows.job())
    attempt = rows.attempt(run)
    for seq in range(1, PAGE_CHUNKS + 2):
        rows.chunk(attempt, seq, "x")
    answer = editor.get(url("log", run)).json()
    assert (len(answer["chunks"]), answer["more"]) == (PAGE_CHUNKS, True)


@pytest.mark.parametrize("after", ["-1", "x", "9" * 40, ""])
def test_nonsense_position_starts_at_the_beginning(editor, failed, after) -> None:
    assert len(editor.get(url("log", failed), {"after": after}).json()["chunks"]) == 3


def test_running_log_is_not_done(editor) -> None:
    assert editor.get(url("log", rows.run(rows.job(), RunStatus.RUNNING))).json()["done"] is False


def test_download_is_plain_text_and_an_attachment(editor, failed) -> None:
    response = editor.get(url("download", failed))
    assert b"".join(response.streaming_content) == b"first try\nsecond try <b>\n"
    assert response["Content-Type"].startswith("text/plain")
    assert response["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize("name", ["change", "log", "download", "live", "cancel", "again"])
def test_foreign_run_is_not_found(as_role, failed, name) -> None:
    assert as_role("admin", of="other").get(url(name, failed)).status_code == 404


def test_cancel_asks_first_and_a_post_cancels(as_role) -> None:
    operator, run = as_role("operator"), rows.run(rows.job(), RunStatus.QUEUED)
    assert operator.get(url("cancel", run)).status_code == 200
    operator.post(url("cancel", run), {"reason": "not today"})
    run.refresh_from_db()
    assert (run.status, run.reason) == (RunStatus.CANCELLED, "not today")


def test_again_repeats_the_revision_or_takes_the_latest(editor, failed) -> None:
    job = failed.job
    job.revision = rows.revision(job, 2)
    job.save()
    editor.post(url("again", failed), {"revision": "same"})
    editor.post(url("again", failed), {"revision": "latest"})
    assert [run.revision.number for run in Run.objects.filter(rerun_of=failed).order_by("id")] == [1, 2]


@pytest.mark.parametrize("name", ["cancel", "again"])
def test_viewer_may_not_press_the_buttons(as_role, failed, name) -> None:
    assert as_role("viewer").post(url(name, failed)).status_code == 403
    assert Run.objects.count() == 1


def test_history_offers_no_way_to_write(editor, failed) -> None:
    assert editor.post(url("change", failed), {"status": "succeeded"}).status_code in {200, 403, 405}
    failed.refresh_from_db()
    assert failed.status == RunStatus.TECHNICAL_FAILURE
    assert editor.get("/admin/jobs/run/add/").status_code == 403


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("outcome=failures", 1),
        ("outcome=not_run", 1),
        ("status__in=succeeded", 1),
        ("period=hour", 3),
        ("scheduled_for_from=2001-01-01&scheduled_for_to=2001-01-02", 0),
        ("scheduled_for_from=nonsense", 3),
        ("origin__in=schedule", 0),
        ("q=report", 3),
    ],
)
def test_history_filters(editor, query, count) -> None:
    job = rows.job()
    rows.run(job)
    rows.run(job, RunStatus.LOST)
    rows.run(job, RunStatus.SKIPPED)
    if query == "outcome=not_run":  # a lost run did not run to its end either
        count = 2
    assert len(editor.get(f"/admin/jobs/run/?{query}").context["cl"].result_list) == count


def test_waiting_run_says_why(editor) -> None:
    run = rows.run(rows.job(), RunStatus.QUEUED, wait_reason="no_capable_worker")
    cause = cause_of(run)
    assert cause is not None
    assert cause.advice


def test_sql_result_becomes_a_table() -> None:
    statement = {"sql": "select 1", "columns": ["a"], "rows": [[1]]}
    tables, rest = result_parts({"statements": [statement, {"sql": "delete", "rowcount": 3}]})
    assert [(table.columns, table.rows) for table in tables] == [(["a"], [[1]]), (["rowcount"], [[3]])]
    assert rest == {}
