"""Turn a forked child into the script."""

from __future__ import annotations

import errno
import mmap
import os
import resource

from jobs.runner import linux
from jobs.runner.deathline import Deathline
from jobs.runner.order import Order

SCRIPT_OOM_SCORE = 500
REPORT_BYTES = mmap.PAGESIZE
NOT_STARTED = -1


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


class Launcher:
    """Starts scripts for one runner. `has_deathline`: this kernel keeps to what `deathline` asks of it."""

    def __init__(self, *, has_deathline: bool) -> None:
        self.report = StartReport()
        self._deathline = Deathline() if has_deathline else None
        self._score = OomScore()

    def launch(self, order: Order) -> tuple[int, int, int]:
        """The pid, and where stdout and stderr can be read. Standard input, mask and core limit are the zygote's.

        The caller is single-threaded.
        """
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        self._score.raise_for_script()
        try:
            if self._deathline is None or order.limits or "/" not in "".join(order.argv[:1]):
                pid = self._fork(order, (out_write, err_write))
            else:
                pid = self._spawn(order, (out_write, err_write), self._deathline)
        finally:
            self._score.restore()
            os.close(out_write)
            os.close(err_write)
        return pid, out_read, err_read

    def let_go(self) -> None:
        """No process of the script is left: its number may become a stranger's."""
        if self._deathline is not None:
            self._deathline.arm(0)

    def _spawn(self, order: Order, fds: tuple[int, int], deathline: Deathline) -> int:
        """Without copying a page of ours, which costs less than half; for scripts without limits of their own."""
        step = "cwd"
        try:
            os.chdir(order.cwd)
            step = "exec"
            actions = [(os.POSIX_SPAWN_DUP2, fds[0], 1), (os.POSIX_SPAWN_DUP2, fds[1], 2)]
            pid = os.posix_spawn(order.argv[0], order.argv, order.env, file_actions=actions, setsid=True)
        except Exception as error:
            self.report.write("setup" if is_shortage(error) else step, error)
            return NOT_STARTED
        finally:
            os.chdir("/")
        deathline.arm(pid)
        return pid

    def _fork(self, order: Order, fds: tuple[int, int]) -> int:
        """Python runs between fork and exec; the less it does there, the fewer pages are copied."""
        runner_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self.report.write("setup", error)
            return NOT_STARTED
        if pid == 0:
            _become_script(order, runner_pid, fds, self.report)
        return pid


def is_shortage(error: Exception) -> bool:
    """Of processes or memory, and not the fault of what was to be started."""
    return isinstance(error, OSError) and error.errno in (errno.EAGAIN, errno.ENOMEM)


def _become_script(order: Order, runner_pid: int, fds: tuple[int, int], report: StartReport) -> None:
    step = "setup"
    try:
        os.setsid()
        os.dup2(fds[0], 1)
        os.dup2(fds[1], 2)
        for limit, value in order.limits:
            lower_limit(limit, value)
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


class OomScore:
    """When memory runs out, the kernel should take the script and not the worker.

    The runner raises its own score while it starts a script, which inherits it: the script has it from its first
    instruction. Raising and going back is what everybody may.
    """

    def __init__(self) -> None:
        self._fd: int | None = None
        try:
            self._fd = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
            self._own = os.read(self._fd, 16).strip()
            self._scripts = str(max(SCRIPT_OOM_SCORE, int(self._own))).encode()
        except (OSError, ValueError):
            return  # a container may forbid it; the order of the OOM killer is a courtesy, not a promise

    def raise_for_script(self) -> None:
        self._write(raised=True)

    def restore(self) -> None:
        self._write(raised=False)

    def _write(self, *, raised: bool) -> None:
        if self._fd is None:
            return
        try:
            os.pwrite(self._fd, self._scripts if raised else self._own, 0)
        except OSError:
            os.close(self._fd)
            self._fd = None


def lower_limit(limit: int, value: int) -> None:
    """Soft and hard limit, never above the present hard one, which only root may raise."""
    # A second between the two: SIGXCPU says what happened, the SIGKILL of the hard limit does not.
    spare = 1 if limit == resource.RLIMIT_CPU else 0
    hard = resource.getrlimit(limit)[1]
    ceiling = value + spare if hard == resource.RLIM_INFINITY else min(value + spare, hard)
    resource.setrlimit(limit, (min(value, ceiling), ceiling))
