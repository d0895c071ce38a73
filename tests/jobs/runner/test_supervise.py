"""A runner owns its script from the first instruction to the last descendant. Real processes throughout."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.jobs.runner.attempts import Attempts, eventually, marked, status_line

DEAF_WITH_DAEMON = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        time.sleep(60)
    os._exit(0)
os.wait()
print("ready")
time.sleep(60)
"""

# Ends well at once and leaves a daemon that has left session, group and pipes.
LEAVES_A_DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        time.sleep(60)
    os._exit(0)
os.wait()
"""

# Every process forks its successor and ends: whoever looks finds only the one before.
RUNS_AWAY = """
import os
print("ready")
while True:
    if os.fork(): os._exit(0)
"""


@pytest.mark.parametrize("code", [0, 1, 2, 3, 127, 255])
def test_exit_code_is_reported(attempts: Attempts, code: int) -> None:
    ended = attempts.shell(f"exit {code}").end()
    assert (ended.reason, ended.exit_code, ended.signal) == ("exited", code, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGINT])
def test_signal_is_reported(attempts: Attempts, number: signal.Signals) -> None:
    ended = attempts.shell(f"kill -{number.value} $$").end()
    assert (ended.reason, ended.exit_code, ended.signal) == ("exited", None, number)


def test_kill_from_outside_without_memory_trouble_is_no_oom(attempts: Attempts) -> None:
    assert not attempts.shell("kill -9 $$").end().oom_hint


def test_script_starts_with_default_signals(attempts: Attempts) -> None:
    attempt = attempts.shell("grep -E 'Sig(Ign|Blk)' /proc/self/status")
    attempt.end()
    internal = 0b11 << 31  # 32 and 33 are glibc's own; whoever was started by posix_spawn (make) has them ignored
    masks = [int(word, 16) & ~internal for word in attempt.text("stdout").split()[1::2]]
    assert masks == [0, 0]


def test_times_and_figures_are_reported(attempts: Attempts) -> None:
    before = time.monotonic()
    ended = attempts.python("b = bytearray(64 * 2**20); import time; time.sleep(0.2); print('x' * 9)").end()
    assert ended.started_monotonic is not None
    assert ended.ended_monotonic is not None
    assert before < ended.started_monotonic < ended.ended_monotonic - 0.2
    assert ended.started_at is not None
    assert ended.started_at.tzinfo is not None
    assert ended.peak_memory_bytes > 64 * 2**20
    assert ended.cpu_seconds > 0
    assert (ended.output_bytes, ended.dropped_bytes, ended.truncated) == (10, 0, False)


def test_timeout_terminates_a_script_that_listens(attempts: Attempts) -> None:
    ended = attempts.start("sleep", "60", timeout=0.2, kill_grace=10).end()
    assert (ended.reason, ended.signal, ended.leftover_count) == ("timeout", signal.SIGTERM, 0)


def test_timeout_kills_a_deaf_script_and_its_daemon(attempts: Attempts) -> None:
    attempt = attempts.python(DEAF_WITH_DAEMON, timeout=0.6)
    attempt.read_until("ready")
    assert len(attempt.processes()) == 2
    ended = attempt.end()
    assert (ended.reason, ended.signal, ended.leftover_count) == ("timeout", signal.SIGKILL, 1)
    assert attempt.processes() == []


def test_script_may_use_its_grace(attempts: Attempts) -> None:
    attempt = attempts.shell("trap 'echo tidied; exit 7' TERM; echo ready; sleep 60 & wait", timeout=0.3, kill_grace=5)
    ended = attempt.end()
    assert (ended.reason, ended.exit_code, attempt.text("stdout")) == ("timeout", 7, "ready\ntidied\n")
    assert attempt.processes() == []


def test_frozen_script_may_use_its_grace_too(attempts: Attempts) -> None:
    attempt = attempts.shell("trap 'echo tidied; exit 7' TERM; kill -STOP $$; sleep 60", timeout=0.3, kill_grace=5)
    ended = attempt.end()
    assert (ended.reason, ended.exit_code, attempt.text("stdout")) == ("timeout", 7, "tidied\n")


def test_frozen_and_deaf_script_is_killed(attempts: Attempts) -> None:
    attempt = attempts.shell("trap '' TERM; while :; do kill -STOP $$; done", timeout=0.3)
    assert attempt.end().signal == signal.SIGKILL
    assert attempt.processes() == []


def test_frozen_descendant_in_its_own_session_is_killed(attempts: Attempts) -> None:
    attempt = attempts.shell("setsid sh -c 'kill -STOP $$' & sleep 60", timeout=0.3)
    assert attempt.end().reason == "timeout"
    assert attempt.processes() == []


def test_daemon_left_by_a_successful_script_is_killed(attempts: Attempts) -> None:
    attempt = attempts.python(LEAVES_A_DAEMON)
    ended = attempt.end()
    assert (ended.reason, ended.exit_code, ended.leftover_count) == ("exited", 0, 1)
    assert attempt.processes() == []


def test_daemon_that_keeps_the_pipes_is_waited_for_two_seconds_only(attempts: Attempts) -> None:
    before = time.monotonic()
    attempt = attempts.shell("echo done; (sleep 0.5; echo late) & setsid sleep 60 &")
    ended = attempt.end()
    assert time.monotonic() - before < 4
    assert (ended.exit_code, ended.leftover_count, attempt.text("stdout")) == (0, 1, "done\nlate\n")
    assert attempt.processes() == []


def test_process_that_forks_faster_than_one_looks_is_caught(attempts: Attempts) -> None:
    attempt = attempts.python(RUNS_AWAY)
    attempt.read_until("ready")
    attempt.handle.cancel()
    attempt.end()
    assert attempt.processes() == []


def test_timeout_does_not_count_after_the_main_process_ended(attempts: Attempts) -> None:
    attempt = attempts.shell("(sleep 1; echo late) & exit 0", timeout=0.4, kill_grace=0.1)
    ended = attempt.end()
    assert (ended.reason, ended.exit_code, attempt.text("stdout")) == ("exited", 0, "late\n")


def test_cancel_runs_the_kill_order(attempts: Attempts) -> None:
    attempt = attempts.python(DEAF_WITH_DAEMON)
    attempt.read_until("ready")
    attempt.handle.cancel()
    attempt.handle.cancel()
    ended = attempt.end()
    assert (ended.reason, ended.signal) == ("cancelled", signal.SIGKILL)
    assert attempt.processes() == []


def test_cancel_right_after_the_spawn_is_heeded(attempts: Attempts) -> None:
    before = time.monotonic()
    attempt = attempts.start("sleep", "60", kill_grace=30)
    attempt.handle.cancel()
    assert attempt.end().reason == "cancelled"
    assert time.monotonic() - before < 10


def test_script_dies_with_its_lease(attempts: Attempts) -> None:
    attempt = attempts.python(DEAF_WITH_DAEMON, lease_deadline=time.monotonic() + 0.5)
    ended = attempt.end()
    assert (ended.reason, attempt.processes()) == ("lease_expired", [])


def test_lease_can_be_extended_and_a_late_message_does_not_shorten_it(attempts: Attempts) -> None:
    attempts.shell(":").end()  # the zygote is up, so that the lease is not over before the start
    now = time.monotonic()
    attempt = attempts.shell("sleep 1.5; echo survived", lease_deadline=now + 1)
    attempt.handle.extend(now + 30)
    attempt.handle.extend(now + 1.1)
    ended = attempt.end()
    assert (ended.reason, attempt.text("stdout")) == ("exited", "survived\n")


def test_attempt_without_a_lease_never_starts(attempts: Attempts) -> None:
    attempt = attempts.shell("echo started", lease_deadline=time.monotonic() - 1)
    ended = attempt.end()
    assert (ended.reason, ended.started_at, attempt.text("stdout")) == ("lease_expired", None, "")


def test_script_that_is_given_up_dies_within_seconds(attempts: Attempts) -> None:
    attempt = attempts.python(DEAF_WITH_DAEMON)
    attempt.read_until("ready")
    attempt.handle.give_up()
    assert attempt.end().reason == "worker_gone"
    assert eventually(lambda: attempt.processes() == [])
    assert eventually(lambda: not os.path.exists(f"/proc/{attempt.handle.pid}"))


def test_lease_and_worker_loss_cut_a_long_grace_short(attempts: Attempts) -> None:
    attempt = attempts.python(DEAF_WITH_DAEMON, kill_grace=60)
    attempt.read_until("ready")
    attempt.handle.cancel()
    attempt.handle.give_up()
    assert eventually(lambda: marked(attempt.mark) == [], seconds=5)


def test_script_dies_when_its_runner_is_killed(attempts: Attempts) -> None:
    attempt = attempts.python(DEAF_WITH_DAEMON)
    attempt.read_until("ready")
    os.kill(attempt.handle.pid, signal.SIGKILL)
    ended = attempt.end()
    assert (ended.reason, ended.exit_code) == ("runner_died", None)
    assert attempt.processes() == []


def test_stop_signals_to_the_runner_are_not_the_scripts_end(attempts: Attempts) -> None:
    attempt = attempts.shell("sleep 0.3; echo finished")
    attempt.read_start()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(attempt.handle.pid, number)
    assert (attempt.end().reason, attempt.text("stdout")) == ("exited", "finished\n")


def test_runner_of_a_silent_script_does_not_burn_cpu(attempts: Attempts) -> None:
    attempt = attempts.start("sleep", "60")
    attempt.read_start()
    switches = status_line(attempt.handle.pid, "voluntary_ctxt_switches")
    time.sleep(0.3)
    assert status_line(attempt.handle.pid, "voluntary_ctxt_switches") - switches < 10
    attempt.handle.cancel()
    attempt.end()
