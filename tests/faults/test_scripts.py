"""Scripts that flood, hog, freeze and fork, and the processes that own them, killed one by one."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.runner import tree
from tests.stack import wait_for

pytestmark = [pytest.mark.stack]
faults = pytest.mark.faults
MEGABYTE = 1024 * 1024
MOST_GROWTH = 64 * MEGABYTE


def attempt_of(stack, run: int) -> tuple[str, str, str]:
    """Status, reason code and sentence of its first attempt."""
    [row] = stack.rows(f"SELECT status, reason_code, reason FROM jobs_attempt WHERE run_id = {run} AND number = 1")
    status, code, words = row
    return status, code, words


def owners(stack) -> tuple[int, int]:
    """The zygote and the runner of the one script that runs."""
    worker = stack.processes["w1"].pid

    def found() -> tuple[int, int] | None:
        below = tree.descendants(worker)
        zygotes = [each.pid for each in below if each.parent == worker and b"zygote.py" in tree.command_of(each.pid)]
        runners = [each.pid for each in below if each.parent in zygotes]
        return (zygotes[0], runners[0]) if runners else None

    pair: tuple[int, int] = wait_for(found, "the runner")
    return pair


# --- the processes that own a script ---


def test_a_runner_that_is_killed_takes_its_own_script_along_and_no_other(stack, witness):
    stack.add_jobs(witness.job("first", 60, retry={"max": 0}), witness.job("second", 4), witness.job("third"))
    stack.start_worker()
    [first] = stack.request("first")
    wait_for(witness.starts, "the first script")
    _, runner = owners(stack)
    [second] = stack.request("second")
    wait_for(lambda: len(witness.starts()) == 2, "the second script")
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: stack.status_of(first) == "technical_failure", "the end of the first")
    assert attempt_of(stack, first) == (
        "technical_failure",
        "internal",
        "The process that owned the script was killed from outside; the script was ended with it.",
    )
    [third] = stack.request("third")
    wait_for(lambda: [stack.status_of(run) for run in (second, third)] == ["succeeded"] * 2, "the others")


def test_a_zygote_that_is_killed_ends_no_script_and_is_replaced(stack, witness):
    stack.add_jobs(witness.job("long", 4), witness.job("short"))
    stack.start_worker()
    [long] = stack.request("long")
    wait_for(witness.starts, "the script")
    zygote, _ = owners(stack)
    os.kill(zygote, signal.SIGKILL)
    [short] = stack.request("short")
    wait_for(lambda: [stack.status_of(run) for run in (long, short)] == ["succeeded"] * 2, "both runs")
    assert tree.look(zygote) is None


@faults
def test_zygote_and_runner_killed_together_end_the_attempt_with_a_cause(stack, witness):
    stack.add_jobs(witness.job("long", 3, retry={"max": 1, "base": "1s"}))
    stack.start_worker()
    stack.start_beat()
    [run] = stack.request("long")
    wait_for(witness.starts, "the script")
    for pid in owners(stack):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: stack.status_of(run) == "succeeded", "the second attempt")
    assert attempt_of(stack, run)[:2] == ("technical_failure", "internal")


@faults
@pytest.mark.environ(PORTAL_HEARTBEAT_SECONDS="2")
def test_a_frozen_runner_is_woken_and_its_script_keeps_the_time_limit(stack, witness):
    stack.add_jobs(witness.job("long", 120, timeout="4s", retry={"max": 0}))
    stack.start_worker()
    [run] = stack.request("long")
    wait_for(witness.starts, "the script")
    os.kill(owners(stack)[1], signal.SIGSTOP)
    wait_for(lambda: stack.status_of(run) == "timed_out", "its end")


@faults
def test_a_frozen_script_ends_at_its_time_limit(stack, witness):
    stack.add_jobs(witness.job("frozen", body="kill -STOP $$", timeout="3s", retry={"max": 0}))
    stack.start_worker()
    [run] = stack.request("frozen")
    wait_for(lambda: stack.status_of(run) == "timed_out", "its end")


@faults
@pytest.mark.environ(PORTAL_LEASE_SECONDS="12", PORTAL_HEARTBEAT_SECONDS="2", PORTAL_SWEEP_SECONDS="1")
def test_the_script_of_a_frozen_worker_is_dead_before_the_next_attempt_starts(stack, witness):
    """It is deaf and has left its session; the witness says `overlap` if both lived."""
    deaf = "trap '' TERM\n(setsid sh -c \"trap '' TERM; sleep 120\" &) >/dev/null 2>&1\nsleep 6"
    stack.add_jobs(witness.job("deaf", body=deaf))
    stack.start_worker("w1")
    [run] = stack.request("deaf")
    wait_for(witness.starts, "the script")
    stack.pause("w1")
    stack.start_worker("w2")
    wait_for(lambda: len(witness.starts()) == 2, "the second attempt", seconds=90)
    first, second = (line.at for line in witness.lines() if line.word == "start")
    assert second - first >= 12
    assert "overlap" not in {line.word for line in witness.lines()}
    wait_for(lambda: stack.status_of(run) == "succeeded", "its end")
    stack.resume("w1")


@faults
def test_cancel_against_finish_a_hundred_times_ends_each_run_once(stack, witness):
    stack.add_jobs(witness.job("brief", overlap="allow", overlap_limit=100))
    stack.start_worker(slots=4)
    code = """
import random, time
from jobs.models import Job, Run
from jobs.runs import cancel_run, create_run
job, dice = Job.objects.get(slug="brief"), random.Random(7)
for _ in range(100):
    run = create_run(job, origin="manual")
    time.sleep(dice.uniform(0, 0.2))
    cancel_run(Run.objects.get(pk=run.pk), actor=None)
"""
    stack.shell(code, timeout=300)
    wait_for(stack.is_quiet, "quiet", seconds=120)
    ended = dict(stack.rows("SELECT status, count(*) FROM jobs_run GROUP BY status"))
    assert sum(ended.values()) == 100
    assert set(ended) == {"succeeded", "cancelled"}  # both sides won now and then
    twice = (
        "SELECT run_id FROM jobs_runevent WHERE new IN ('succeeded', 'cancelled') GROUP BY run_id HAVING count(*) > 1"
    )
    assert stack.rows(twice) == []
    mixed = (
        "SELECT a.run_id FROM jobs_attempt a JOIN jobs_run r ON r.id = a.run_id"
        " WHERE r.status = 'cancelled' AND a.status NOT IN ('cancelled', 'released')"
    )
    assert stack.rows(mixed) == []


# --- what scripts do ---

FLOODS = {
    "endless line": "head -c {size} /dev/zero | tr '\\0' x",
    "invalid UTF-8": "head -c {size} /dev/zero | tr '\\0' '\\377'",
    "NULs": "head -c {size} /dev/zero",
    "short lines": "yes | head -c {size}",
    "both streams": "yes out | head -c {half} & yes err | head -c {half} >&2; wait",
}


def flood(stack, name: str, size: int) -> None:
    """The worker's memory, heartbeats and log stay in bounds while the script floods."""
    script = FLOODS[name].format(size=size, half=size // 2)
    stack.add_jobs(
        {"slug": "flood", "kind": "shell", "params": {"script": script}},
        {"slug": "quiet", "kind": "shell", "params": {"script": "echo hello"}},
    )
    worker = stack.start_worker()
    [quiet] = stack.request("quiet")
    wait_for(lambda: stack.status_of(quiet) == "succeeded", "the worker's first run")
    before = status_bytes(worker.pid, "VmRSS")
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5")
    [run] = stack.request("flood")
    beats = set()

    def is_over() -> bool:
        beats.add(str(stack.value("SELECT max(last_seen_at) FROM jobs_workernode")))
        return bool(stack.status_of(run) == "succeeded")

    began = time.monotonic()
    wait_for(is_over, "the end of the flood", seconds=300)
    took = time.monotonic() - began
    assert status_bytes(worker.pid, "VmHWM") - before <= MOST_GROWTH
    assert len(beats) >= took / 5 / 2  # one each second: the machine may be slow, not silent
    [(log_bytes, is_cut)] = stack.rows(f"SELECT log_bytes, log_truncated FROM jobs_attempt WHERE run_id = {run}")
    assert (0 < log_bytes <= 10 * MEGABYTE, bool(is_cut)) == (True, True)
    last = stack.value(
        "SELECT text FROM jobs_logchunk c JOIN jobs_attempt a ON a.id = c.attempt_id"
        f" WHERE a.run_id = {run} AND stream = 'system' ORDER BY seq DESC LIMIT 1"
    )
    assert "cut" in last


def status_bytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def test_a_flood_costs_the_worker_little(stack):
    flood(stack, "endless line", 64 * MEGABYTE)


@faults
@pytest.mark.parametrize("name", FLOODS)
def test_a_gigabyte_of_output_costs_the_worker_little(stack, name):
    flood(stack, name, 1024 * MEGABYTE)


@faults
def test_a_fork_bomb_ends_before_it_takes_the_machine(stack):
    # Bounded, unlike a real one: a real one starved the whole machine for a minute before the cap bit.
    branch = "( for i in $(seq 800); do setsid sleep 300 & done; wait ) &"
    bomb = f"{branch}\n{branch}\n{branch}\nsleep 300"
    stack.add_jobs(
        {"slug": "bomb", "kind": "shell", "params": {"script": bomb}, "retry": {"max": 0}},
        {"slug": "quiet", "kind": "shell", "params": {"script": "echo hello"}},
    )
    worker = stack.start_worker()
    [run] = stack.request("bomb")
    wait_for(lambda: stack.status_of(run) == "technical_failure", "its end", seconds=120)
    assert "processes at once" in attempt_of(stack, run)[2]
    wait_for(lambda: not [each for each in tree.descendants(worker.pid) if is_sleep(each.pid)], "the end of its tree")
    [quiet] = stack.request("quiet")
    wait_for(lambda: stack.status_of(quiet) == "succeeded", "the worker's next run")


def is_sleep(pid: int) -> bool:
    return tree.command_of(pid).startswith(b"sleep")


@contextmanager
def memory_cage(pid: int, size: int) -> Iterator[None]:
    """A control group that holds a worker, and in it all it starts. Its processes have ended when it is taken away."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        cage = Path(root, f"portal-test-{os.getpid()}")
        try:
            cage.mkdir()
        except OSError:
            continue
        try:
            if (cage / limit).exists():
                (cage / limit).write_text(str(size))
                (cage / "cgroup.procs").write_text(str(pid))
                yield
                return
        finally:
            wait_for(functools.partial(removed, cage), "the end of the control group")
    pytest.skip("no memory control group can be made here")


def removed(cage: Path) -> bool:
    for pid in (cage / "cgroup.procs").read_text().split():
        (cage.parent / "cgroup.procs").write_text(pid)
    try:
        cage.rmdir()
    except OSError:
        return False
    return True


def has_failed(stack, run: int) -> bool:
    return bool(stack.status_of(run) == "technical_failure")


@faults
def test_a_memory_hog_is_ended_by_the_kernel_and_the_worker_goes_on(stack):
    hog = "kept = [bytearray(2**20) for _ in range(4096)]"
    shell = "python3 -c 'kept = [bytearray(2**20) for _ in range(4096)]'"
    stack.add_jobs(
        {"slug": "hog", "kind": "python", "params": {"script": hog}, "retry": {"max": 0}},
        {"slug": "child", "kind": "shell", "params": {"script": shell + "; exit $?"}, "retry": {"max": 0}},
        {"slug": "quiet", "kind": "shell", "params": {"script": "echo hello"}},
    )
    worker = stack.start_worker()
    wait_for(lambda: stack.value("SELECT count(*) FROM jobs_workernode"), "the worker")
    with memory_cage(worker.pid, 500 * MEGABYTE):
        for slug in ("hog", "child"):
            [run] = stack.request(slug)
            wait_for(functools.partial(has_failed, stack, run), "its end", seconds=120)
            status, code, words = attempt_of(stack, run)
            assert (status, code) == ("technical_failure", "out_of_memory"), words
            peak = stack.value(f"SELECT peak_memory_bytes FROM jobs_attempt WHERE run_id = {run}")
            assert 100 * MEGABYTE < peak < 500 * MEGABYTE
        [quiet] = stack.request("quiet")
        wait_for(lambda: stack.status_of(quiet) == "succeeded", "the worker's next run")
    assert worker.poll() is None
