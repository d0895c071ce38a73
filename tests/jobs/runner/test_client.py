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


def test_a_runner_serves_one_attempt_after_another(attempts: Attempts) -> None:
    pids = set()
    for number in range(3):
        attempt = attempts.shell(f"exit {number}")
        assert attempt.end().exit_code == number
        pids.add(attempt.handle.pid)
    assert len(pids) == 1


def test_a_runner_never_owns_two_scripts_at_a_time(attempts: Attempts) -> None:
    first, second = attempts.start("sleep", "60"), attempts.start("sleep", "60")
    assert first.handle.pid != second.handle.pid
    assert eventually(lambda: len(second.processes()) == 1)  # its exec may still be under way
    os.kill(first.handle.pid, signal.SIGKILL)
    assert first.end().reason == "runner_died"
    assert len(second.processes()) == 1
    second.handle.cancel()
    assert second.end().reason == "cancelled"


def test_nothing_of_an_attempt_reaches_the_next_one_of_its_runner(attempts: Attempts, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    first = attempts.shell(
        "umask 0; ulimit -v; exec 9>kept; echo $ONLY_HERE",
        cwd=str(inner),
        env={"PATH": os.environ["PATH"], "ONLY_HERE": "secret"},
        memory_limit=2**30,
        file_size_limit=10**6,
    )
    first.end()
    second = attempts.shell('pwd; umask; ulimit -v; ulimit -f; echo "[$ONLY_HERE]"; ls /proc/self/fd')
    ended = second.end()
    assert first.handle.pid == second.handle.pid
    words = second.text("stdout").split()
    assert words == [str(tmp_path), "0077", "unlimited", "unlimited", "[]", "0", "1", "2", "3"]
    assert ended.peak_memory_bytes < 2**28


def test_figures_are_of_the_one_attempt(attempts: Attempts) -> None:
    heavy = attempts.python("b = bytearray(200 * 2**20)\nfor _ in range(3_000_000): pass").end()
    light = attempts.shell(":").end()
    assert heavy.peak_memory_bytes > 200 * 2**20 > 4 * light.peak_memory_bytes
    assert heavy.cpu_seconds > light.cpu_seconds


def test_words_that_come_too_late_do_not_reach_the_next_attempt(attempts: Attempts) -> None:
    first = attempts.shell("exit 0")
    first.end()
    second = attempts.shell("sleep 0.3; exit 3")
    first.handle.cancel()
    first.handle.give_up()
    first.handle.extend(time.monotonic() + 1)
    assert (first.handle.pid, second.end().exit_code) == (second.handle.pid, 3)


def test_cancel_that_crosses_the_end_is_not_the_next_attempts(attempts: Attempts) -> None:
    for _ in range(30):
        attempt = attempts.shell("exit 0")
        attempt.handle.cancel()
        assert attempt.end().reason in ("exited", "cancelled")
        assert attempts.shell("exit 4").end().exit_code == 4


def test_a_waiting_runner_that_was_killed_is_replaced(attempts: Attempts) -> None:
    first = attempts.shell("exit 0")
    first.end()
    os.kill(first.handle.pid, signal.SIGKILL)
    assert eventually(lambda: is_gone(first.handle.pid))
    assert attempts.shell("exit 5").end().exit_code == 5


def test_waiting_runners_go_with_their_zygote(attempts: Attempts) -> None:
    first = attempts.shell("exit 0")
    zygote = parent(first.handle.pid)
    first.end()
    os.kill(zygote, signal.SIGKILL)
    assert eventually(lambda: is_gone(zygote))
    second = attempts.shell("exit 5")
    assert second.end().exit_code == 5
    assert second.handle.pid != first.handle.pid
    assert eventually(lambda: is_gone(first.handle.pid))


def test_waiting_runners_retire(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = attempts.shell("exit 0")
    attempt.end()
    attempts.pool.retire_idle()
    assert not is_gone(attempt.handle.pid)
    monkeypatch.setattr("jobs.runner.client.IDLE_SECONDS", 0)
    attempts.pool.retire_idle()
    assert eventually(lambda: is_gone(attempt.handle.pid))


def test_a_runner_that_has_served_enough_is_replaced(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.runner.client.MOST_ATTEMPTS", 2)
    pids = []
    for _ in range(3):
        attempt = attempts.shell("exit 0")
        attempt.end()
        pids.append(attempt.handle.pid)
    assert pids[0] == pids[1] != pids[2]


@pytest.mark.parametrize("wait", ["", "sleep 0.3; "])
def test_a_frozen_runner_is_woken_and_keeps_the_time_limit(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    monkeypatch.setattr("jobs.runner.connection.LOOK_SECONDS", 0.3)
    attempt = attempts.shell(f"{wait}sleep 60", timeout=0.5)
    os.kill(attempt.handle.pid, signal.SIGSTOP)
    assert attempt.end().reason == "timeout"
    assert attempt.processes() == []


def test_a_cancel_wakes_a_frozen_runner_at_once(attempts: Attempts) -> None:
    attempt = attempts.start("sleep", "60")
    attempt.read_start()
    os.kill(attempt.handle.pid, signal.SIGSTOP)
    attempt.handle.cancel()
    assert attempt.end().reason == "cancelled"


def test_a_runner_that_is_frozen_again_and_again_is_killed(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.runner.connection.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("jobs.runner.connection.MOST_WAKES", 0)
    attempt = attempts.start("sleep", "60")
    attempt.read_start()
    os.kill(attempt.handle.pid, signal.SIGSTOP)
    assert attempt.end().reason == "runner_died"
    assert attempt.processes() == []
