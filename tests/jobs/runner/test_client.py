"""Zygotes and runners die, many threads spawn at once, workers vanish: the client copes."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.runner import tree
from jobs.runner.client import RunnerPool
from jobs.runner.spec import RunnerSpec, RunnerUnavailable
from tests.jobs.runner.attempts import MARK, Attempts, eventually, marked

ROOT = Path(__file__).parents[3]

# A worker that starts one attempt and goes on reading it.
WORKER = f"""
import sys, time
from jobs.runner.client import RunnerPool
from jobs.runner.spec import RunnerSpec
handle = RunnerPool().spawn(RunnerSpec(
    argv=("sh", "-c", "trap '' TERM; setsid sleep 60 & echo ready; sleep 60"),
    env={{"PATH": "/usr/bin:/bin", "{MARK}": sys.argv[1]}}, cwd="/",
    lease_deadline=time.monotonic() + 60, kill_grace=0.2))
for event in handle.events():
    print(event, flush=True)
"""


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_gone(pid: int) -> bool:
    return tree.look(pid) is None


def test_fifty_spawns_at_once_all_run(attempts: Attempts) -> None:
    def one(number: int) -> str:
        attempt = attempts.shell(f"echo {number}; exit {number}")
        assert attempt.end().exit_code == number
        return attempt.text("stdout")

    with ThreadPoolExecutor(50) as threads:
        assert list(threads.map(one, range(50))) == [f"{number}\n" for number in range(50)]


def test_spawns_share_one_zygote(attempts: Attempts) -> None:
    first, second = attempts.start("sleep", "60"), attempts.start("sleep", "60")
    assert parent(first.handle.pid) == parent(second.handle.pid)
    for attempt in (first, second):
        attempt.handle.cancel()
        attempt.end()


def test_zygote_that_was_killed_is_replaced(attempts: Attempts) -> None:
    attempt = attempts.start("sleep", "60")
    zygote = parent(attempt.handle.pid)
    os.kill(zygote, signal.SIGKILL)
    assert attempts.shell("exit 5").end().exit_code == 5
    assert eventually(lambda: is_gone(zygote))
    attempt.handle.cancel()
    attempt.end()


def test_attempt_whose_zygote_was_killed_ends_properly(attempts: Attempts) -> None:
    attempt = attempts.shell("setsid sleep 60 >/dev/null 2>&1 & echo ready; sleep 0.3; echo finished", timeout=20)
    attempt.read_until("ready")
    os.kill(parent(attempt.handle.pid), signal.SIGKILL)
    ended = attempt.end()
    assert (ended.reason, ended.exit_code, ended.leftover_count) == ("exited", 0, 1)
    assert attempt.text("stdout") == "ready\nfinished\n"
    assert attempt.processes() == []


def test_script_dies_with_its_runner_even_without_a_zygote(attempts: Attempts) -> None:
    attempt = attempts.start("sleep", "60")
    script = attempt.read_start().pid
    zygote = parent(attempt.handle.pid)
    os.kill(zygote, signal.SIGKILL)
    assert eventually(lambda: is_gone(zygote))
    os.kill(attempt.handle.pid, signal.SIGKILL)
    assert eventually(lambda: is_gone(script), seconds=2)
    assert attempt.end().reason == "runner_died"


def test_zygote_that_is_frozen_is_replaced(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.runner.client.ANSWER_SECONDS", 0.5)
    attempt = attempts.start("sleep", "60")
    os.kill(parent(attempt.handle.pid), signal.SIGSTOP)
    assert attempts.shell("exit 6").end().exit_code == 6
    attempt.handle.cancel()
    assert attempt.end().reason == "cancelled"


def test_zygotes_killed_all_the_time_lose_no_attempt(attempts: Attempts) -> None:
    over = threading.Event()

    def disturb(attempt_pid: int) -> None:
        os.kill(parent(attempt_pid), signal.SIGKILL)

    def one(number: int) -> int | None:
        attempt = attempts.shell(f"sleep 0.05; exit {number}")
        if number % 5 == 0:
            try:
                disturb(attempt.handle.pid)
            except (OSError, ProcessLookupError):
                over.set()
        return attempt.end().exit_code

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(one, range(20))) == list(range(20))


def test_zygote_survives_the_runners_it_lost(attempts: Attempts) -> None:
    attempt = attempts.start("sleep", "60")
    zygote = parent(attempt.handle.pid)
    os.kill(attempt.handle.pid, signal.SIGKILL)
    assert attempt.end().reason == "runner_died"
    other = attempts.start("sleep", "60")
    assert parent(other.handle.pid) == zygote
    other.handle.cancel()
    other.end()


def test_orphans_of_one_runner_are_killed_and_the_other_runner_is_not_touched(attempts: Attempts) -> None:
    kept = attempts.shell("setsid sleep 60 & echo ready; sleep 60")
    kept.read_until("ready")
    lost = attempts.shell("setsid sleep 60 & setsid sleep 60 & echo ready; sleep 60")
    lost.read_until("ready")
    os.kill(lost.handle.pid, signal.SIGKILL)
    assert lost.end().reason == "runner_died"
    assert lost.processes() == []
    assert len(kept.processes()) == 3
    kept.handle.cancel()
    assert kept.end().reason == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_worker_that_dies_takes_script_runner_and_zygote_along(tmp_path: Path, number: signal.Signals) -> None:
    mark = os.urandom(8).hex()
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, mark], cwd=ROOT, stdout=subprocess.PIPE, text=True, env={"PATH": ""}
    )
    assert worker.stdout is not None
    with worker.stdout:
        while "ready" not in worker.stdout.readline():
            assert worker.poll() is None
        script = next(pid for pid in marked(mark))
        runner = parent(script)
        zygote = parent(runner)
        worker.send_signal(number)
        worker.wait()
    assert eventually(lambda: marked(mark) == [], seconds=6)
    assert eventually(lambda: is_gone(runner) and is_gone(zygote))


def test_thread_that_spawned_may_end(attempts: Attempts) -> None:
    started = []
    thread = threading.Thread(target=lambda: started.append(attempts.shell("sleep 0.3; exit 4")))
    thread.start()
    thread.join()
    assert started[0].end().exit_code == 4


def test_closed_pool_starts_nothing_and_finishes_what_runs(attempts: Attempts) -> None:
    attempt = attempts.shell("sleep 0.2; exit 9")
    attempts.pool.close()
    with pytest.raises(RunnerUnavailable):
        attempts.shell("exit 0")
    assert attempt.end().exit_code == 9


def test_words_to_an_attempt_that_is_over_do_nothing(attempts: Attempts) -> None:
    attempt = attempts.shell("exit 0")
    attempt.end()
    attempt.handle.extend(time.monotonic() + 5)
    attempt.handle.cancel()
    attempt.handle.give_up()


def test_runner_needs_no_django() -> None:
    pool = RunnerPool()
    spec = RunnerSpec(argv=("sleep", "60"), env={}, cwd="/", lease_deadline=time.monotonic() + 30)
    handle = pool.spawn(spec)
    mapped = Path(f"/proc/{handle.pid}/cmdline").read_bytes().split(b"\0")
    assert mapped[1:3] == [b"-I", b"-S"]  # site-packages are out of its reach, and so is Django
    handle.cancel()
    list(handle.events())
    pool.close()


def test_spawn_latency_is_printed(attempts: Attempts, capsys: pytest.CaptureFixture[str]) -> None:
    spawns, lines = [], []
    for _ in range(20):
        before = time.perf_counter()
        attempt = attempts.start("/bin/echo", "hello")
        spawns.append(time.perf_counter() - before)
        attempt.read_until("hello")
        lines.append(time.perf_counter() - before)
        attempt.end()
    with capsys.disabled():
        spawn, line = (statistics.median(times) * 1000 for times in (spawns, lines))
        print(f"\nrunner: spawned after {spawn:.1f} ms, first line after {line:.1f} ms (medians of 20)")
