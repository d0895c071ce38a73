"""A script starts in the surroundings its spec names, or the end says what to repair."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runner import tree
from jobs.runner.spec import RunnerSpec
from jobs.runner.startfailure import explain, find_program
from tests.jobs.runner.attempts import Attempts, eventually

ROOT = Path(__file__).parents[3]


def write(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_bytes(text.encode())
    path.chmod(mode)
    return str(path)


def test_environment_is_the_given_one_and_nothing_else(attempts: Attempts) -> None:
    attempt = attempts.start("/usr/bin/env", env={"PATH": "/usr/bin:/bin", "雪": "flake"})
    attempt.end()
    names = {line.partition("=")[0] for line in attempt.text("stdout").splitlines()}
    assert names == {"PATH", "雪", "RUNNER_TEST_MARK"}


def test_script_starts_in_its_directory_with_closed_input_and_mask(attempts: Attempts, tmp_path: Path) -> None:
    attempt = attempts.shell("pwd; umask; wc -c; ulimit -c; ls /proc/self/fd")
    attempt.end()
    assert attempt.text("stdout").split() == [str(tmp_path), "0077", "0", "0", "0", "1", "2", "3"]


def test_script_leads_its_own_session(attempts: Attempts) -> None:
    attempt = attempts.shell("cut -d' ' -f1,5,6 /proc/$$/stat")
    attempt.end()  # one that ends at once need not announce its start
    pid, group, session = attempt.text("stdout").split()
    assert pid == group == session


def test_script_goes_before_the_worker_when_memory_runs_out(attempts: Attempts) -> None:
    attempt = attempts.start("cat", "/proc/self/oom_score_adj")
    attempt.end()
    assert attempt.text("stdout") == "500\n"


def test_limits_are_set(attempts: Attempts) -> None:
    attempt = attempts.shell(
        "ulimit -v; ulimit -t; ulimit -n; head -c 100000 /dev/zero > big",
        memory_limit=2**30,
        cpu_limit=7,
        open_files_limit=32,
        file_size_limit=51200,
    )
    ended = attempt.end()
    assert attempt.text("stdout").split() == [str(2**20), "7", "32"]
    assert ended.exit_code == 128 + 25  # the shell tells of SIGXFSZ


def test_cpu_limit_ends_a_busy_script(attempts: Attempts) -> None:
    ended = attempts.python("while True: pass", cpu_limit=1).end()
    assert (ended.reason, ended.signal) == ("exited", 24)  # SIGXCPU


def test_program_is_found_in_the_path_of_the_spec(attempts: Attempts, tmp_path: Path) -> None:
    write(tmp_path / "greet", "#!/bin/sh\necho hello $1\n")
    attempt = attempts.start("greet", "you", env={"PATH": str(tmp_path)})
    attempt.end()
    assert attempt.text("stdout") == "hello you\n"


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program"])
def test_missing_program_is_named(attempts: Attempts, name: str) -> None:
    ended = attempts.start(name).end()
    assert (ended.reason, ended.error_code) == ("cannot_start", "missing_program")
    assert ended.error == f"The program '{name}' was not found on this worker."


def test_missing_interpreter_is_named(attempts: Attempts, tmp_path: Path) -> None:
    ended = attempts.start(write(tmp_path / "report", "#!/opt/python9 -u\n")).end()
    assert (ended.error_code, ended.error_subject) == ("missing_interpreter", "/opt/python9")
    assert "'/opt/python9'" in ended.error


def test_windows_line_end_in_the_first_line_is_explained(attempts: Attempts, tmp_path: Path) -> None:
    ended = attempts.start(write(tmp_path / "report", "#!/bin/sh\r\necho hi\r\n")).end()
    assert (ended.error_code, ended.error_subject) == ("missing_interpreter", "/bin/sh")
    assert "Windows" in ended.error


def test_file_that_may_not_be_executed_is_named(attempts: Attempts, tmp_path: Path) -> None:
    path = write(tmp_path / "report", "#!/bin/sh\n", mode=0o644)
    ended = attempts.start(path).end()
    assert (ended.error_code, ended.error_subject) == ("not_executable", path)


def test_file_of_no_known_format_is_named(attempts: Attempts, tmp_path: Path) -> None:
    ended = attempts.start(write(tmp_path / "report", "echo no first line\n")).end()
    assert ended.error_code == "bad_format"


def test_missing_directory_is_named(attempts: Attempts, tmp_path: Path) -> None:
    ended = attempts.start("true", cwd=str(tmp_path / "gone")).end()
    assert (ended.error_code, ended.error_subject) == ("missing_cwd", str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("argv", "env", "code"),
    [
        ((), {}, "bad_value"),
        (("echo", "a\0b"), {}, "bad_value"),
        (("echo",), {"A=B": "x"}, "bad_value"),
        (("echo", "x" * 200_000), {}, "too_long"),
        (("/bin/echo", "a\0b"), {}, "bad_value"),
        (("/bin/echo",), {"A=B": "x"}, "bad_value"),
        (("/bin/echo", "x" * 200_000), {}, "too_long"),
    ],
)
def test_value_that_cannot_be_passed_on_is_refused(
    attempts: Attempts, argv: tuple[str, ...], env: dict[str, str], code: str
) -> None:
    ended = attempts.start(*argv, env=env).end()
    assert (ended.reason, ended.error_code) == ("cannot_start", code)
    assert ended.error.endswith(".")


def test_file_name_that_is_not_utf8_survives(attempts: Attempts, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).write_text("found")
    attempt = attempts.start("cat", name)
    attempt.end()
    assert attempt.text("stdout") == "found"


def test_report_that_was_cut_still_gives_a_sentence() -> None:
    spec = RunnerSpec(argv=("true",), env={}, cwd="/", lease_deadline=0)
    failure = explain(b"exec", spec)
    assert (failure.code, failure.sentence[-1]) == ("os_error", ".")


def test_relative_program_is_looked_up_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    path = write(tmp_path / "bin" / "tool", "")
    spec = RunnerSpec(argv=("bin/tool",), env={}, cwd=str(tmp_path), lease_deadline=0)
    assert find_program("bin/tool", spec) == path


def test_text_of_a_subclass_can_be_passed_on(attempts: Attempts) -> None:
    class Marked(str):
        __slots__ = ()

    attempt = attempts.start("printenv", "WORDS", env={"PATH": os.environ["PATH"], "WORDS": Marked("a b")})
    attempt.end()
    assert attempt.text("stdout") == "a b\n"


def test_runner_that_may_not_fork_says_so(attempts: Attempts) -> None:
    spec = RunnerSpec(argv=("true",), env={}, cwd="/", lease_deadline=0)
    failure = explain(b"setup\x0011\x00[Errno 11] Resource temporarily unavailable", spec)
    assert (failure.code, "Resource temporarily unavailable" in failure.sentence) == ("os_error", True)


def test_this_kernel_ends_a_script_with_its_runner_without_code_in_the_child() -> None:
    program = "from jobs.runner import deathline, linux; linux.become_subreaper(); print(deathline.is_obeyed())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("limits", [{}, {"open_files_limit": 64}], ids=["spawned", "forked"])
def test_script_dies_with_its_runner_when_the_zygote_is_dead_too(attempts: Attempts, limits: dict[str, int]) -> None:
    attempt = attempts.shell("trap '' TERM HUP; while :; do sleep 0.01; done", **limits)
    script = attempt.read_start().pid
    zygote = tree.look(attempt.handle.pid)
    assert zygote is not None
    os.kill(zygote.parent, signal.SIGKILL)
    assert eventually(lambda: tree.look(zygote.parent) is None)
    os.kill(attempt.handle.pid, signal.SIGKILL)
    assert eventually(lambda: tree.look(script) is None, seconds=2)


def test_runner_itself_does_not_go_before_the_worker(attempts: Attempts) -> None:
    own = Path("/proc/self/oom_score_adj").read_text()
    attempt = attempts.start("sleep", "60")
    attempt.read_start()
    assert Path(f"/proc/{attempt.handle.pid}/oom_score_adj").read_text() == own
    attempt.handle.cancel()
    attempt.end()


def test_limited_script_finds_the_same_surroundings(attempts: Attempts, tmp_path: Path) -> None:
    look = "pwd; umask; cat /proc/self/oom_score_adj; cut -d' ' -f5,6 /proc/$$/stat; echo $$ $HERE; ls /proc/self/fd"
    seen = []
    for limits in ({}, {"open_files_limit": 64}):
        attempt = attempts.start("/bin/sh", "-c", look, env={"PATH": "/usr/bin:/bin", "HERE": "yes"}, **limits)
        attempt.end()
        words = attempt.text("stdout").split()
        assert words[3] == words[4] == words[5]
        seen.append(words[:3] + words[6:])
    assert seen[0] == seen[1] == [str(tmp_path), "0077", "500", "yes", "0", "1", "2", "3"]
