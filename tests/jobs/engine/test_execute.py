"""One attempt from claim to end, with real runner processes."""

import time

import pytest
from django.db import connection

from jobs.engine import execute
from jobs.engine.execution import Interrupt
from jobs.engine.worker import Worker
from jobs.models import Attempt, JobRevision, LogChunk, Run
from jobs.runs import cancel_run
from jobs.states import AttemptStatus, ReasonCode, RunStatus
from tests.jobs.engine import rows
from tests.jobs.rows import user

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.PORTAL_KILL_GRACE_SECONDS = 0.3
    made = Worker(name="t", queues=["default"], capacity=2)
    made.node = rows.node(capabilities=made.capabilities())
    yield made
    made.runners.close()


def run_of(worker, **job):
    run = rows.queued(rows.job(**job))
    execute.work(worker, "default")
    run.refresh_from_db()
    return run


def log_of(run):
    chunks = LogChunk.objects.filter(attempt__run=run).order_by("attempt", "seq")
    return "".join(chunks.values_list("text", flat=True))


def test_a_script_succeeds_with_its_log_and_outputs(worker):
    run = run_of(worker, script="echo hello; echo rows=3 >> $PORTAL_OUTPUT")
    assert (run.status, run.exit_code, run.outputs) == (RunStatus.SUCCEEDED, 0, {"rows": "3"})
    assert log_of(run) == "hello\n"


def test_between_a_claim_and_the_end_of_its_script_a_slot_asks_the_ledger_nothing(worker, django_assert_num_queries):
    """Sixteen slots that ask at once would delay every script by more than its own start."""
    job = rows.job()
    JobRevision.objects.filter(job=job).update(author=user())
    rows.queued(job)
    claimed = execute._hand_in(worker, "default", None, is_bell=True)
    assert claimed is not None
    with django_assert_num_queries(0):
        finished = execute.execute(worker, claimed)
    worker.holdings.drop(claimed)
    assert finished.ending.status == AttemptStatus.SUCCEEDED


def test_execute_task_is_called_and_its_value_kept(worker):
    run = run_of(worker, kind="python", script="def execute_task():\n    return {'a': 1}")
    assert (run.status, run.result) == (RunStatus.SUCCEEDED, {"return_value": {"a": 1}})


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ("import sys; sys.exit(1)", RunStatus.BUSINESS_FAILURE, ReasonCode.BUSINESS),
        ("raise ValueError('boom')", RunStatus.TECHNICAL_FAILURE, ReasonCode.SCRIPT_FAILED),
        ("import sys; sys.exit('text')", RunStatus.TECHNICAL_FAILURE, ReasonCode.SCRIPT_FAILED),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", RunStatus.TECHNICAL_FAILURE, ReasonCode.SIGNAL),
    ],
)
def test_a_bad_end_has_its_status_and_cause(worker, script, status, code):
    run = run_of(worker, kind="python", script=script, retry={"max": 0})
    assert (run.status, run.reason_code, bool(run.reason)) == (status, code, True)


def test_a_timeout_ends_the_script_and_says_so(worker):
    run = run_of(worker, script="trap '' TERM; sleep 60", timeout="1s", retry={"max": 0})
    assert (run.status, run.reason_code) == (RunStatus.TIMED_OUT, ReasonCode.TIMEOUT)


def test_a_missing_interpreter_is_named(worker):
    run = rows.queued(rows.job(retry={"max": 0}))
    definition = run.revision.definition
    definition["params"]["interpreter"] = "no-such-shell"
    run.revision.save()
    execute.work(worker, "default")
    run.refresh_from_db()
    assert run.reason_code == ReasonCode.MISSING_DRIVER
    assert "no-such-shell" in run.reason


def test_variables_of_the_worker_do_not_reach_the_script(worker, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "leak")
    monkeypatch.setenv("DATABASE_URL", "leak")
    run = run_of(worker, script="env")
    assert "leak" not in log_of(run)
    assert "PORTAL_RUN_ID" in log_of(run)


def test_the_process_that_owns_a_script_is_noted_while_it_runs(worker):
    run = run_of(worker, script='until [ -s "$PWD.pid" ]; do sleep 0.05; done; cat "$PWD.pid"')
    assert log_of(run) == str(Attempt.objects.get(run=run).pid)


def test_the_work_folder_is_gone_afterwards(worker, tmp_path):
    run_of(worker, script="echo x > file")
    assert list((tmp_path / "work").iterdir()) == []


def test_a_log_beyond_the_cap_is_cut_and_marked(worker, settings):
    settings.PORTAL_LOG_BYTES_PER_ATTEMPT = 1000
    run = run_of(worker, script="head -c 5000 /dev/zero | tr '\\0' x")
    attempt = Attempt.objects.get(run=run)
    assert (attempt.log_bytes, attempt.log_truncated) == (1000, True)
    stored = LogChunk.objects.filter(attempt=attempt, stream="stdout").values_list("text", flat=True)
    assert "".join(stored) == "x" * 1000


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("why", "status"),
    [(Interrupt.CANCELLED, RunStatus.CANCELLED), (Interrupt.RELEASED, RunStatus.QUEUED)],
)
def test_an_interrupt_ends_the_script_early(worker, why, status):
    import threading

    run = rows.queued(rows.job(script="sleep 30"))

    def interrupt():
        while not worker.holdings.executions():
            time.sleep(0.01)
        time.sleep(0.2)
        if why == Interrupt.CANCELLED:
            cancel_run(Run.objects.get(), actor=None)
        worker.is_draining = True
        for execution in worker.holdings.executions():
            execution.interrupt(why)
        connection.close()

    thread = threading.Thread(target=interrupt)
    thread.start()
    began = time.monotonic()
    execute.work(worker, "default")
    thread.join()
    run.refresh_from_db()
    assert run.status == status
    assert time.monotonic() - began < 20
