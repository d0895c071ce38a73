"""The form on which a job is made and changed."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import AuditEntry
from jobs.models import Job, JobRevision, Schedule
from tests.jobs import rows

pytestmark = pytest.mark.django_db
ADD = "/admin/jobs/job/add/"


def posted(schedule: str = "", **fields):
    """What a browser sends for a Python job with one schedule row."""
    row = {"id": "", "kind": "cron", "expression": schedule, "timezone": "Asia/Shanghai", "misfire": "run_once"}
    row |= {"grace": "5m", "is_enabled": "on"}
    values = {
        "name": "Nightly report", "slug": "", "category": "processing", "is_enabled": "on", "kind": "python",
        "python_script": "print('hi')", "timeout": "5m", "retry_max": "2", "retry_backoff": "fixed",
        "retry_base": "5s", "retry_factor": "2", "retry_cap": "1m", "overlap": "skip", "overlap_limit": "1",
        "queue": "default", "priority": "0", "is_idempotent": "on",
        "schedules-TOTAL_FORMS": "1", "schedules-INITIAL_FORMS": "0",
    }  # fmt: skip
    values |= {f"schedules-0-{name}": value for name, value in row.items()}
    return {**values, **fields}


def form_errors(response):
    return response.context["adminform"].form.errors


def test_new_job_is_published_with_its_schedule(editor) -> None:
    response = editor.post(ADD, posted(schedule="0 9 * * *"))
    job = Job.objects.get()
    assert response.status_code == 302
    assert job.revision is not None
    assert (job.slug, job.retry_max, job.revision.number) == ("nightly-report", 2, 1)
    assert job.schedules.get().next_fire_at is not None
    assert AuditEntry.objects.filter(verb="jobs.job.created").count() == 1


def test_a_schedule_may_spread_its_runs_and_a_bad_spread_stands_at_its_field(editor) -> None:
    editor.post(ADD, posted(schedule="0 9 * * *", **{"schedules-0-jitter": "90s"}))
    assert Schedule.objects.get().jitter.total_seconds() == 90
    for bad in ("soon", "2d"):
        response = editor.post(ADD, posted(schedule="0 9 * * *", name="Other", **{"schedules-0-jitter": bad}))
        assert response.context["formset"].forms[0].errors["jitter"]


def test_only_the_chosen_kinds_fields_count(editor) -> None:
    editor.post(ADD, posted(kind="shell", shell_script="echo hi", python_script="not ( python"))
    assert Job.objects.get().params["script"] == "echo hi"


def test_syntax_error_stands_at_the_script_and_nothing_is_saved(editor) -> None:
    response = editor.post(ADD, posted(python_script="def ("))
    assert response.status_code == 200
    assert "line 1" in form_errors(response)["python_script"][0]
    assert (Job.objects.count(), JobRevision.objects.count()) == (0, 0)


def test_impossible_cron_stands_at_the_schedule_and_nothing_is_saved(editor) -> None:
    response = editor.post(ADD, posted(schedule="0 0 31 2 *"))
    assert response.status_code == 200
    assert response.context["formset"].forms[0].errors["expression"]
    assert (Job.objects.count(), Schedule.objects.count()) == (0, 0)


def test_unknown_zone_stands_at_the_zone(editor) -> None:
    response = editor.post(ADD, posted(schedule="0 9 * * *", **{"schedules-0-timezone": "Mars/Base"}))
    assert "Mars/Base" in response.context["formset"].forms[0].errors["timezone"][0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "daily report!"),
        ("timeout", "soon"),
        ("python_script", "   "),
        ("run_params", "{not json"),
        ("run_params", '[{"name": "1x"}]'),
        ("exit_codes", '{"300": "succeeded"}'),
        ("environment", '{"PORTAL_X": "1"}'),
        ("queue", "No Spaces"),
        ("priority", "1000"),
        ("kind", "fortran"),
        ("retry_factor", "99"),
    ],
)
def test_bad_input_is_one_sentence_at_its_field(editor, field, value) -> None:
    response = editor.post(ADD, posted(**{field: value}))
    assert response.status_code == 200
    assert field in form_errors(response), dict(form_errors(response))
    assert Job.objects.count() == 0


def test_duplicate_slug_stands_at_the_slug(editor) -> None:
    rows.job("taken")
    assert "taken" in form_errors(editor.post(ADD, posted(slug="taken")))["slug"][0]


def test_upload_takes_the_place_of_the_script(editor) -> None:
    file = SimpleUploadedFile("a.py", b"print('from a file')\n")
    editor.post(ADD, posted(python_upload=file))
    assert "from a file" in Job.objects.get().params["script"]


def test_upload_that_is_no_text_is_refused(editor) -> None:
    file = SimpleUploadedFile("a.py", b"\xff\xfe\x00")
    assert "python_upload" in form_errors(editor.post(ADD, posted(python_upload=file)))


def test_change_makes_a_revision_and_an_unchanged_save_makes_none(editor) -> None:
    editor.post(ADD, posted())
    job = Job.objects.get()
    url = reverse("admin:jobs_job_change", args=[job.pk])
    editor.post(url, posted(slug="nightly-report"))
    assert job.revisions.count() == 1
    editor.post(url, posted(slug="nightly-report", python_script="print('new')"))
    assert job.revisions.count() == 2


def test_schedule_row_marked_for_removal_goes(editor) -> None:
    editor.post(ADD, posted(schedule="0 9 * * *"))
    schedule = Schedule.objects.get()
    fields = {"schedules-0-id": schedule.pk, "schedules-0-DELETE": "on"}
    url = reverse("admin:jobs_job_change", args=[schedule.job_id])
    editor.post(url, posted(schedule="0 9 * * *", slug="nightly-report", **fields))
    assert Schedule.objects.count() == 0


def test_viewer_sees_the_form_locked_and_may_not_post(as_role) -> None:
    viewer, job = as_role("viewer"), rows.job()
    url = reverse("admin:jobs_job_change", args=[job.pk])
    form = viewer.get(url).context["adminform"].form
    assert all(field.disabled for field in form.fields.values())
    assert viewer.post(url, posted(name="Mine")).status_code == 403


def test_secret_of_another_tenant_can_not_be_named(editor) -> None:
    response = editor.post(ADD, posted(secrets=["FOREIGN_KEY"]))
    assert "secrets" in form_errors(response)


PLACE = {
    "fan_out": "shards",
    "shard_total": "8",
    "requires": "gpu, isolation:cgroup",
    "needs_memory": "2GB",
    "needs_cpu": "0.5",
}


def test_shards_needs_and_requirements_are_saved_and_shown_again(editor) -> None:
    editor.post(ADD, posted(**PLACE))
    job = Job.objects.get()
    assert (job.fan_out, job.shard_total, job.requires) == ("shards", 8, ["gpu", "isolation:cgroup"])
    assert (job.needs_memory, job.needs_cpu) == (2048, 0.5)
    form = editor.get(reverse("admin:jobs_job_change", args=[job.pk])).context["adminform"].form
    shown = {name: str(form.initial[name]) for name in PLACE}
    assert shown == PLACE
    editor.post(reverse("admin:jobs_job_change", args=[job.pk]), posted(slug="nightly-report", **PLACE))
    assert job.revisions.count() == 1


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"fan_out": "shards"}, "shard_total", "into how many shards"),
        ({"fan_out": "broadcast", "shard_total": "3"}, "shard_total", "Only shards have a number"),
        ({"fan_out": "shards", "shard_total": "5000"}, "shard_total", "1000"),
        ({"needs_memory": "much"}, "needs_memory", "512MB"),
        ({"needs_cpu": "-1"}, "needs_cpu", "0"),
        ({"requires": "gpu, a/b"}, "requires", "“a/b”"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(editor, wrong, field, words) -> None:
    response = editor.post(ADD, posted(**wrong))
    assert words in form_errors(response)[field][0]
    assert not Job.objects.exists()


def test_a_queue_nobody_serves_is_saved_with_a_warning(editor) -> None:
    response = editor.post(ADD, posted(queue="lonely"), follow=True)
    assert "No live worker serves the queue “lonely”" in response.content.decode()
    assert Job.objects.get().queue == "lonely"
