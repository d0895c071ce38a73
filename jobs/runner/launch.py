"""Turn a forked child into the script."""

from __future__ import annotations

import mmap
import os
import resource

from jobs.runner import linux
from jobs.runner.order import Order

SCRIPT_OOM_SCORE = b"500"  # when memory runs out, the kernel should take the script and not the worker
REPORT_BYTES = mmap.PAGESIZE
NOT_FORKED = -1


class StartReport:
    """A page shared with each child, in which one that can't become its script says why: free when all goes well."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, REPORT_BYTES)

    def write(self, step: str, error: BaseException) -> None:
        number = error.errno if isinstance(error, OSError) else None
        raw = f"{step}\0{number}\0{error}".encode("utf-8", "replace")[:REPORT_BYTES]
        self._page[: len(raw)] = raw

    @property
    def is_written(self) -> bool:
        return self._page[0] != 0

    def take(self) -> bytes:
        """What the last child wrote, or nothing."""
        if not self.is_written:
            return b""
        raw = self._page[:].rstrip(b"\0")
        self._page[:] = bytes(REPORT_BYTES)
        return raw


def launch(order: Order, report: StartReport) -> tuple[int, int, int]:
    """Fork and exec: the pid, and where stdout and stderr can be read. The caller is single-threaded, so Python may
    run between the two; the less it does there, the fewer pages are copied.

    Standard input, mask and the core limit are the zygote's, and inherited.
    """
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    runner_pid = os.getpid()
    pid = NOT_FORKED
    try:
        pid = os.fork()
    except OSError as error:  # out of processes: told like any other start that failed
        report.write("setup", error)
    if pid == 0:
        _become_script(order, runner_pid, (out_write, err_write), report)
    os.close(out_write)
    os.close(err_write)
    return pid, out_read, err_read


def _become_script(order: Order, runner_pid: int, fds: tuple[int, int], report: StartReport) -> None:
    step = "setup"
    try:
        os.setsid()
        os.dup2(fds[0], 1)
        os.dup2(fds[1], 2)
        for limit, value in order.limits:
            lower_limit(limit, value)
        _go_first_when_memory_runs_out()
        step = "cwd"
        os.chdir(order.cwd)
        step = "exec"
        # A tenant's own uid belongs here: what is above needs privileges, what is below setuid would clear.
        linux.die_with_parent()
        if os.getppid() == runner_pid:
            os.execvpe(order.argv[0], order.argv, order.env)  # noqa: S606 - argv is a list, on purpose
    except BaseException as error:  # a forked child reports and ends, whatever happened
        report.write(step, error)
    finally:
        os._exit(127)


def _go_first_when_memory_runs_out() -> None:
    try:
        # Not open(): between fork and exec its layers cost more than the rest of this module together.
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        os.write(score, SCRIPT_OOM_SCORE)
    except OSError:
        pass  # a container may forbid it; the order of the OOM killer is a courtesy, not a promise


def lower_limit(limit: int, value: int) -> None:
    """Soft and hard limit, never above the present hard one, which only root may raise."""
    # A second between the two: SIGXCPU says what happened, the SIGKILL of the hard limit does not.
    spare = 1 if limit == resource.RLIMIT_CPU else 0
    hard = resource.getrlimit(limit)[1]
    ceiling = value + spare if hard == resource.RLIM_INFINITY else min(value + spare, hard)
    resource.setrlimit(limit, (min(value, ceiling), ceiling))
