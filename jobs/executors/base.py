"""What a job kind is: a class with `kind`, `label`, `Params` and one verb, `run`.

An executor sees no ORM, no status and no retry loop. It receives one frozen context and returns an `Outcome`,
or raises `ExecutorError`. Third parties add kinds through the entry-point group "portal.job_kinds".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

from django.utils.functional import Promise
from pydantic import BaseModel, ConfigDict

from datasources.target import Allowance, ConnectionTarget
from jobs.reasons import Reason, quote
from jobs.states import ReasonCode
from portal.lib.plugins import Registry

BUSINESS = 1
TECHNICAL = 2


class Params(BaseModel):
    """Base of every kind's parameters. Unknown names are refused.

    `portal.lib.paramtypes.Shown` in a field's annotation says how the admin shows it. Checks that need no I/O are
    pydantic validators.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False, frozen=True)

    def secret_names(self) -> frozenset[str]:
        """The secrets these parameters mention as ${secret:NAME}; the job must list each of them."""
        return frozenset()


class Log(Protocol):
    """Where an executor's own lines go; the engine masks secrets and stores them."""

    def __call__(self, text: str, stream: str = "stdout") -> None: ...


class ScriptRunner(Protocol):
    """Runs one command in a runner process and streams its output to the log (`jobs.engine.scripts`).

    `memory_limit` in MiB, for each process.
    """

    def __call__(
        self, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path, *, memory_limit: int | None = None
    ) -> Outcome: ...


class WriteGate(Protocol):
    """A second person's word on changes of a datasource that are too large."""

    def spend(self, slug: str, sql: str) -> Allowance | None:
        """Use the approval of this very change, if there is one."""

    def ask(self, slug: str, sql: str, affected: int | None, reason: str) -> None:
        """Ask for one; `affected` is None when the rows can't be counted or the change not undone."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything one attempt may know. Times are seconds; `deadline` is on the monotonic clock."""

    tenant: str
    job: str
    run_id: int
    attempt: int
    params: Any  # an instance of the executor's Params
    run_params: Mapping[str, Any]
    environment: Mapping[str, str]  # user's and portal's variables and secrets, ready for a script
    work_dir: Path
    timeout: float | None
    deadline: float | None
    log: Log
    run_script: ScriptRunner
    datasource: Callable[[str], ConnectionTarget]  # by slug; raises ExecutorError when the right is gone
    on_cancel: Callable[[Callable[[], None]], None]  # register what must be called to interrupt this attempt
    scheduled_for: datetime | None = None  # the nominal instant of the run
    writes: WriteGate | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended. exit 0 = success, 1 = business failure, anything else = technical failure.

    `end` is "exited", "timeout", "cancelled", "lease_lost" or "cannot_start". `reason_args` as in `jobs.reasons`:
    the key of a sentence and its arguments, or {} when `reason` is somebody else's words.
    """

    exit_code: int | None = 0
    end: str = "exited"
    signal: int | None = None
    reason_code: str = ReasonCode.NONE
    reason: str = ""
    reason_args: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    result: Any = None  # JSON
    pid: int | None = None
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None

    @classmethod
    def because(cls, why: Reason, **facts: Any) -> Outcome:
        """An outcome with a reason of `jobs.reasons`."""
        return cls(**why.columns(), **facts)


class ExecutorError(Exception):
    """A failure with an exit code and a sentence for the user: words, or a reason of `jobs.reasons`."""

    def __init__(
        self, reason: str | Reason, *, exit_code: int = TECHNICAL, reason_code: str = ReasonCode.SCRIPT_FAILED
    ) -> None:
        why = reason if isinstance(reason, Reason) else quote(reason_code, reason)
        super().__init__(why.text)
        self.exit_code = exit_code
        self.why = why
        self.reason, self.reason_code, self.reason_args = why.text, why.code, why.stored_args


class Executor(ABC):
    """One kind of job."""

    kind: ClassVar[str]
    label: ClassVar[str | Promise]
    icon: ClassVar[str] = "play_circle"  # a Material Symbols name
    Params: ClassVar[type[Params]]

    @abstractmethod
    def run(self, context: Context) -> Outcome:
        """Do the work of one attempt and say how it ended."""

    def missing(self) -> str:
        """Why this worker can't run this kind (a driver, an interpreter), or an empty string."""
        return ""


KINDS: Registry[Executor] = Registry("portal.job_kinds")
