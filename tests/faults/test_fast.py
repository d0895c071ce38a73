"""Faults with real processes, killed by pid. Scripts leave a witness line at their start and end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stack import Stack, wait_for

pytestmark = pytest.mark.stack

WITNESS = """
import os, time
def say(word):
    with open({path!r}, "a") as file:
        file.write(f"{{word}} {{os.environ['PORTAL_RUN_ID']}} {{os.environ['PORTAL_ATTEMPT']}} {{time.monotonic()}}\\n")
say("start")
time.sleep({seconds})
say("end")
"""


@pytest.fixture
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder) as made:
        yield made


def witness_job(stack: Stack, slug: str, seconds: float, **fields: object) -> Path:
    path = stack.folder / f"{slug}.witness"
    script = WITNESS.format(path=str(path), seconds=seconds)
    stack.add_jobs({"slug": slug, "kind": "python", "params": {"script": script}, **fields})
    return path


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def test_a_worker_killed_in_mid_run_is_replaced_and_one_script_lives_at_a_time(stack):
    witness = witness_job(stack, "long", 4)
    stack.start_worker()
    run = stack.run_job("demo/long")[1]["run"]
    wait_for(lambda: lines(witness), "the script's first line")
    stack.kill("w1")
    wait_for(lambda: not script_pids("long.witness"), "the end of the orphaned script", seconds=15)
    assert [line[0] for line in lines(witness)] == ["start"]
    stack.start_worker()
    wait_for(lambda: stack.status_of(run) == "succeeded", "the second attempt")
    assert [(line[0], line[2]) for line in lines(witness)] == [("start", "1"), ("start", "2"), ("end", "2")]
    stack.check_ledger()


def test_two_beats_fire_every_moment_once(stack):
    witness = witness_job(stack, "often", 0, every="1s", overlap="allow", overlap_limit=50)
    stack.start_worker()
    stack.start_beat("beat1")
    stack.start_beat("beat2")
    wait_for(lambda: len(lines(witness)) >= 12, "a few fire times")
    stack.stop("beat1")
    stack.stop("beat2")
    wait_for(lambda: active_count(stack) == 0, "quiet")
    runs = [line[1] for line in lines(witness) if line[0] == "start"]
    assert len(runs) == len(set(runs))
    stack.check_ledger()


def test_runs_survive_a_broker_that_forgets_everything(stack):
    witness = witness_job(stack, "queued", 0, overlap="allow", overlap_limit=50)
    for _ in range(5):
        stack.run_job("demo/queued")
    flush = "import redis, os; redis.Redis.from_url(os.environ['CELERY_BROKER_URL']).flushall()"
    stack.shell(flush)
    stack.start_worker()
    wait_for(lambda: len(lines(witness)) == 10, "all five runs")
    stack.check_ledger()


def test_a_draining_worker_gives_its_run_back_and_burns_no_try(stack):
    witness_job(stack, "long", 30)
    stack.start_worker()
    run = stack.run_job("demo/long")[1]["run"]
    wait_for(lambda: stack.status_of(run) == "running", "the start")
    stack.stop("w1")
    assert stack.status_of(run) == "queued"
    assert stack.value(f"SELECT tries_used + lost_count FROM jobs_run WHERE id = {run}") == 0
    stack.check_ledger()


def test_a_script_that_ignores_term_and_leaves_a_daemon_is_gone_after_its_timeout(stack):
    script = "trap '' TERM\nsetsid sleep 4711 &\nsleep 4711 & wait; sleep 4711"
    stack.add_jobs(
        {"slug": "stubborn", "kind": "shell", "params": {"script": script}, "timeout": "1s", "retry": {"max": 0}}
    )
    stack.start_worker()
    code, facts = stack.run_job("demo/stubborn", "--wait")
    assert (code, facts["status"]) == (2, "timed_out")
    wait_for(lambda: not script_pids("4711"), "the end of every process", seconds=15)


def test_forged_bells_do_nothing(stack):
    witness = witness_job(stack, "quiet", 0)
    stack.start_worker()
    forge = """
from celery import current_app
import portal.celery
for body in (["default"], ["other"], [{"a": 1}], [], ["default", "x"], [None]):
    for _ in range(20):
        current_app.send_task("jobs.work", args=body, queue="default")
"""
    stack.shell(forge)
    code, facts = stack.run_job("demo/quiet", "--wait")
    assert (code, facts["status"]) == (0, "succeeded")
    assert len(lines(witness)) == 2


def active_count(stack: Stack) -> int:
    return int(stack.value("SELECT count(*) FROM jobs_run WHERE status IN ('queued', 'running')"))


def script_pids(mark: str) -> list[int]:
    """Processes whose command line or script file holds the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            folder = (entry / "cwd").readlink()
        except OSError:
            continue
        if mark in command or (mark.endswith(".witness") and folder.parent.name == "work" and "script.py" in command):
            found.append(int(entry.name))
    return found


def test_the_json_of_run_job_is_the_published_contract(stack):
    stack.add_jobs({"slug": "raises", "kind": "python", "params": {"script": "raise ValueError('boom')"},
                    "retry": {"max": 1, "backoff": "fixed", "base": "1s"}})  # fmt: skip
    stack.start_worker()
    stack.start_beat()
    code, facts = stack.run_job("demo/raises", "--wait")
    assert code == 2
    wanted = {"run", "status", "exit_code", "attempts", "outputs", "reason_code", "reason"}
    assert set(facts) == wanted, json.dumps(facts)
    assert [attempt["status"] for attempt in facts["attempts"]] == ["technical_failure"] * 2
