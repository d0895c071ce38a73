"""What a job is, as one validated value: form, API, definitions file and every revision hold one. PURE."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from django.utils.translation import gettext as _
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from jobs.executors import KINDS
from jobs.executors.base import Params
from jobs.models.job import Category
from jobs.policies import BackoffPolicy, FanOut, OverlapPolicy, RetryPolicy
from jobs.runparams import RunParam, RunParamsError, validate_run_params
from portal.lib.fielderrors import FieldError, FieldErrors, field_errors, refused
from portal.lib.paramtypes import Duration, Memory
from portal.lib.plugins import UnknownKindError

__all__ = [
    "Category",
    "DefinitionErrors",
    "FanOutRule",
    "FieldError",
    "JobDefinition",
    "NeedsRule",
    "RetryRule",
    "RunParam",
    "RunParamsError",
    "definition_errors",
    "digest",
    "parse_definition",
    "validate_run_params",
]

SHORTEST_TIMEOUT = timedelta(seconds=1)
LONGEST_TIMEOUT = timedelta(days=30)
LONGEST_DELAY = timedelta(days=7)
LONGEST_KEPT = 3650  # days
MOST_VARIABLES = 200
MOST_SHARDS = 1000
RESERVED_PREFIX = "PORTAL_"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
_QUEUE = re.compile(r"[a-z0-9_-]{1,50}")
CAPABILITY = re.compile(r"[a-z0-9][a-z0-9._:+-]{0,59}")
_EXIT_CODE = re.compile(r"[0-9]{1,3}")

# The loader and the interpreter read these before the script does: they run other code than is shown.
RESERVED_VARIABLES = frozenset({"LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "PYTHONSTARTUP"})

ExitMeaning = Literal["succeeded", "business_failure", "technical_failure"]


class DefinitionErrors(FieldErrors):
    """The definition is refused; `errors` holds one sentence per place."""


class _Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RetryRule(_Base):
    """When a technical failure is tried again; `max` counts the tries after the first."""

    max: int = Field(default=3, ge=0, le=100)
    backoff: BackoffPolicy = BackoffPolicy.EXPONENTIAL
    base: Duration = timedelta(seconds=10)
    factor: float = Field(default=2.0, ge=1, le=10)
    cap: Duration = timedelta(minutes=10)

    @field_validator("base", "cap")
    @classmethod
    def _in_bounds(cls, value: timedelta) -> timedelta:
        if not timedelta(0) <= value <= LONGEST_DELAY:
            raise ValueError(_("A delay between tries must be between 0s and 7 days."))
        return value

    def policy(self) -> RetryPolicy:
        """What the engine asks for the next delay."""
        return RetryPolicy(max=self.max, backoff=self.backoff.value, base=self.base, factor=self.factor, cap=self.cap)


class NeedsRule(_Base):
    """What a run takes of its machine; 0 says nothing. Memory in MiB."""

    memory: Memory = 0
    cpu: float = Field(default=0, ge=0, le=1024)


class FanOutRule(_Base):
    """Into what a run is split: `total` shards, or one part on every worker of the queue."""

    mode: FanOut = FanOut.NONE
    total: int | None = Field(default=None, ge=1, le=MOST_SHARDS)

    @model_validator(mode="after")
    def _total_of_shards(self) -> FanOutRule:
        if self.mode == FanOut.SHARDS and self.total is None:
            raise refused("total", _("Say into how many shards a run is split: 1 to %(most)d.") % {"most": MOST_SHARDS})
        if self.mode != FanOut.SHARDS and self.total is not None:
            raise refused("total", _("Only shards have a number: leave it out, or choose shards."))
        return self


class KeepRule(_Base):
    """How long a run and its log are kept after its end; nothing said is as the tenant keeps them.

    The newest `runs` stay however old they are.
    """

    run_days: int | None = Field(default=None, ge=1, le=LONGEST_KEPT)
    log_days: int | None = Field(default=None, ge=1, le=LONGEST_KEPT)
    runs: int = Field(default=1, ge=1, le=10_000)


class JobDefinition(_Base):
    """A job without its identity (tenant, slug) and its schedules. `params` is of the kind's Params."""

    name: str = Field(default="", max_length=150)
    description: str = Field(default="", max_length=5000)
    category: Category = Category.PROCESSING
    kind: str
    params: SerializeAsAny[Params]
    run_params: tuple[RunParam, ...] = Field(default=(), max_length=50)
    environment: dict[str, str] = Field(default_factory=dict, max_length=MOST_VARIABLES)
    secrets: tuple[str, ...] = Field(default=(), max_length=MOST_VARIABLES)
    exit_codes: dict[str, ExitMeaning] = Field(default_factory=dict)
    queue: str = "default"
    priority: int = Field(default=0, ge=-100, le=100)
    timeout: Duration = timedelta(hours=1)
    retry: RetryRule = RetryRule()
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    overlap_limit: int = Field(default=1, ge=1, le=1000)
    is_idempotent: bool = True
    requires: tuple[str, ...] = Field(default=(), max_length=20)
    needs: NeedsRule = NeedsRule()
    fan_out: FanOutRule = FanOutRule()
    keep: KeepRule = KeepRule()

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        try:
            KINDS.get(value)
        except UnknownKindError:
            raise ValueError(
                _("There is no job kind “%(kind)s”. Choose one of: %(kinds)s.")
                % {"kind": value[:30], "kinds": ", ".join(KINDS.kinds())}
            ) from None
        return value

    @field_validator("params", mode="before")
    @classmethod
    def _params_of_kind(cls, value: Any, info: ValidationInfo) -> Any:
        if "kind" not in info.data:  # refused already; its parameters can't be judged
            return Params()
        wanted = KINDS.get(info.data["kind"]).Params
        return wanted.model_validate(value.model_dump() if isinstance(value, Params) else value)

    @field_validator("run_params")
    @classmethod
    def _names_differ(cls, value: tuple[RunParam, ...]) -> tuple[RunParam, ...]:
        _refuse_repeated([param.name for param in value])
        return value

    @field_validator("environment")
    @classmethod
    def _variables(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            _check_variable(name, text)
        return value

    @field_validator("secrets")
    @classmethod
    def _secret_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not _SECRET.fullmatch(name) or name.startswith(RESERVED_PREFIX):
                raise ValueError(
                    _(
                        "“%(name)s” can't be the name of a secret: "
                        "use capital letters, digits and underscores, such as API_KEY."
                    )
                    % {"name": name[:60]}
                )
        _refuse_repeated(list(value))
        return value

    @field_validator("exit_codes", mode="before")
    @classmethod
    def _codes_as_text(cls, value: Any) -> Any:
        """{3: "succeeded"} is what people write in YAML; JSON keeps text."""
        if not isinstance(value, Mapping):
            return value
        return {str(code) if isinstance(code, int) else code: meaning for code, meaning in value.items()}

    @field_validator("exit_codes")
    @classmethod
    def _codes_in_range(cls, value: dict[str, ExitMeaning]) -> dict[str, ExitMeaning]:
        for code in value:
            if not _EXIT_CODE.fullmatch(code) or int(code) > 255:
                raise ValueError(_("“%(code)s” is not an exit code: use 0 to 255.") % {"code": code[:20]})
        return {str(int(code)): value[code] for code in sorted(value, key=int)}

    @field_validator("queue")
    @classmethod
    def _queue_name(cls, value: str) -> str:
        if not _QUEUE.fullmatch(value):
            raise ValueError(
                _("“%(name)s” can't be a queue's name: use small letters, digits, “-” and “_”, at most 50.")
                % {"name": value[:60]}
            )
        return value

    @field_validator("requires")
    @classmethod
    def _capability_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not CAPABILITY.fullmatch(name):
                raise ValueError(
                    _("“%(name)s” can't be something a worker has: write a word such as gpu or isolation:cgroup.")
                    % {"name": name[:60]}
                )
        _refuse_repeated(list(value))
        return value

    @field_validator("timeout")
    @classmethod
    def _timeout_in_bounds(cls, value: timedelta) -> timedelta:
        if not SHORTEST_TIMEOUT <= value <= LONGEST_TIMEOUT:
            raise ValueError(_("The timeout must be between 1s and 30 days."))
        return value

    @model_validator(mode="after")
    def _secrets_are_declared(self) -> JobDefinition:
        clash = sorted(set(self.environment) & set(self.secrets))
        if clash:
            raise refused(
                "environment",
                _("“%(name)s” is both a variable and a secret: rename the variable.") % {"name": clash[0]},
            )
        missing = sorted(self.params.secret_names() - set(self.secrets))
        if missing:
            raise refused(
                "secrets",
                _("${secret:%(name)s} is used, but “%(name)s” is not among the job's secrets: add it there.")
                % {"name": missing[0]},
            )
        return self


def parse_definition(data: Mapping[str, Any]) -> JobDefinition:
    """The definition in `data`; DefinitionErrors with every refusal otherwise."""
    try:
        return JobDefinition.model_validate(dict(data))
    except ValidationError as exc:
        raise DefinitionErrors(definition_errors(exc)) from None


def definition_errors(exc: ValidationError) -> list[FieldError]:
    """pydantic's refusals of a definition as sentences, one per place."""
    return field_errors(exc)


def plain(definition: JobDefinition) -> dict[str, Any]:
    """The definition as JSON: what a revision keeps and `JobDefinition.model_validate` reads back."""
    return definition.model_dump(mode="json")


def digest(definition: JobDefinition) -> str:
    """SHA-256 over the canonical JSON: equal exactly when two definitions are."""
    text = json.dumps(plain(definition), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_variable(name: str, text: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(
            _("“%(name)s” can't be the name of a variable: use letters, digits and underscores, such as REPORT_DAY.")
            % {"name": name[:60]}
        )
    if name.upper().startswith(RESERVED_PREFIX):
        raise ValueError(
            _("“%(name)s” can't be used: names that begin with PORTAL_ belong to the portal.") % {"name": name[:60]}
        )
    if name in RESERVED_VARIABLES:
        raise ValueError(_("“%(name)s” can't be set here: it changes which code runs.") % {"name": name})
    if "\0" in text or len(text) > 32_000:
        raise ValueError(_("The value of “%(name)s” is too long or contains a NUL character.") % {"name": name})


def _refuse_repeated(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(_("“%(name)s” appears twice: every name can be used once.") % {"name": name[:60]})
        seen.add(name)
