"""A Python script runs as it would by hand, with the portal's exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.runner import bootstrap

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run this source; keyword arguments are environment variables."""

    def start(source: str | bytes, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "script.py"
        script.write_bytes(source if isinstance(source, bytes) else source.encode())
        env = {"PATH": os.environ["PATH"], "PORTAL_RESULT": str(tmp_path / "result.json")} | env
        argv = [sys.executable, "-u", bootstrap.__file__, str(script), *args]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20, check=False)

    return start


def recorded(tmp_path: Path) -> object:
    return json.loads((tmp_path / "result.json").read_text())


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", 0),
        ("print('done')", 0),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(0)", 0),
        ("import sys; sys.exit(1)", 1),
        ("import sys; sys.exit(2)", 2),
        ("import sys; sys.exit(77)", 77),
        ("import sys; sys.exit('no rows today')", 2),
        ("import sys; sys.exit(['a'])", 2),
        ("raise SystemExit(1)", 1),
        ("1/0", 2),
        ("raise KeyError('x')", 2),
        ("raise MemoryError", 2),
        ("import nowhere_to_be_found", 2),
        ("def broken(:", 2),
        (b"x = 1\0", 2),
        (b"name = '\xff'", 2),
        ("raise KeyboardInterrupt", 130),
        ("raise BaseExceptionGroup('several', [KeyboardInterrupt()])", 2),
        ("def f(): f()\nf()", 2),
        ("import os; os._exit(5)", 5),
        ("import threading; threading.Thread(target=lambda: 1/0).start()", 0),
        ("def execute_task(): 1/0", 2),
        ("def execute_task(): raise SystemExit(1)", 1),
        ("def execute_task(): return False", 0),
        ("def execute_task(missing): pass", 2),
    ],
)
def test_exit_code_follows_the_contract(run: Run, source: str | bytes, code: int) -> None:
    assert run(source).returncode == code


def test_text_given_to_exit_is_shown(run: Run) -> None:
    assert run("import sys; sys.exit('no rows today')").stderr == "no rows today\n"


def test_traceback_shows_the_script_only(run: Run, tmp_path: Path) -> None:
    done = run("def inner():\n    1/0\n\ninner()\n")
    assert f'File "{tmp_path / "script.py"}", line 4, in <module>' in done.stderr
    assert "    1/0" in done.stderr
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "bootstrap" not in done.stderr


def test_traceback_of_a_task_shows_the_script_only(run: Run) -> None:
    done = run("def execute_task():\n    raise ValueError('bad row') from KeyError('id')\n")
    assert "in execute_task" in done.stderr
    assert "bootstrap" not in done.stderr


def test_syntax_error_names_file_and_line(run: Run, tmp_path: Path) -> None:
    done = run("ok = 1\ndef broken(:\n")
    assert f'File "{tmp_path / "script.py"}", line 2' in done.stderr
    assert "SyntaxError" in done.stderr
    assert "bootstrap" not in done.stderr


def test_hook_of_the_script_is_used(run: Run) -> None:
    source = "import sys\nsys.excepthook = lambda kind, error, trace: print('hooked', error)\n1/0"
    assert run(source).stdout == "hooked division by zero\n"


def test_script_sees_itself_as_main(run: Run, tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("value = 5")
    done = run(
        "import sys, json, pickle, neighbour\n"
        "class Row: pass\n"
        "pickle.loads(pickle.dumps(Row()))\n"
        "print(json.dumps([__name__, __file__, sys.argv, sys.path[0], __import__('__main__').Row is Row]))",
        "a",
        "b",
    )
    script = str(tmp_path / "script.py")
    assert json.loads(done.stdout) == ["__main__", script, [script, "a", "b"], str(tmp_path), True]


def test_declared_encoding_is_heeded(run: Run) -> None:
    assert run("# -*- coding: latin-1 -*-\nprint(ascii('é'))".encode("latin-1")).stdout == "'\\xe9'\n"


def test_script_does_not_inherit_the_bootstraps_future_imports(run: Run) -> None:
    assert run("def f(a: int): pass\nprint(f.__annotations__)").stdout == "{'a': <class 'int'>}\n"


def test_missing_script_is_one_sentence() -> None:
    argv = [sys.executable, bootstrap.__file__, "/nowhere/script.py"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The script '/nowhere/script.py' cannot be read: No such file or directory.\n"


def test_no_script_at_all_is_one_sentence() -> None:
    done = subprocess.run([sys.executable, bootstrap.__file__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "No script was given: name the file to run.\n")


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("day, limit=3", {"day": "2026-11-20", "limit": 7}),
        ("day", {"day": "2026-11-20"}),
        ("*, limit", {"limit": 7}),
        ("", {}),
        ("other=1", {"other": 1}),
        ("**params", {"params": {"day": "2026-11-20", "limit": 7}}),
        ("day, **params", {"day": "2026-11-20", "params": {"limit": 7}}),
    ],
)
def test_task_gets_the_parameters_it_takes(
    run: Run, tmp_path: Path, signature: str, expected: dict[str, object]
) -> None:
    params = json.dumps({"day": "2026-11-20", "limit": 7})
    done = run(f"def execute_task({signature}): return locals()", PORTAL_PARAMS=params)
    assert (done.returncode, recorded(tmp_path)) == (0, expected)


def test_missing_parameter_is_named(run: Run) -> None:
    assert "missing 1 required positional argument: 'day'" in run("def execute_task(day): pass").stderr


@pytest.mark.parametrize("params", ["{", "[1]", "null"])
def test_parameters_that_are_no_object_are_refused(run: Run, params: str) -> None:
    done = run("def execute_task(**params): print('called')", PORTAL_PARAMS=params)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "PORTAL_PARAMS is not a JSON object, so execute_task() was not called.\n"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("{'rows': 3}", {"rows": 3}),
        ("'雪'", "雪"),
        ("None", None),
        ("0", 0),
        ("float('nan')", "nan"),
        ("{1, }", "{1}"),
        ("b'x'", "b'x'"),
        ("(lambda l: l.append(l) or l)([])", "[[...]]"),
    ],
)
def test_return_value_is_recorded(run: Run, tmp_path: Path, expression: str, expected: object) -> None:
    done = run(f"def execute_task(): return {expression}")
    assert (done.returncode, recorded(tmp_path)) == (0, expected)


def test_huge_return_value_is_cut(run: Run, tmp_path: Path) -> None:
    run("def execute_task(): return list(range(10**6))")
    result = recorded(tmp_path)
    assert isinstance(result, str)
    assert len(result) == bootstrap.RESULT_CHARACTERS + 1
    assert result.endswith("…")


def test_object_that_cannot_be_shown_is_recorded_all_the_same(run: Run, tmp_path: Path) -> None:
    done = run("class Odd:\n def __repr__(self): 1/0\ndef execute_task(): return Odd()")
    assert done.returncode == 0
    assert str(recorded(tmp_path)).startswith("<__main__.Odd object")


def test_result_that_cannot_be_written_does_not_fail_the_work(run: Run) -> None:
    done = run("def execute_task(): return 1", PORTAL_RESULT="/nowhere/result.json")
    assert (done.returncode, done.stderr) == (
        0,
        "The return value could not be recorded: No such file or directory.\n",
    )


def test_asynchronous_task_is_awaited(run: Run, tmp_path: Path) -> None:
    run("async def execute_task(): return 8")
    assert recorded(tmp_path) == 8


def test_script_without_a_task_records_nothing(run: Run, tmp_path: Path) -> None:
    run("execute_task = 'a word'")
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "if __name__ == '__main__': execute_task()",
        "def main(): execute_task()\nif __name__ == '__main__': main()",
        "if __name__ == '__main__':\n    import sys\n    sys.exit(execute_task())",
        "async def main(): execute_task()\nimport asyncio\nasyncio.run(main())",
        "def unused(): execute_task()",
        "class Plan:\n    def go(self): execute_task()",
        "later = lambda: execute_task()",
    ],
)
def test_task_runs_once_whoever_calls_it(run: Run, ending: str) -> None:
    assert run(f"def execute_task(): print('worked')\n{ending}\n").stdout == "worked\n"
