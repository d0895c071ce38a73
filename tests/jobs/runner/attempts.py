"""Start attempts on real runners, and look for what they leave behind."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.runner.client import RunnerPool
from jobs.runner.handle import RunnerHandle
from jobs.runner.spec import Ended, Event, Output, RunnerSpec, Started

MARK = "RUNNER_TEST_MARK"  # in the environment of every process of one attempt, daemons included


@dataclass
class Attempt:
    handle: RunnerHandle
    mark: str
    seen: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._events = self.handle.events()

    def read_until(self, text: str) -> None:
        while text not in self.text("stdout"):
            self.seen.append(next(self._events))

    def read_start(self) -> Started:
        first = next(self._events)
        self.seen.append(first)
        assert isinstance(first, Started)
        return first

    def end(self) -> Ended:
        self.seen.extend(self._events)
        last = self.seen[-1]
        assert isinstance(last, Ended)
        return last

    def text(self, stream: str) -> str:
        return "".join(event.text for event in self.outputs() if event.stream == stream)

    def outputs(self) -> Iterator[Output]:
        return (event for event in self.seen if isinstance(event, Output))

    def processes(self) -> list[int]:
        return marked(self.mark)


class Attempts:
    """Each call starts one; whatever still lives at the end of the test is killed and named."""

    def __init__(self, cwd: Path) -> None:
        self.pool = RunnerPool()
        self.cwd = cwd
        self._marks: list[str] = []

    def start(self, *argv: str, env: dict[str, str] | None = None, **fields: Any) -> Attempt:
        mark = uuid.uuid4().hex
        self._marks.append(mark)
        fields.setdefault("lease_deadline", time.monotonic() + 60)
        fields.setdefault("kill_grace", 0.3)
        fields.setdefault("cwd", str(self.cwd))
        environment = {"PATH": os.environ["PATH"], MARK: mark} | (env or {})
        return Attempt(self.pool.spawn(RunnerSpec(argv=argv, env=environment, **fields)), mark)

    def shell(self, script: str, **fields: Any) -> Attempt:
        return self.start("/bin/sh", "-c", script, **fields)

    def python(self, script: str, **fields: Any) -> Attempt:
        return self.start(sys.executable, "-I", "-S", "-u", "-c", script, **fields)

    def survivors(self) -> list[int]:
        return [pid for mark in self._marks for pid in marked(mark)]


def marked(mark: str) -> list[int]:
    """Processes that live with this mark; a zombie has no environment any more."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environment = Path("/proc", name, "environ").read_bytes()
            except OSError:
                continue
            if wanted in environment.split(b"\0"):
                found.append(int(name))
    return found


def eventually(condition: Callable[[], bool], *, seconds: float = 8) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def status_line(pid: int, name: str) -> int:
    """A figure of /proc/<pid>/status, such as VmRSS in kilobytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0
