"""Turn a forked child into the script, or say in one sentence why that is not possible."""

from __future__ import annotations

import errno
import json
import os
import resource
from dataclasses import dataclass

from jobs.runner import linux
from jobs.runner.spec import RunnerSpec, StartError

SCRIPT_OOM_SCORE = b"500"  # when memory runs out, the kernel should take the script and not the worker


@dataclass(frozen=True, kw_only=True)
class Launched:
    """`status_fd` reaches end of file when the exec worked, else it gives the failure."""

    pid: int
    stdout_fd: int
    stderr_fd: int
    status_fd: int


@dataclass(frozen=True, kw_only=True)
class Failure:
    code: StartError
    subject: str
    sentence: str


def launch(spec: RunnerSpec) -> Launched:
    """Fork and exec. The caller is single-threaded, so Python may run between the two."""
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    status_read, status_write = os.pipe2(os.O_CLOEXEC)
    runner_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_script(spec, runner_pid, (out_write, err_write, status_write))
    for fd in (out_write, err_write, status_write):
        os.close(fd)
    for fd in (out_read, err_read, status_read):
        os.set_blocking(fd, False)
    return Launched(pid=pid, stdout_fd=out_read, stderr_fd=err_read, status_fd=status_read)


def _become_script(spec: RunnerSpec, runner_pid: int, fds: tuple[int, int, int]) -> None:
    step = "setup"
    try:
        os.setsid()
        _redirect(fds)
        _limit(spec)
        step = "cwd"
        os.chdir(spec.cwd)
        step = "exec"
        # A tenant's own uid belongs here: what is above needs privileges, what is below setuid would clear.
        linux.die_with_parent()
        if os.getppid() == runner_pid:
            os.execvpe(spec.argv[0], spec.argv, dict(spec.env))  # noqa: S606 - argv is a list, on purpose
    except BaseException as error:  # a forked child reports and ends, whatever happened
        code = error.errno if isinstance(error, OSError) else None
        os.write(fds[2], json.dumps([step, code, str(error)]).encode()[:4096])
    finally:
        os._exit(127)


def _redirect(fds: tuple[int, int, int]) -> None:
    os.umask(0o077)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for source, target in ((null, 0), (fds[0], 1), (fds[1], 2)):
        os.dup2(source, target)


def _limit(spec: RunnerSpec) -> None:
    _lower(resource.RLIMIT_CORE, 0)
    wanted = (
        (resource.RLIMIT_AS, spec.memory_limit),
        (resource.RLIMIT_CPU, spec.cpu_limit),
        (resource.RLIMIT_FSIZE, spec.file_size_limit),
        (resource.RLIMIT_NOFILE, spec.open_files_limit),
    )
    for limit, value in wanted:
        if value is not None:
            # A second between the two: SIGXCPU says what happened, the SIGKILL of the hard limit does not.
            _lower(limit, value, spare=1 if limit == resource.RLIMIT_CPU else 0)
    try:
        # Not open(): between fork and exec its layers cost more than the rest of this module together.
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        os.write(score, SCRIPT_OOM_SCORE)
    except OSError:
        pass  # a container may forbid it; the order of the OOM killer is a courtesy, not a promise


def _lower(limit: int, value: int, *, spare: int = 0) -> None:
    """Soft and hard limit, never above the present hard one, which only root may raise."""
    hard = resource.getrlimit(limit)[1]
    ceiling = value + spare if hard == resource.RLIM_INFINITY else min(value + spare, hard)
    resource.setrlimit(limit, (min(value, ceiling), ceiling))


def explain(raw: bytes, spec: RunnerSpec) -> Failure:
    """From what the child wrote to a sentence that names the thing to repair."""
    try:
        step, code, detail = json.loads(raw)
    except ValueError:
        step, code, detail = "setup", None, "the launcher's report was cut"
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
