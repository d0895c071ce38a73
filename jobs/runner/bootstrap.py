"""Runs a user's Python script as Python would, with the portal's exit codes.

`python -u bootstrap.py SCRIPT [ARG…]`. Exit code 1 is a business failure, and only `sys.exit(1)` may say so.
Python itself exits with 1 for an uncaught exception, a syntax error and `sys.exit("text")`: here these give
2, a technical failure. A script that defines `execute_task` has it called, with the run's parameters it can
take, and its return value recorded.

The file stands alone and keeps to old syntax: it runs under whatever interpreter the job names.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import inspect
import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

TECHNICAL_FAILURE = 2
INTERRUPTED = 130
RESULT_CHARACTERS = 64 * 1024
ENTRY = "execute_task"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
CAUSES = {errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full", errno.EFBIG: "file_too_large", errno.ENOMEM: "memory"}


def main() -> int:
    if len(sys.argv) < 2:
        return complain("No script was given: name the file to run.")
    path = os.path.abspath(sys.argv[1])
    try:
        with open(path, "rb") as script:
            source = script.read()
    except OSError as error:
        return complain(f"The script {path!r} cannot be read: {error.strerror}.")
    sys.argv = [path, *sys.argv[2:]]
    sys.path[0] = os.path.dirname(path)
    try:
        return run(source, path)
    except SystemExit as stop:
        return exit_code(stop)
    except BaseException as error:  # like the interpreter's own top level
        note(error)
        show(error)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else TECHNICAL_FAILURE


def run(source: bytes, path: str) -> int:
    code = compile(source, path, "exec", dont_inherit=True)
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    exec(code, module.__dict__)  # noqa: S102 - running the user's file is what this program is for
    entry = module.__dict__.get(ENTRY)
    if callable(entry) and not calls_entry_itself(source):
        return call(entry)
    return 0


def exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    return complain(stop.code)


def complain(text: object) -> int:
    print(text, file=sys.stderr)
    return TECHNICAL_FAILURE


def show(error: BaseException) -> None:
    """The traceback from the author's first line on, through their own hook if they set one."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def note(error: BaseException) -> None:
    """For the portal, what the script died of: a link, which needs no room on a full disk."""
    path, word = os.environ.get("PORTAL_RESULT"), cause(error)
    if path and word:
        with contextlib.suppress(OSError):  # the traceback tells it as well
            os.symlink(word, path + ".cause")


def cause(error: BaseException | None) -> str:
    """A shortage at the root of an error, or an empty string."""
    for _ in range(10):  # of chained errors
        if isinstance(error, MemoryError):
            return "memory"
        if isinstance(error, OSError) and error.errno in CAUSES:
            return CAUSES[error.errno]
        if error is None:
            break
        error = error.__cause__ or error.__context__
    return ""


# --- execute_task


def call(entry: Callable[..., Any]) -> int:
    try:
        params = json.loads(os.environ.get("PORTAL_PARAMS") or "{}")
    except ValueError:
        params = None
    if not isinstance(params, dict):
        return complain(f"PORTAL_PARAMS is not a JSON object, so {ENTRY}() was not called.")
    result = entry(**accepted(entry, params))
    if inspect.iscoroutine(result):
        import asyncio  # slow to import, and rarely wanted

        result = asyncio.run(result)
    record(result)
    return 0


def accepted(entry: Callable[..., Any], params: dict[str, Any]) -> dict[str, Any]:
    try:
        takes = inspect.signature(entry).parameters.values()
    except (TypeError, ValueError):  # a callable written in C without a signature
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
        return params
    names = {parameter.name for parameter in takes if parameter.kind is not parameter.POSITIONAL_ONLY}
    return {name: value for name, value in params.items() if name in names}


def record(result: object) -> None:
    """The work is done: a result that cannot be written is told, and does not fail the run."""
    path = os.environ.get("PORTAL_RESULT")
    if not path:
        return
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(to_json(result))
    except OSError as error:
        print(f"The return value could not be recorded: {error.strerror}.", file=sys.stderr)


def to_json(result: object) -> str:
    try:
        text = json.dumps(result, allow_nan=False)
        if len(text) <= RESULT_CHARACTERS:
            return text
    except Exception:  # noqa: S110 - any object may come back, with any behaviour
        pass
    try:
        words = repr(result)
    except Exception:
        words = object.__repr__(result)
    if len(words) > RESULT_CHARACTERS:
        words = words[:RESULT_CHARACTERS] + "…"
    return json.dumps(words)


def calls_entry_itself(source: bytes) -> bool:
    """Whether running the file has already called execute_task, as under `if __name__ == "__main__":`.

    Calling it again does the work twice. Follows plain calls from the module's lines into its functions.
    """
    tree = ast.parse(source)
    bodies = {node.name: node.body for node in tree.body if isinstance(node, FUNCTIONS)}
    seen: set[str] = set()
    waiting = [name for line in tree.body for name in called_names(line)]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [inner for line in bodies.get(name, ()) for inner in called_names(line)]
    return ENTRY in seen


def called_names(node: ast.AST) -> Iterator[str]:
    """Names called when this line runs, the bodies of functions it only defines left out."""
    if isinstance(node, (*FUNCTIONS, ast.Lambda)):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield node.func.id
    for child in ast.iter_child_nodes(node):
        yield from called_names(child)


if __name__ == "__main__":
    sys.exit(main())
