"""Failpoints act only where the environment asks, and every named point is one the code reaches."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys

import pytest

from portal.lib import failpoints
from portal.lib.failpoints import POINTS, FailpointError, FailpointReached, armed, failpoint, parse
from tests import source

REACH = "from portal.lib.failpoints import failpoint; failpoint('tick.before_commit'); print('went on')"


def reached_in_code() -> set[str]:
    return {
        str(node.args[0].value)
        for path in source.modules(*source.APPS)
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "failpoint"
        and isinstance(node.args[0], ast.Constant)
    }


def process_with(value: str) -> subprocess.CompletedProcess[str]:
    environ = dict(os.environ) | {failpoints.VARIABLE: value}
    return subprocess.run(
        [sys.executable, "-c", REACH], cwd=source.ROOT, env=environ, capture_output=True, text=True, check=False
    )


def test_the_code_reaches_exactly_the_listed_points():
    assert reached_in_code() == set(POINTS)


def test_nothing_happens_without_the_variable():
    for name in POINTS:
        failpoint(name)


def test_kill_ends_the_process_as_the_kernel_would():
    done = process_with("tick.before_commit=kill")
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")


def test_another_point_leaves_the_process_alone():
    done = process_with("tick.after_commit=kill")
    assert (done.returncode, done.stdout) == (0, "went on\n")


def test_stop_halts_the_whole_process_until_it_is_continued():
    environ = dict(os.environ) | {failpoints.VARIABLE: "tick.before_commit=stop"}
    process = subprocess.Popen(
        [sys.executable, "-c", REACH], cwd=source.ROOT, env=environ, stdout=subprocess.PIPE, text=True
    )
    _pid, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=30)[0] == "went on\n"


def test_raise_raises_and_only_while_armed():
    with armed("tick.before_commit=raise"), pytest.raises(FailpointReached, match=r"tick\.before_commit"):
        failpoint("tick.before_commit")
    failpoint("tick.before_commit")


def test_a_count_lets_the_point_pass_until_then_and_afterwards():
    with armed("tick.before_commit=raise@2"):
        failpoint("tick.before_commit")
        with pytest.raises(FailpointReached):
            failpoint("tick.before_commit")
        failpoint("tick.before_commit")


def test_several_points_are_read_with_their_actions():
    found = parse("tick.before_commit=kill, tick.after_commit=freeze:0.5@3")
    assert [(name, one.action, one.seconds, one.only_at) for name, one in found.items()] == [
        ("tick.before_commit", "kill", 0.0, None),
        ("tick.after_commit", "freeze", 0.5, 3),
    ]


@pytest.mark.parametrize("text", ["tick.nowhere=kill", "tick.before_commit", "tick.before_commit=explode", "x=freeze"])
def test_what_can_not_be_read_is_refused_with_a_sentence(text):
    with pytest.raises(FailpointError, match=r"failpoint|is not name"):
        parse(text)
