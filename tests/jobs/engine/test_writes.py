"""A SQL job above its datasource's limit, from the run that is stopped to the run that a second person allowed."""

import sqlite3

import pytest

from datasources import approvals
from datasources.models import DataSource, WriteApproval
from jobs.definitions import parse_definition, plain
from jobs.engine import execute
from jobs.engine.worker import Worker
from jobs.models import Job, JobRevision
from jobs.states import RunStatus
from tests.cast import join, make_user
from tests.jobs.engine import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    made = Worker(name="t", queues=["default"], capacity=2)
    made.node = rows.node(capabilities=made.capabilities())
    yield made
    made.runners.close()


@pytest.fixture
def job(settings, tmp_path):
    """Empties a table of three rows, where two may be changed."""
    made = rows.job("clean")
    content = {"name": "clean", "kind": "sql", "params": {"datasource": "shop", "sql": "DELETE FROM goods"}}
    JobRevision.objects.filter(job=made).update(definition=plain(parse_definition({**content, "retry": {"max": 0}})))
    Job.objects.filter(pk=made.pk).update(kind="sql")
    DataSource.objects.create(
        tenant=made.tenant, slug="shop", name="Shop", kind="sqlite", params={"path": "shop.sqlite3"},
        is_read_only=False, max_affected_rows=2,
    )  # fmt: skip
    settings.PORTAL_SQLITE_ROOTS = [tmp_path / "files"]
    path = tmp_path / "files" / made.tenant.slug / "shop.sqlite3"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE goods (id INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO goods VALUES (1), (2), (3)")
    return Job.objects.select_related("revision", "tenant").get(pk=made.pk)


@pytest.fixture
def count(settings, job):
    """How many rows the table has."""
    path = settings.PORTAL_SQLITE_ROOTS[0] / job.tenant.slug / "shop.sqlite3"
    return lambda: sqlite3.connect(path).execute("SELECT count(*) FROM goods").fetchone()[0]


def run_again(worker, job, **fields):
    run = rows.queued(job, **fields)
    execute.work(worker, "default")
    run.refresh_from_db()
    return run


def test_stopped_asked_approved_and_run_once(worker, job, count):
    stopped = run_again(worker, job)
    assert (stopped.status, count()) == (RunStatus.BUSINESS_FAILURE, 3)
    assert "3 rows would be changed, and at most 2 may be" in stopped.reason
    asked = WriteApproval.objects.get()
    assert (asked.statement, asked.affected_rows, asked.purpose) == ("DELETE FROM goods", 3, f"clean #{stopped.pk}")
    second = join(make_user("second"), job.tenant, "admin")
    approvals.decide(asked, actor=second, approve=True)
    allowed = run_again(worker, job)
    assert (allowed.status, count()) == (RunStatus.SUCCEEDED, 0)
    asked.refresh_from_db()
    assert (asked.status, asked.used_for) == ("used", f"clean #{allowed.pk}")


def test_who_started_a_run_of_the_platforms_own_job_does_not_approve_it(worker, job, count):
    first = join(make_user("first"), job.tenant, "admin")
    assert job.revision.author is None
    run_again(worker, job, requested_by=first)
    asked = WriteApproval.objects.get()
    assert asked.asked_by == first
    with pytest.raises(approvals.DecisionRefusedError):
        approvals.decide(asked, actor=first, approve=True)
    run_again(worker, job, requested_by=first)
    assert count() == 3
