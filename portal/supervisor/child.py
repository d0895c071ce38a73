"""One process of the portal: started in its own session, restarted with back-off, stopped within a limit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from portal.supervisor import launch
from portal.supervisor.logfiles import Follower, rotate
from portal.supervisor.services import Service

BACKOFF_CAP_SECONDS = 30.0
STEADY_SECONDS = 60.0  # after so long a life the back-off starts again


def backoff(failure_count: int) -> float:
    """Seconds before the next start: 1, 2, 4 … 30."""
    return float(min(BACKOFF_CAP_SECONDS, 2 ** max(0, min(failure_count, 10) - 1)))


class Child:
    """A service and, while it lives, its process."""

    def __init__(self, service: Service, *, log: Path, environment: dict[str, str], folder: Path) -> None:
        self.service = service
        self.log = Follower(log)
        self.process: subprocess.Popen[bytes] | None = None
        self.next_start_at = 0.0
        self._environment = environment
        self._folder = folder
        self._failure_count = 0
        self._started_at = 0.0
        rotate(log)

    @property
    def name(self) -> str:
        return self.service.name

    def start(self) -> None:
        """From the main thread only: the kernel's parent-death signal is bound to the thread that forks."""
        with self.log.path.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *self.service.argv],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started_at = time.monotonic()

    def identity(self) -> dict[str, float] | None:
        """Process id and start time: together they name a process for good."""
        if self.process is None:
            return None
        try:
            return {"pid": self.process.pid, "created": psutil.Process(self.process.pid).create_time()}
        except psutil.Error:
            return None

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def bury(self) -> float:
        """Forget a dead process, end what is left of its group; returns the seconds until its next start."""
        if self.process is not None:
            kill_group(self.process.pid, signal.SIGKILL)
        lived = time.monotonic() - self._started_at
        self._failure_count = 1 if lived > STEADY_SECONDS else self._failure_count + 1
        self.process = None
        delay = backoff(self._failure_count)
        self.next_start_at = time.monotonic() + delay
        return delay

    def ask_to_stop(self) -> None:
        if self.process is not None:
            try:
                self.process.terminate()
            except ProcessLookupError:
                return

    def kill(self) -> None:
        if self.process is not None:
            kill_group(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)


def kill_group(leader: int, number: signal.Signals) -> None:
    """Signal a whole session; nothing happens when it is gone."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def describe_end(code: int) -> str:
    if code < 0:
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"
    return f"ended with exit code {code}"
