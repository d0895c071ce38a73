"""Why a script could not start, in one sentence. The worker's side: a runner only passes on what the kernel said."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from jobs.runner.spec import RunnerSpec, StartError


@dataclass(frozen=True, kw_only=True)
class Failure:
    code: StartError
    subject: str
    sentence: str


def explain(raw: bytes, spec: RunnerSpec) -> Failure:
    """From what the child wrote (`launch.StartReport`) to a sentence that names the thing to repair."""
    step, number, detail = (*raw.decode("utf-8", "replace").split("\0", 2), "", "")[:3]
    if not number:
        step, detail = "setup", "the launcher's report was cut"
    code = int(number) if number.isdigit() else None
    if step == "cwd":
        return Failure(
            code="missing_cwd",
            subject=spec.cwd,
            sentence=f"The working directory {spec.cwd!r} cannot be entered: {os.strerror(code or 0)}.",
        )
    if step == "exec":
        return _explain_exec(code, detail, spec)
    return Failure(code="os_error", subject="", sentence=f"The script could not be started: {detail}.")


def _explain_exec(code: int | None, detail: str, spec: RunnerSpec) -> Failure:
    if not spec.argv:
        return Failure(code="bad_value", subject="", sentence="The command is empty: name a program to run.")
    program = spec.argv[0]
    found = find_program(program, spec)
    if code == errno.ENOENT and found is not None:
        return _explain_shebang(found)
    subject = found or program
    known: dict[int | None, tuple[StartError, str]] = {
        errno.ENOENT: ("missing_program", f"The program {program!r} was not found on this worker."),
        errno.ENOTDIR: ("missing_program", f"The program {program!r} was not found on this worker."),
        errno.EACCES: ("not_executable", f"The file {subject!r} is not executable for the worker's user."),
        errno.ENOEXEC: ("bad_format", f"The file {subject!r} is no program: it lacks a '#!' line."),
        errno.E2BIG: (
            "too_long",
            "The arguments and environment are too long: put large values into a file.",
        ),
        None: (
            "bad_value",
            f"The command or its environment holds a value that cannot be passed on: {detail}.",
        ),
    }
    failure, sentence = known.get(code, ("os_error", f"{program!r} could not be started: {detail}."))
    return Failure(code=failure, subject=subject, sentence=sentence)


def _explain_shebang(path: str) -> Failure:
    name = shebang(path)
    sentence = f"The interpreter {name.strip()!r} in the first line of {path!r} does not exist."
    if name.endswith("\r"):
        sentence += " That line ends with a Windows line end (\\r): save the file with Unix line ends."
    return Failure(code="missing_interpreter", subject=name.strip(), sentence=sentence)


def find_program(program: str, spec: RunnerSpec) -> str | None:
    """The file an exec of `program` means, executable or not; None when there is none."""
    if "/" in program:
        candidates = [os.path.join(spec.cwd, program)]
    else:
        folders = spec.env.get("PATH", os.defpath).split(os.pathsep)
        candidates = [os.path.join(spec.cwd, folder, program) for folder in folders]
    return next((path for path in candidates if program and os.path.isfile(path)), None)


def shebang(path: str) -> str:
    """The interpreter in the first line; of a binary, the loader it lacks is all we can say."""
    try:
        with open(path, "rb") as script:
            first = script.read(256).partition(b"\n")[0]
    except OSError:
        return "?"
    if not first.startswith(b"#!"):
        return "the program's loader"
    command = os.fsdecode(first[2:]).lstrip(" \t")
    return command.split(" ")[0].split("\t")[0]
