"""DATA_DIR/runtime.json: who runs on this data folder, and what a killed supervisor left behind."""

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

from portal.supervisor.child import kill_group
from portal.supervisor.errors import StartError
from portal.supervisor.files import read_json, write_private

FILE_NAME = "runtime.json"
LEFTOVER_SECONDS = 45.0


class Runtime:
    """The lock on a data folder and the notes about its processes."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE_NAME
        self.notes: dict[str, Any] = {}
        self._lock: IO[str] | None = None
        self._data_dir = data_dir

    def take(self) -> None:
        """Lock the data folder for this process; the kernel gives the lock back however the process ends."""
        self._lock = (self._data_dir / "supervisor.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = read_json(self.path)
            raise StartError(
                f"The portal already runs on {self._data_dir} (process {running.get('pid', 'unknown')}, "
                f"{running.get('address', 'address unknown')}). Stop it first, or choose another folder "
                "and port: DATA_DIR=/another/folder PORT=8001 make run"
            ) from None
        self.notes = read_json(self.path)

    def write(self, **notes: Any) -> None:
        self.notes |= notes
        write_private(self.path, json.dumps(self.notes, indent=2) + "\n")

    def release(self) -> None:
        """The end of an orderly stop: nothing is left behind.

        Notes that a full disk did not take are harmless: the next start looks whether they still name the processes.
        """
        with suppress(OSError):
            self.write(pid=None, children={})
        if self._lock is not None:
            self._lock.close()

    def clear_leftovers(self) -> list[str]:
        """End what a killed supervisor left running; returns the names of those services.

        A process counts as left over only when both its id and its start time are the noted ones.
        """
        left = {name: found for name, noted in self._noted().items() if (found := _alive(noted))}
        for process in left.values():
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while time.monotonic() < deadline and any(_is_running(process) for process in left.values()):
            time.sleep(0.1)
        for process in left.values():
            if _is_running(process):
                kill_group(process.pid, signal.SIGKILL)
        self.write(pid=os.getpid(), children={})
        return list(left)

    def _noted(self) -> dict[str, dict[str, float]]:
        children = self.notes.get("children")
        return children if isinstance(children, dict) else {}


def _alive(noted: dict[str, float]) -> psutil.Process | None:
    try:
        process = psutil.Process(int(noted["pid"]))
        same = abs(process.create_time() - noted["created"]) < 1.0
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
    return process if same and _is_running(process) else None


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
