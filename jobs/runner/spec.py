"""What a runner is told, and what it tells back: the worker's side. The runner's own is `order`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from jobs.runner import order

EndReason = Literal[
    "exited",  # the main process ended by itself: read exit_code or signal
    "timeout",
    "cancelled",
    "lease_expired",
    "worker_gone",
    "too_many_processes",  # more than process_limit at once
    "cannot_start",  # nothing ran: read error_code, error_subject, error
    "runner_died",  # the runner was killed; its script was killed with it
]
StartError = Literal[
    "",
    "missing_cwd",
    "missing_program",
    "missing_interpreter",
    "not_executable",
    "bad_format",
    "too_long",
    "bad_value",
    "os_error",
]
Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, kw_only=True)
class RunnerSpec:
    """One attempt. The environment is complete: nothing of the worker's own is added.

    `lease_deadline` is CLOCK_MONOTONIC seconds (`time.monotonic()`). The script gets at most two seconds
    of grace after it, so set it that much before the lease in the ledger ends.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    lease_deadline: float
    timeout: float | None = None
    kill_grace: float = 10.0
    output_cap: int = 10 * 1024 * 1024
    memory_limit: int | None = None  # bytes of address space, each process
    cpu_limit: int | None = None  # seconds, each process
    file_size_limit: int | None = None  # bytes, each file
    open_files_limit: int | None = None
    process_limit: int | None = None  # processes alive at once, looked at twice a second

    def to_wire(self) -> bytes:
        values = {name: getattr(self, name) for name in order.FIELDS} | {"env": dict(self.env)}
        return order.to_wire(tuple(values.values()))


@dataclass(frozen=True, kw_only=True)
class Started:
    """The script is on its way. Told only of scripts that live for a moment, or print."""

    pid: int
    at: datetime
    monotonic: float


@dataclass(frozen=True, kw_only=True)
class Output:
    """Whole characters, not necessarily whole lines. `at` is the arrival of the first byte."""

    stream: Stream
    at: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The attempt is over and, unless the runner died, no process of it is alive."""

    reason: EndReason
    exit_code: int | None = None
    signal: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    started_monotonic: float | None = None
    ended_monotonic: float | None = None
    peak_memory_bytes: int = 0  # of the largest process; never below the launcher's own ~10 MB
    cpu_seconds: float = 0.0  # of every process of the attempt
    output_bytes: int = 0  # passed on
    dropped_bytes: int = 0  # beyond output_cap
    truncated: bool = False
    leftover_count: int = 0  # processes beside the main one that had to be killed
    oom_hint: bool = False  # somebody else sent SIGKILL, and the kernel's OOM counter moved
    error_code: StartError = ""
    error_subject: str = ""  # the path or value that error_code is about
    error: str = ""  # one English sentence; translate by error_code


Event = Started | Output | Ended


class RunnerUnavailable(Exception):
    """No runner could be started (no processes or no memory on this host). Nothing ran: try later."""
