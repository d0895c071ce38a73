"""The fast subset: faults with real processes, killed by pid. The checker runs after each test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stack import wait_for

pytestmark = pytest.mark.stack


def test_a_worker_killed_in_mid_run_is_replaced_and_one_script_lives_at_a_time(stack, witness):
    stack.add_jobs(witness.job("long", 3))
    stack.start_worker()
    [run] = stack.request("long")
    wait_for(witness.starts, "the script's first line")
    stack.kill("w1")
    stack.start_worker()
    wait_for(lambda: stack.status_of(run) == "succeeded", "the second attempt")
    assert witness.words(run) == [("start", 1), ("start", 2), ("end", 2)]


def test_two_beats_fire_every_moment_once(stack, witness):
    stack.add_jobs(witness.job("often", every="1s", overlap="allow", overlap_limit=50))
    stack.start_worker()
    stack.start_beat("beat1")
    stack.start_beat("beat2")
    wait_for(lambda: len(witness.starts()) >= 6, "a few fire times")
    assert len(witness.starts()) == len(set(witness.starts()))


def test_runs_survive_a_broker_that_forgets_everything(stack, witness):
    stack.add_jobs(witness.job("queued", overlap="allow", overlap_limit=50))
    runs = stack.request("queued", 20)
    stack.place.broker.forget()
    stack.start_worker()
    wait_for(stack.is_quiet, "all runs")
    assert sorted(witness.starts()) == sorted(runs)


def test_a_draining_worker_gives_its_run_back_and_burns_no_try(stack, witness):
    stack.add_jobs(witness.job("long", 6))
    stack.start_worker()
    [run] = stack.request("long")
    wait_for(witness.starts, "the start")
    stack.stop("w1")
    assert stack.status_of(run) == "queued"
    assert stack.value(f"SELECT tries_used + lost_count FROM jobs_run WHERE id = {run}") == 0


def test_a_script_that_ignores_term_and_leaves_a_daemon_is_gone_after_its_timeout(stack):
    script = "trap '' TERM\nsetsid sleep 4711 &\nsleep 4711 & wait; sleep 4711"
    stack.add_jobs(
        {"slug": "stubborn", "kind": "shell", "params": {"script": script}, "timeout": "1s", "retry": {"max": 0}}
    )
    stack.start_worker()
    code, facts = stack.run_job("demo/stubborn", "--wait")
    assert (code, facts["status"]) == (2, "timed_out")
    assert not pids_of("sleep", "4711")


def pids_of(*command: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            continue
        if words == list(command):
            found.append(int(path.parent.name))
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
