"""Runs one command of an attempt in a runner process and turns its end into an outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from jobs import dbclock
from jobs.engine import owners
from jobs.engine.causes import MEBIBYTE, Surroundings, cause_of
from jobs.engine.execution import Execution
from jobs.executors.base import Outcome
from jobs.executors.notes import read_note
from jobs.reasons import say
from jobs.runner.client import RunnerPool
from jobs.runner.handle import RunnerHandle
from jobs.runner.spec import Ended, Output, RunnerSpec, RunnerUnavailable
from jobs.states import ReasonCode

# The runner gives a script two seconds after the lease deadline; we ask it to begin that much earlier.
LEASE_MARGIN_SECONDS = 5.0
PROCESS_LIMIT = 1000  # of one script at once: a fork bomb ends before it takes the machine
ENDS = {
    "timeout": "timeout",
    "cancelled": "cancelled",
    "lease_expired": "lease_lost",
    "worker_gone": "lease_lost",
    "cannot_start": "cannot_start",
}


class RunnerScripts:
    """The `ScriptRunner` of one attempt."""

    def __init__(self, pool: RunnerPool, execution: Execution, *, timeout: float | None) -> None:
        self._pool = pool
        self._execution = execution
        self._timeout = timeout

    def __call__(
        self, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path, *, memory_limit: int | None = None
    ) -> Outcome:
        spec = RunnerSpec(
            argv=argv,
            env=env,
            cwd=str(cwd),
            timeout=self._timeout,
            kill_grace=settings.PORTAL_KILL_GRACE_SECONDS,
            output_cap=self._execution.writer.cap,
            lease_deadline=monotonic_of(self._execution.deadline),
            memory_limit=None if memory_limit is None else memory_limit * MEBIBYTE,
            process_limit=PROCESS_LIMIT,
        )
        try:
            handle = self._pool.spawn(spec)
        except RunnerUnavailable:
            why = say(ReasonCode.CANNOT_START, "cannot_start.no_runner")
            return Outcome.because(why, exit_code=None, end="cannot_start")
        self._execution.pid = handle.pid
        owners.note(self._execution.claimed.run.pk, self._execution.claimed.attempt.number, handle.pid)
        self._execution.on_interrupt(handle.cancel)
        self._execution.on_extend(lambda deadline: handle.extend(monotonic_of(deadline)))
        ended = self._read(handle)
        if ended is None:
            return Outcome(exit_code=None, end="lease_lost", reason_code=ReasonCode.WORKER_LOST)
        return outcome_of(ended, surroundings_of(spec))

    def _read(self, handle: RunnerHandle) -> Ended | None:
        writer = self._execution.writer
        ended: Ended | None = None
        for event in handle.events():
            if isinstance(event, Output):
                writer.write(event.text, event.stream, event.at)
            elif isinstance(event, Ended):
                ended = event
        if ended is not None and ended.truncated:
            writer.is_truncated = True
        if ended is not None and ended.leftover_count:
            words = _("%(count)s processes the script had left behind were killed.")
            writer.say(words % {"count": ended.leftover_count})
        return ended


def monotonic_of(boot_deadline: float) -> float:
    """A boot-clock deadline less the margin, on the runner's clock."""
    return time.monotonic() + (boot_deadline - dbclock.boot_seconds()) - LEASE_MARGIN_SECONDS


def surroundings_of(spec: RunnerSpec) -> Surroundings:
    return Surroundings(
        folder=spec.cwd,
        timeout=spec.timeout,
        memory_limit=spec.memory_limit,
        process_limit=spec.process_limit or 0,
        told=read_note(spec.env),
    )


def outcome_of(ended: Ended, given: Surroundings) -> Outcome:
    """The runner's last word as an outcome, with the cause in words."""
    return Outcome.because(
        cause_of(ended, given),
        exit_code=ended.exit_code,
        end=ENDS.get(ended.reason, "exited"),
        signal=ended.signal,
        peak_memory_bytes=ended.peak_memory_bytes,
        cpu_seconds=ended.cpu_seconds,
    )
