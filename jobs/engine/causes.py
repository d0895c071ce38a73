"""What a script died of, in words: from what the runner saw, and from what the script itself could tell."""

from __future__ import annotations

import os
import signal as signals
from dataclasses import dataclass
from typing import Any

from jobs.reasons import Reason, quote, say
from jobs.runner.spec import Ended
from jobs.states import ReasonCode

MEBIBYTE = 1024 * 1024
NEARLY_FULL = MEBIBYTE  # what is free on a disk on which a script can't write any more
CRASHES = {
    signals.SIGSEGV: "any.crash_memory",
    signals.SIGBUS: "any.crash_memory",
    signals.SIGABRT: "any.crash_abort",
    signals.SIGILL: "any.crash_instruction",
    signals.SIGFPE: "any.crash_arithmetic",
    signals.SIGSYS: "any.crash_system_call",
    signals.SIGTRAP: "any.crash_abort",
}
TOLD = ("not_executable", "missing_cwd", "bad_format", "too_long", "bad_value")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the script was given. `memory_limit` in bytes; `told` is what the bootstrap of a Python script noted."""

    folder: str = "/"
    timeout: float | None = None
    memory_limit: int | None = None
    process_limit: int = 0
    told: str = ""


def cause_of(ended: Ended, given: Surroundings) -> Reason:
    """The reason of an end; an empty one for a script that succeeded or was cancelled."""
    if ended.reason == "timeout":
        return say(ReasonCode.TIMEOUT, seconds=given.timeout or 0)
    if ended.reason == "cannot_start":
        return _cannot_start(ended)
    if ended.reason == "runner_died":
        if ended.oom_hint:
            return say(ReasonCode.OUT_OF_MEMORY, "out_of_memory.runner")
        return say(ReasonCode.INTERNAL, "internal.runner_died")
    if ended.reason == "too_many_processes":
        return say(ReasonCode.SCRIPT_FAILED, "script_failed.too_many_processes", limit=given.process_limit)
    if ended.reason != "exited" or ended.exit_code == 0:
        return Reason()
    return _shortage(ended, given) or (_signalled(ended.signal) if ended.signal else _exited(ended.exit_code or 0))


def _shortage(ended: Ended, given: Surroundings) -> Reason | None:
    """Memory, disk or file size: what the kernel or the script itself says comes before what we find."""
    used: dict[str, Any] = {"mib": ended.peak_memory_bytes // MEBIBYTE}
    if ended.oom_hint:
        return say(ReasonCode.OUT_OF_MEMORY, **used)
    if given.told == "memory" and given.memory_limit is not None:
        return say(ReasonCode.OUT_OF_MEMORY, "out_of_memory.limit", limit=given.memory_limit // MEBIBYTE, **used)
    if given.told == "memory":
        return say(ReasonCode.OUT_OF_MEMORY, "out_of_memory.refused", **used)
    if given.told == "file_too_large" or ended.signal == signals.SIGXFSZ:
        return say(ReasonCode.SCRIPT_FAILED, "script_failed.file_too_large")
    if ended.exit_code == 1:  # a word about the business, which a script says when it is well
        return None
    free = free_bytes(given.folder)
    if given.told == "disk_full" or free < NEARLY_FULL:
        return say(ReasonCode.DISK_FULL, kib=free // 1024)
    return None


def free_bytes(folder: str) -> int:
    """What a script may still write there."""
    try:
        place = os.statvfs(folder)
    except OSError:
        return NEARLY_FULL
    return place.f_bavail * place.f_frsize


def _exited(code: int) -> Reason:
    if code == 1:
        return say(ReasonCode.BUSINESS, "any.exit_code", code=code)
    name = signal_name(code - 128)
    if name:  # how a shell tells what ended its last program
        return say(ReasonCode.SCRIPT_FAILED, "script_failed.child_signal", code=code, name=name)
    return say(ReasonCode.SCRIPT_FAILED, "any.exit_code", code=code)


def _signalled(number: int) -> Reason:
    name = signal_name(number) or str(number)
    if number == signals.SIGXCPU:
        return say(ReasonCode.SIGNAL, "signal.cpu_limit", name=name)
    crash = CRASHES.get(number)  # type: ignore[call-overload]  # a number finds its enum member
    if crash:
        return say(ReasonCode.SIGNAL, "signal.crash", name=name, meaning={"key": crash})
    return say(ReasonCode.SIGNAL, name=name)


def signal_name(number: int) -> str:
    """SIGKILL of 9; an empty string when there is no such signal."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return ""


def _cannot_start(ended: Ended) -> Reason:
    name = os.path.basename(ended.error_subject) or ended.error_subject
    if ended.error_code in ("missing_interpreter", "missing_program"):
        return say(ReasonCode.MISSING_DRIVER, "missing_driver.interpreter", name=name)
    if ended.error_code in TOLD:
        return say(ReasonCode.CANNOT_START, f"cannot_start.{ended.error_code}", name=ended.error_subject)
    return quote(ReasonCode.CANNOT_START, ended.error)
