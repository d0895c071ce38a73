"""What a script died of is said in words, and is true."""

import os
import subprocess

import pytest

from jobs.engine import execute
from jobs.engine.causes import MEBIBYTE, Surroundings, cause_of
from jobs.engine.worker import Worker
from jobs.models import Attempt
from jobs.runner.spec import Ended
from jobs.states import ReasonCode, RunStatus
from tests.jobs.engine import rows
from tests.jobs.reasoncases import brings_about

R = ReasonCode
ROOMY = Surroundings(folder="/", timeout=90, process_limit=1000)


@pytest.mark.parametrize(
    ("ended", "code", "key"),
    [
        (Ended(reason="timeout", signal=9), R.TIMEOUT, "timeout"),
        (Ended(reason="exited", exit_code=0), R.NONE, ""),
        (Ended(reason="cancelled", signal=15), R.NONE, ""),
        (Ended(reason="exited", exit_code=1), R.BUSINESS, "any.exit_code"),
        (Ended(reason="exited", exit_code=7), R.SCRIPT_FAILED, "any.exit_code"),
        (Ended(reason="exited", exit_code=139), R.SCRIPT_FAILED, "script_failed.child_signal"),
        (Ended(reason="exited", exit_code=255), R.SCRIPT_FAILED, "any.exit_code"),
        (Ended(reason="exited", signal=15), R.SIGNAL, "signal"),
        (Ended(reason="exited", signal=11), R.SIGNAL, "signal.crash"),
        (Ended(reason="exited", signal=6), R.SIGNAL, "signal.crash"),
        (Ended(reason="exited", signal=24), R.SIGNAL, "signal.cpu_limit"),
        (Ended(reason="exited", signal=25), R.SCRIPT_FAILED, "script_failed.file_too_large"),
        (Ended(reason="exited", signal=9, oom_hint=True), R.OUT_OF_MEMORY, "out_of_memory"),
        (Ended(reason="exited", exit_code=137, oom_hint=True), R.OUT_OF_MEMORY, "out_of_memory"),
        (Ended(reason="exited", signal=63), R.SIGNAL, "signal"),
        (Ended(reason="runner_died"), R.INTERNAL, "internal.runner_died"),
        (Ended(reason="runner_died", oom_hint=True), R.OUT_OF_MEMORY, "out_of_memory.runner"),
        (Ended(reason="too_many_processes", signal=9), R.SCRIPT_FAILED, "script_failed.too_many_processes"),
        (
            Ended(reason="cannot_start", error_code="missing_program", error_subject="/opt/x"),
            R.MISSING_DRIVER,
            "missing_driver.interpreter",
        ),
        (
            Ended(reason="cannot_start", error_code="missing_cwd", error_subject="/gone"),
            R.CANNOT_START,
            "cannot_start.missing_cwd",
        ),
        (
            Ended(reason="cannot_start", error_code="too_long", error="Too long."),
            R.CANNOT_START,
            "cannot_start.too_long",
        ),
        (Ended(reason="cannot_start", error_code="os_error", error="Odd."), R.CANNOT_START, ""),
    ],
)
def test_an_end_has_its_cause(ended, code, key):
    cause = cause_of(ended, ROOMY)
    assert (cause.code, cause.key) == (code, key)
    assert bool(cause.text) == (code != R.NONE)


@pytest.mark.parametrize(
    ("told", "limit", "code", "key"),
    [
        ("memory", 64 * MEBIBYTE, R.OUT_OF_MEMORY, "out_of_memory.limit"),
        ("memory", None, R.OUT_OF_MEMORY, "out_of_memory.refused"),
        ("disk_full", None, R.DISK_FULL, "disk_full"),
        ("file_too_large", None, R.SCRIPT_FAILED, "script_failed.file_too_large"),
    ],
)
def test_what_the_script_itself_noted_counts(told, limit, code, key):
    ended = Ended(reason="exited", exit_code=2, peak_memory_bytes=50 * MEBIBYTE)
    cause = cause_of(ended, Surroundings(told=told, memory_limit=limit))
    assert (cause.code, cause.key) == (code, key)


def test_a_crash_says_what_the_signal_means():
    assert cause_of(Ended(reason="exited", signal=11), ROOMY).text == (
        "The script crashed: it used memory that is not its own (signal SIGSEGV)."
    )


def test_a_business_failure_on_a_full_disk_stays_one(tmp_path):
    with full_disk(tmp_path):
        given = Surroundings(folder=str(tmp_path))
        assert cause_of(Ended(reason="exited", exit_code=1), given).code == R.BUSINESS
        assert cause_of(Ended(reason="exited", exit_code=2), given).code == R.DISK_FULL


class full_disk:
    """A small file system, mounted for the test."""

    def __init__(self, folder, size="300k"):
        self.folder, self.size = str(folder), size

    def __enter__(self):
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small file system")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.folder], check=True)

    def __exit__(self, *error):
        subprocess.run(["umount", "-l", self.folder], check=True)


# --- with real scripts ---


@pytest.fixture
def worker(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.PORTAL_KILL_GRACE_SECONDS = 0.3
    made = Worker(name="t", queues=["default"], capacity=2)
    made.node = rows.node(capabilities=made.capabilities())
    yield made
    made.runners.close()


def run_of(worker, **job):
    run = rows.queued(rows.job(**{"retry": {"max": 0}, **job}))
    execute.work(worker, "default")
    run.refresh_from_db()
    return run


def cause(run):
    return run.status, run.reason_code, run.reason_args.get("key")


TECHNICAL = RunStatus.TECHNICAL_FAILURE
WANTS_MEMORY = "x = bytearray(512 * 2**20)"


@pytest.mark.django_db
def test_a_python_script_over_its_memory_limit_says_so(worker):
    job = rows.job(kind="python", script=WANTS_MEMORY, retry={"max": 0}, more={"memory_limit": 200})
    run = rows.queued(job)
    execute.work(worker, "default")
    run.refresh_from_db()
    assert cause(run) == (TECHNICAL, R.OUT_OF_MEMORY, "out_of_memory.limit")
    assert run.reason_args["limit"] == 200


@pytest.mark.django_db
def test_a_script_within_its_memory_limit_succeeds(worker):
    run = rows.queued(rows.job(kind="python", script="x = bytearray(2**20)", more={"memory_limit": 200}))
    execute.work(worker, "default")
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED


@pytest.mark.django_db
@pytest.mark.parametrize(
    "script",
    [
        "open('/dev/full', 'w', buffering=1).write('x\\n')",
        "try:\n    open('/dev/full', 'wb', buffering=0).write(b'x')\nexcept OSError as e:\n    raise ValueError from e",
    ],
)
def test_a_python_script_that_meets_a_full_disk_says_so(worker, script):
    assert cause(run_of(worker, kind="python", script=script)) == (TECHNICAL, R.DISK_FULL, "disk_full")


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["shell", "python"])
def test_a_full_disk_in_the_work_folder_is_named_with_what_is_free(worker, tmp_path, kind):
    scripts = {
        "shell": "head -c 5000000 /dev/zero > big",
        "python": "with open('big', 'wb') as f:\n    f.write(bytes(5_000_000))",
    }
    (tmp_path / "work").mkdir()
    with full_disk(tmp_path / "work"):
        run = run_of(worker, kind=kind, script=scripts[kind], exit_codes={"1": "technical_failure"})
        if kind == "shell":
            assert run.exit_code == 1  # head's own word: a script has to end with another code to be technical
            run = run_of(worker, slug="second", kind=kind, script=scripts[kind] + " || exit 3")
        assert cause(run) == (TECHNICAL, R.DISK_FULL, "disk_full")
        assert run.reason_args["kib"] < 1024


@pytest.mark.django_db
def test_a_worker_that_has_no_room_for_the_run_says_so_and_it_is_tried_again(worker, tmp_path):
    (tmp_path / "work").mkdir()
    with full_disk(tmp_path / "work"):
        (tmp_path / "work" / "filler").write_bytes(bytes(290 * 1024))
        run = run_of(worker, script="true # " + "x" * 50_000, retry={"max": 1, "base": "1h"})
        assert (run.status, run.wait_reason, run.reason_code) == (RunStatus.QUEUED, "retry_backoff", R.DISK_FULL)
        assert Attempt.objects.get(run=run).reason_args["key"] == "disk_full.prepare"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("script", "code", "key"),
    [
        ("kill -SEGV $$", R.SIGNAL, "signal.crash"),
        ("kill -9 $$", R.SIGNAL, "signal"),
        ("sh -c 'kill -9 $$'; exit $?", R.SCRIPT_FAILED, "script_failed.child_signal"),
        ("ulimit -f 8; exec head -c 100000 /dev/zero > big", R.SCRIPT_FAILED, "script_failed.file_too_large"),
        ("ulimit -S -t 1; while :; do :; done", R.SIGNAL, "signal.cpu_limit"),
    ],
)
def test_a_violent_end_has_its_cause(worker, script, code, key):
    assert cause(run_of(worker, script=script)) == (TECHNICAL, code, key)


@pytest.mark.django_db
def test_a_file_that_is_too_large_for_python_says_so(worker):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    script = limit + "with open('f', 'w') as file:\n    file.write('x' * 1000)"
    run = run_of(worker, kind="python", script=script)
    assert cause(run) == (TECHNICAL, R.SCRIPT_FAILED, "script_failed.file_too_large")


@pytest.mark.django_db
def test_memory_and_cpu_of_children_are_counted(worker):
    script = "python3 -c 'x = bytearray(300 * 2**20)\nfor _ in range(3_000_000): pass'"
    attempt = Attempt.objects.get(run=run_of(worker, script=script))
    assert (attempt.peak_memory_bytes or 0) > 300 * MEBIBYTE
    assert (attempt.cpu_seconds or 0) > 0.05


@pytest.mark.django_db
def test_a_fork_bomb_is_ended(worker, monkeypatch):
    monkeypatch.setattr("jobs.engine.scripts.PROCESS_LIMIT", 60)
    bomb = "while :; do sleep 60 & done"
    run = run_of(worker, script=bomb)
    assert cause(run) == (TECHNICAL, R.SCRIPT_FAILED, "script_failed.too_many_processes")
    assert run.reason_args["limit"] == 60


@pytest.mark.django_db
def test_a_script_that_was_only_counted_goes_on(worker, monkeypatch):
    """This host has more than three threads, so the count freezes the script for a moment."""
    monkeypatch.setattr("jobs.engine.scripts.PROCESS_LIMIT", 3)
    run = run_of(worker, script="sleep 2", timeout="30s")
    assert run.status == RunStatus.SUCCEEDED


@pytest.mark.django_db
@brings_about(R.OUT_OF_MEMORY)
def test_a_memory_limit_is_told_in_both_languages(worker):
    run_of(worker, kind="python", script=WANTS_MEMORY, more={"memory_limit": 200})


@pytest.mark.django_db
@brings_about(R.DISK_FULL)
def test_a_full_disk_is_told_in_both_languages(worker):
    run_of(worker, kind="python", script="with open('/dev/full', 'w') as file:\n    file.write('x')")


@pytest.mark.django_db
@brings_about(R.CANNOT_START)
def test_an_interpreter_that_is_no_program_is_told_in_both_languages(worker, tmp_path):
    program = tmp_path / "shell"
    program.write_text("no program")
    program.chmod(0o755)
    run_of(worker, more={"interpreter": str(program)})
