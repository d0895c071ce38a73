"""The page of a run that is made of parts, and the history around it."""

import pytest
from django.urls import reverse

from jobs.admin import run_parts
from jobs.models import Run
from jobs.queries import job_activity, today_summary
from jobs.states import AttemptStatus, RunStatus
from tests.jobs import rows

pytestmark = pytest.mark.django_db
HISTORY = reverse("admin:jobs_run_changelist")


@pytest.fixture
def whole() -> Run:
    """Four parts: two succeeded, the second at its second try; one failed; one waits for its worker."""
    job = rows.job()
    made = rows.run(job, RunStatus.BUSINESS_FAILURE, is_container=True, shard_total=4)
    statuses = ["succeeded", "succeeded", "business_failure", "queued"]
    for index, status in enumerate(statuses):
        part = rows.run(job, status, parent=made, shard_index=index, shard_total=4, target_slot="h/w9")
        if index == 1:
            rows.attempt(part, 1, AttemptStatus.TECHNICAL_FAILURE, worker_name="w1")
        if status != "queued":
            rows.attempt(part, 2 if index == 1 else 1, status, worker_name="w2")
    return made


def url(name: str, run: Run) -> str:
    return reverse(f"admin:jobs_run_{name}", args=[run.pk])


def test_the_page_has_a_row_for_each_part_and_a_mark_for_each_attempt(editor, whole) -> None:
    page = editor.get(url("change", whole)).content.decode()
    for part in whole.parts.all():
        assert f"{part.shard_index} / 4" in page
    second = whole.parts.get(shard_index=1)
    assert f"{url('change', second)}?attempt=2" in page
    assert "h/w9" in page


def test_the_page_of_a_part_names_its_whole(editor, whole) -> None:
    part = whole.parts.get(shard_index=2)
    assert f"part 2 of 4 (from 0) of #{whole.pk}" in editor.get(url("change", part)).content.decode()


def test_the_history_shows_the_whole_alone_and_its_parts_on_request(editor, whole) -> None:
    def listed(**query: str) -> set[int]:
        return {run.pk for run in editor.get(HISTORY, query).context["cl"].result_list}

    parts = set(whole.parts.values_list("pk", flat=True))
    assert listed() == {whole.pk}
    assert listed(parts="with") == {whole.pk, *parts}
    assert listed(parts=str(whole.pk)) == parts
    assert listed(parts="nonsense") == {whole.pk}


def test_a_whole_counts_once_in_statistics(whole) -> None:
    now = whole.scheduled_for
    today = today_summary(Run.objects.all(), now=now, zone=now.tzinfo)
    assert today.by_status[RunStatus.SUCCEEDED] == 0
    activity = job_activity([whole.job], runs=Run.objects.all(), schedules=whole.job.schedules.all())[whole.job_id]
    assert [mark.pk for mark in activity.marks] == [whole.pk]
    assert activity.queued_count == 0


def test_the_failed_parts_are_run_again(editor, as_role, whole) -> None:
    asked = editor.get(url("again_failed", whole)).content.decode()
    assert "did not succeed: 2." in asked
    whole.parts.filter(status="queued").update(status="cancelled", reason_code="cancelled_by_user")
    answer = editor.post(url("again_failed", whole))
    made = Run.objects.get(rerun_of=whole)
    assert answer["Location"] == url("change", made)
    assert made.only_shards == [2, 3]


def test_nothing_is_run_again_by_who_may_not_run_the_job(as_role, whole) -> None:
    assert as_role("viewer").post(url("again_failed", whole)).status_code == 403
    assert not Run.objects.filter(rerun_of=whole).exists()


def test_a_whole_without_failed_parts_says_so(editor, whole) -> None:
    whole.parts.update(status="succeeded")
    answer = editor.post(url("again_failed", whole), follow=True)
    assert "There is no failed part" in answer.content.decode()


def test_of_many_parts_the_failed_ones_are_shown_first(whole, monkeypatch) -> None:
    monkeypatch.setattr(run_parts, "MOST_PARTS", 2)
    grid = run_parts.whole(whole)
    assert grid is not None
    assert [part.run.shard_index for part in grid.parts] == [2, 3]
    assert grid.left_out == 2
