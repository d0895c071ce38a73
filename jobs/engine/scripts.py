"""Runs one command of an attempt in a runner process and turns its end into an outcome."""

from __future__ import annotations

import os
import signal as signals
import time
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from jobs import dbclock
from jobs.engine.execution import Execution
from jobs.executors.base import Outcome
from jobs.runner.client import RunnerPool
from jobs.runner.spec import Ended, Output, RunnerSpec, RunnerUnavailable
from jobs.states import ReasonCode

# The runner gives a script two seconds after the lease deadline; we ask it to begin that much earlier.
LEASE_MARGIN_SECONDS = 5.0


class RunnerScripts:
    """The `ScriptRunner` of one attempt."""

    def __init__(self, pool: RunnerPool, execution: Execution, *, timeout: float | None) -> None:
        self._pool = pool
        self._execution = execution
        self._timeout = timeout

    def __call__(self, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> Outcome:
        writer = self._execution.writer
        spec = RunnerSpec(
            argv=argv,
            env=env,
            cwd=str(cwd),
            timeout=self._timeout,
            kill_grace=settings.PORTAL_KILL_GRACE_SECONDS,
            output_cap=writer.cap,
            lease_deadline=monotonic_of(self._execution.deadline),
        )
        try:
            handle = self._pool.spawn(spec)
        except RunnerUnavailable as error:
            return Outcome(exit_code=None, end="cannot_start", reason_code=ReasonCode.CANNOT_START, reason=str(error))
        self._execution.pid = handle.pid
        self._execution.on_interrupt(handle.cancel)
        self._execution.on_extend(lambda deadline: handle.extend(monotonic_of(deadline)))
        ended: Ended | None = None
        for event in handle.events():
            if isinstance(event, Output):
                writer.write(event.text, event.stream, event.at)
            elif isinstance(event, Ended):
                ended = event
        if ended is None:
            return Outcome(exit_code=None, end="lease_lost", reason_code=ReasonCode.WORKER_LOST)
        if ended.truncated:
            writer.is_truncated = True
        if ended.leftover_count:
            words = _("%(count)s processes the script had left behind were killed.")
            writer.say(words % {"count": ended.leftover_count})
        return outcome_of(ended, timeout=self._timeout)


def monotonic_of(boot_deadline: float) -> float:
    """A boot-clock deadline less the margin, on the runner's clock."""
    return time.monotonic() + (boot_deadline - dbclock.boot_seconds()) - LEASE_MARGIN_SECONDS


def outcome_of(ended: Ended, *, timeout: float | None) -> Outcome:
    """The runner's last word as an outcome, with the cause in words."""
    end = {
        "timeout": "timeout",
        "cancelled": "cancelled",
        "lease_expired": "lease_lost",
        "worker_gone": "lease_lost",
        "cannot_start": "cannot_start",
    }.get(ended.reason, "exited")
    code, reason = _cause(ended, timeout)
    return Outcome(
        exit_code=ended.exit_code,
        end=end,
        signal=ended.signal,
        reason_code=code,
        reason=reason,
        peak_memory_bytes=ended.peak_memory_bytes,
        cpu_seconds=ended.cpu_seconds,
    )


def _cause(ended: Ended, timeout: float | None) -> tuple[str, str]:
    if ended.reason == "timeout":
        words = _("The script ran longer than its time limit of %(seconds)g seconds and was ended.")
        return ReasonCode.TIMEOUT, words % {"seconds": timeout or 0}
    if ended.reason == "cannot_start":
        return _cannot_start(ended)
    if ended.reason == "runner_died":
        return ReasonCode.INTERNAL, _("The process that owned the script was killed from outside.")
    if ended.signal is not None and ended.reason == "exited":
        return _signalled(ended)
    if ended.exit_code:
        code = ReasonCode.BUSINESS if ended.exit_code == 1 else ReasonCode.SCRIPT_FAILED
        return code, _("The script ended with exit code %(code)s.") % {"code": ended.exit_code}
    return ReasonCode.NONE, ""


def _cannot_start(ended: Ended) -> tuple[str, str]:
    sentences = {
        "missing_interpreter": _("The interpreter “%(what)s” is not installed on this worker."),
        "missing_program": _("The program “%(what)s” is not installed on this worker."),
        "not_executable": _("“%(what)s” may not be executed on this worker."),
        "missing_cwd": _("The working directory “%(what)s” is not there."),
    }
    sentence = sentences.get(ended.error_code)
    if sentence is None:
        return ReasonCode.CANNOT_START, ended.error
    missing = ended.error_code in ("missing_interpreter", "missing_program")
    code = ReasonCode.MISSING_DRIVER if missing else ReasonCode.CANNOT_START
    return code, sentence % {"what": os.path.basename(ended.error_subject) or ended.error_subject}


def _signalled(ended: Ended) -> tuple[str, str]:
    number = ended.signal or 0
    try:
        name = signals.Signals(number).name
    except ValueError:
        name = str(number)
    if ended.oom_hint:
        words = _("The kernel ended the script because memory ran out; it used %(mib)s MiB.")
        return ReasonCode.OUT_OF_MEMORY, words % {"mib": ended.peak_memory_bytes // (1024 * 1024)}
    return ReasonCode.SIGNAL, _("The script was ended by signal %(name)s.") % {"name": name}
