"""SQL jobs that name a script of the library: pinned in the revision, followed, refused where a right is missing."""

import io
import sqlite3

import pytest
from django.core.management import call_command

from accounts.models import AuditEntry
from datasources import scripts
from datasources.models import DataSource, SqlScript
from datasources.scripts import Draft, ScriptInUseError
from jobs import catalog, runs, scriptjobs
from jobs.catalog import CatalogError
from jobs.engine import execute
from jobs.engine.worker import Worker
from jobs.models import Job
from jobs.states import Origin, ReasonCode, RunStatus
from portal.lib.fielderrors import FieldErrors
from tests.cast import make_cast
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db
ITEM = {"name": "item", "type": "int", "default": 1}


@pytest.fixture
def cast():
    return make_cast("acme")


@pytest.fixture
def source(cast, settings, tmp_path):
    settings.PORTAL_SQLITE_ROOTS = [tmp_path / "files"]
    path = tmp_path / "files" / "acme" / "shop.sqlite3"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)")
        database.execute("INSERT INTO items VALUES (1, 'tea'), (2, 'milk')")
    params = {"path": "shop.sqlite3"}
    return DataSource.objects.create(tenant=cast.tenant, slug="shop", name="Shop", kind="sqlite", params=params)


@pytest.fixture
def script(cast, source):
    row = SqlScript(tenant=cast.tenant, name="One item", slug="one-item")
    draft = Draft(text="SELECT name FROM items WHERE id = :item", parameters=[ITEM])
    scripts.save_script(row, draft, actor=cast.editor)
    return row


@pytest.fixture
def worker(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    made = Worker(name="t", queues=["default"], capacity=2)
    made.node = rows.node(capabilities=made.capabilities())
    yield made
    made.runners.close()


def make(cast, slug="nightly", actor=None, **params):
    content = {"name": slug.title(), "kind": "sql", "params": {"datasource": "shop", "script": "one-item", **params}}
    content["retry"] = {"max": 0}
    return catalog.create_job(actor=actor or cast.editor, tenant=cast.tenant, slug=slug, definition=content)


def change(script, cast, text="SELECT 'new' AS name", **fields):
    scripts.save_script(script, Draft(text=text, **fields), actor=cast.editor)
    return script.current.number


def held(job):
    job.refresh_from_db()
    params = job.revision.definition["params"]
    return params["version"], params["sql"]


def run(worker, job, **fields):
    made = runs.create_run(job, origin=Origin.MANUAL, **fields)
    execute.work(worker, "default")
    made.refresh_from_db()
    return made


def refused(cast, **params):
    with pytest.raises(CatalogError) as found:
        make(cast, **params)
    return {error.path: error.message for error in found.value.errors}


def test_the_revision_holds_text_version_and_parameters_and_the_job_only_the_name(cast, script):
    job = make(cast)
    assert held(job) == (1, "SELECT name FROM items WHERE id = :item")
    assert [param["name"] for param in job.revision.definition["run_params"]] == ["item"]
    assert (job.params["script"], job.params["version"], job.params["sql"], job.run_params) == (
        "one-item",
        None,
        "",
        [],
    )


def test_the_script_runs_with_values_bound(cast, script, worker):
    done = run(worker, make(cast), params={"item": 2})
    assert (done.status, done.result["rows"]) == (RunStatus.SUCCEEDED, [["milk"]])
    assert run(worker, Job.objects.get()).result["rows"] == [["tea"]]


def test_a_job_of_the_latest_follows_and_a_pinned_one_stays(cast, script):
    latest, pinned = make(cast), make(cast, slug="pinned", version=1)
    assert change(script, cast) == 2
    assert held(latest) == (2, "SELECT 'new' AS name")
    assert held(pinned)[0] == 1
    assert latest.revision.number == 2
    assert latest.revision.author == cast.editor
    assert AuditEntry.objects.filter(verb="jobs.job.updated", object_id=str(latest.pk)).count() == 1


def test_a_run_keeps_the_version_it_was_created_with(cast, script, worker):
    job = make(cast)
    waiting = runs.create_run(job, origin=Origin.MANUAL)
    change(script, cast)
    execute.work(worker, "default")
    waiting.refresh_from_db()
    assert (waiting.result or {})["rows"] == [["tea"]]
    assert run(worker, Job.objects.get()).result["rows"] == [["new"]]


def test_whoever_changes_a_script_does_not_become_the_author_of_its_jobs(cast, script):
    job = make(cast, actor=cast.owner)
    change(script, cast)
    job.refresh_from_db()
    assert (job.revision.number, job.revision.author) == (2, cast.owner)


def test_a_job_that_missed_a_version_is_caught_up(cast, script):
    job = make(cast)
    before = job.revision
    change(script, cast)
    Job.objects.filter(pk=job.pk).update(revision=before)
    scriptjobs.follow_scripts(since=script.created_at)
    assert held(job)[0] == 2


def test_the_jobs_own_parameter_stands_before_the_scripts(cast, script):
    own = {"name": "item", "type": "int", "default": 2}
    content = {"name": "N", "kind": "sql", "params": {"datasource": "shop", "script": "one-item"}, "run_params": [own]}
    job = catalog.create_job(actor=cast.editor, tenant=cast.tenant, slug="own", definition=content)
    assert job.revision is not None
    assert [param["default"] for param in job.revision.definition["run_params"]] == [2]


@pytest.mark.parametrize(
    ("params", "place", "words"),
    [
        ({"script": "nothing"}, "params.script", "There is no SQL script “nothing”"),
        ({"version": 7}, "params.version", "has no version 7"),
        ({"sql": "SELECT 1"}, "params.script", "not both"),
        ({"script": "", "version": 1, "sql": "SELECT 1"}, "params.version", "A version is of a script"),
        ({"script": ""}, "params.sql", "The SQL is empty"),
        ({"script": "no/slug"}, "params.script", "form that is asked for"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(cast, script, params, place, words):
    errors = refused(cast, **params)
    assert list(errors) == [place]
    assert words in errors[place]
    assert not Job.objects.exists()


def test_a_foreign_script_is_not_there(cast, script):
    other = make_cast("other")
    theirs = SqlScript(tenant=other.tenant, name="Theirs", slug="theirs")
    scripts.save_script(theirs, Draft(text="SELECT 1"), actor=None)
    assert "There is no SQL script" in refused(cast, script="theirs")["params.script"]


def test_a_script_for_another_datasource_is_refused_when_saved_and_when_run(cast, script, worker):
    job = make(cast)
    till = DataSource.objects.create(tenant=cast.tenant, slug="till", name="Till", kind="sqlite")
    script.datasources.set([till])
    assert "not meant for the datasource “shop”" in refused(cast, slug="second")["params.script"]
    stopped = run(worker, job)
    assert (stopped.status, stopped.reason_code) == (RunStatus.TECHNICAL_FAILURE, ReasonCode.RIGHT_LOST)
    assert "not meant for the datasource" in stopped.reason


def test_a_run_needs_the_rights_of_who_wrote_the_text(cast, script, worker):
    job = make(cast, actor=cast.owner)
    cast.editor.memberships.update(role="viewer")
    stopped = run(worker, job)
    assert stopped.reason_code == ReasonCode.RIGHT_LOST
    assert "by acme-editor, who may not use the datasource" in stopped.reason


def test_a_run_of_a_version_that_is_gone_does_not_start(cast, script, worker):
    job = make(cast)
    SqlScript.objects.all().delete()
    stopped = run(worker, job)
    assert (stopped.status, stopped.reason_code) == (RunStatus.TECHNICAL_FAILURE, ReasonCode.BAD_DEFINITION)
    assert "was deleted" in stopped.reason


def test_a_new_script_of_the_same_name_is_not_what_the_run_was_pinned_to(cast, script, worker):
    job = make(cast)
    SqlScript.objects.all().delete()
    row = SqlScript(tenant=cast.tenant, name="One item", slug="one-item")
    scripts.save_script(row, Draft(text="SELECT 'other'"), actor=cast.owner)
    Job.objects.filter(pk=job.pk).update(revision=job.revision)
    job.refresh_from_db()
    assert "was deleted" in run(worker, job).reason


def test_a_script_that_jobs_name_is_not_deleted_and_says_by_which(cast, script):
    job = make(cast)
    with pytest.raises(ScriptInUseError, match="“Nightly”"):
        scripts.delete_script(script, actor=cast.editor)
    catalog.delete_job(job, actor=cast.editor)
    scripts.delete_script(script, actor=cast.editor)


def test_who_may_not_use_the_datasource_writes_no_version_that_jobs_take_there(cast, script, monkeypatch):
    make(cast)
    refusal = scriptjobs.JobsOfScripts().refusal
    assert refusal(script, author=cast.editor) == ""
    assert refusal(script, author=None) == ""
    assert "“Nightly”" in refusal(script, author=cast.operator)
    assert "Nightly" not in refusal(script, author=make_cast("other").owner)
    Job.objects.update(params={"datasource": "shop", "script": "one-item", "version": 1})
    assert refusal(script, author=cast.operator) == ""


def test_a_script_with_too_many_parameters_for_the_job_is_refused(cast, script):
    own = [{"name": f"p{number}"} for number in range(50)]
    content = {"name": "N", "kind": "sql", "params": {"datasource": "shop", "script": "one-item"}, "run_params": own}
    with pytest.raises(CatalogError, match="too many parameters"):
        catalog.create_job(actor=cast.editor, tenant=cast.tenant, slug="own", definition=content)


# --- the form and the definitions file ------------------------------------------------------------------------------


def test_the_form_offers_scripts_and_keeps_the_choice(client, cast, script):
    client.force_login(cast.editor)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    job = make(cast, version=1)
    form = client.get(f"/admin/jobs/job/{job.pk}/change/").context["adminform"].form
    assert ("one-item", "One item") in form.fields["sql_script"].choices
    assert (form["sql_script"].value(), form["sql_version"].value()) == ("one-item", 1)
    assert "sql_upload" not in form.fields


FILE = """\
version: 1
tenant: acme
scripts:
  - slug: one-item
    name: One item
    datasources: [shop]
    sql: SELECT 'from the file' AS name
    parameters: [{name: item, type: int, default: 1}]
jobs:
  - {slug: nightly, kind: sql, params: {datasource: shop, script: one-item}}
"""


def apply(tmp_path, text):
    path = tmp_path / "definitions.yaml"
    path.write_text(text, encoding="utf-8")
    out = io.StringIO()
    call_command("apply", str(path), stdout=out)
    return out.getvalue()


def test_a_definitions_file_brings_scripts_and_jobs_of_them_and_gives_them_back(cast, script, tmp_path):
    apply(tmp_path, FILE)
    assert held(Job.objects.get()) == (2, "SELECT 'from the file' AS name")
    assert "unchanged" in apply(tmp_path, FILE)
    out = io.StringIO()
    call_command("export", "--tenant", "acme", stdout=out)
    assert "sql: SELECT 'from the file' AS name" in out.getvalue()
    assert "script: one-item" in out.getvalue()
    apply(tmp_path, out.getvalue())
    assert script.versions.count() == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[shop]", "[nowhere]", "scripts[0].datasources[0]: There is no datasource “nowhere”"),
        ("sql: SELECT 'from the file' AS name", "sql: ''", "scripts[0].sql: The SQL is empty"),
        ("sql: SELECT 'from the file' AS name", "sql_file: gone.sql", "scripts[0].sql_file: The file “gone.sql”"),
        ("type: int", "type: moon", "scripts[0].parameters[0].type"),
        ("script: one-item", "script: other", "jobs[0].params.script: There is no SQL script “other”"),
    ],
)
def test_a_bad_script_in_a_file_is_refused_with_its_place(cast, source, tmp_path, old, new, words):
    with pytest.raises((FieldErrors, Exception)) as found:
        apply(tmp_path, FILE.replace(old, new))
    assert words in str(found.value)
    assert not SqlScript.objects.exists()
