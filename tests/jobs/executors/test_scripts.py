"""Python and shell jobs: what a script finds, and what it gives back."""

from __future__ import annotations

import os

import pytest
from django.utils.translation import override

from jobs.executors.base import ExecutorError
from jobs.executors.script import LONGEST_OUTPUT, MOST_OUTPUTS, read_outputs
from jobs.executors.shell import ShellParams, syntax_problem
from jobs.states import ReasonCode
from tests.jobs.executors.contexts import Log, run


def shell(script, tmp_path, **changes):
    return run("shell", {"script": script, **changes.pop("params", {})}, tmp_path, **changes)[0]


def python(script, tmp_path, **changes):
    return run("python", {"script": script, **changes.pop("params", {})}, tmp_path, **changes)[0]


@pytest.mark.parametrize(("script", "code"), [("true", 0), ("exit 1", 1), ("exit 7", 7), ("no-such-command", 127)])
def test_exit_code_of_a_shell_script_is_the_outcome(script, code, tmp_path):
    assert shell(script, tmp_path).exit_code == code


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("print('hi')", 0),
        ("import sys; sys.exit(1)", 1),
        ("raise ValueError('x')", 2),
        ("import sys; sys.exit('words')", 2),
    ],
)
def test_exit_code_of_a_python_script_is_the_outcome(script, code, tmp_path):
    assert python(script, tmp_path).exit_code == code


def test_script_finds_its_variables_and_arguments(tmp_path):
    script = 'echo "$PORTAL_TENANT/$PORTAL_JOB $PORTAL_RUN_ID.$PORTAL_ATTEMPT $PORTAL_PARAM_DAY $PORTAL_PARAM_FULL $1"'
    given = {"run_params": {"day": "2026-01-31", "full": True}, "params": {"args": ["first"]}}
    assert shell(script, tmp_path, **given).reason == "acme/report 7.1 2026-01-31 true first\n"


def test_parameter_that_was_not_given_is_not_set(tmp_path):
    assert shell('echo "${PORTAL_PARAM_DAY-unset} $PORTAL_PARAMS"', tmp_path, run_params={"day": None}).reason == (
        "unset {}\n"
    )


def test_environment_can_not_replace_the_portals_variables(tmp_path):
    outcome = shell('echo "$PORTAL_RUN_ID $MINE"', tmp_path, environment={"PORTAL_RUN_ID": "forged", "MINE": "yes"})
    assert outcome.reason == "7 yes\n"


def test_execute_task_is_called_with_parameters_and_its_value_kept(tmp_path):
    script = "def execute_task(day, n=2):\n    return {'day': day, 'n': n}\n"
    outcome = python(script, tmp_path, run_params={"day": "today", "n": None})
    assert outcome.result == {"return_value": {"day": "today", "n": 2}}


def test_outputs_are_read_from_the_file(tmp_path):
    outcome = shell('echo "rows=12" >> "$PORTAL_OUTPUT"; echo "rows=13" >> "$PORTAL_OUTPUT"', tmp_path)
    assert outcome.outputs == {"rows": "13"}


def test_script_and_folder_are_private(tmp_path):
    shell("true", tmp_path)
    assert (tmp_path / "work").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "work" / "script.sh").stat().st_mode & 0o777 == 0o600


def test_missing_interpreter_is_a_sentence(tmp_path):
    with override("en"), pytest.raises(ExecutorError, match="not installed on this worker") as caught:
        python("x", tmp_path, params={"interpreter": "/no/such/python"})
    assert caught.value.reason_code == ReasonCode.MISSING_DRIVER


def test_full_disk_is_a_sentence(tmp_path):
    blocked = tmp_path / "work"
    blocked.write_text("a file where the folder should be")
    with override("en"), pytest.raises(ExecutorError, match="could not be written"):
        shell("true", tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no equals sign", "write name=value"),
        ("1a=x", "write name=value"),
        ("a b=x", "write name=value"),
        ("a=" + "x" * (LONGEST_OUTPUT + 1), "at most 4000 characters"),
        ("\n".join(f"n{i}=x" for i in range(MOST_OUTPUTS + 1)), "at most 100 outputs"),
    ],
)
def test_bad_output_line_is_told_and_left_out(text, words, tmp_path):
    path = tmp_path / "output.txt"
    path.write_text(f"good=1\n{text}\n" if "n99" not in text else text)
    log = Log()
    with override("en"):
        outputs = read_outputs(path, log)
    assert words in log.text
    assert len(outputs) in (1, MOST_OUTPUTS)


def test_output_that_is_a_link_or_a_pipe_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("password=x\n")
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")
    assert read_outputs(tmp_path / "link", Log()) == read_outputs(tmp_path / "pipe", Log()) == {}


@pytest.mark.parametrize("script", ["if true; then", "echo 'open", "done"])
def test_shell_syntax_error_is_found_without_running(script, tmp_path):
    marker = tmp_path / "ran"
    assert "syntax error" in syntax_problem(ShellParams(script=f"touch {marker}\n{script}\n"))
    assert not marker.exists()


def test_good_shell_script_has_no_problem():
    assert syntax_problem(ShellParams(script="for i in 1 2; do echo $i; done\n")) == ""
