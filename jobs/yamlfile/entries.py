"""The entries of a definitions file that jobs knows, read from plain values; `script_file` and `sql_file` too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from jobs.definitions import parse_definition
from jobs.policies import CalendarPolicy, MisfirePolicy
from jobs.timetable import ScheduleSpec
from jobs.yamlfile.sections import Reading, Wanted
from portal.lib.fielderrors import FieldError, FieldErrors, field_errors, refused
from portal.lib.labels import labels_of
from portal.lib.paramtypes import Duration

FILES = {"script_file": "script", "sql_file": "sql"}  # text kept in a file of its own, and the parameter it stands for
_ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


class Entry(BaseModel):
    """Names that are not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleEntry(Entry):
    """Exactly one of cron, every, at and workdays. `calendar` is the slug of a calendar of the tenant."""

    cron: str = ""
    every: str = ""
    at: str = ""
    workdays: str = ""
    timezone: str = ""
    misfire: MisfirePolicy = MisfirePolicy.RUN_ONCE
    grace: Duration = timedelta(seconds=300)
    jitter: Duration = timedelta(0)
    calendar: str = Field(default="", max_length=80)
    calendar_policy: CalendarPolicy = CalendarPolicy.SKIP
    enabled: bool = True

    @model_validator(mode="after")
    def _one_trigger(self) -> ScheduleEntry:
        if sum(bool(text) for text in (self.cron, self.every, self.at, self.workdays)) != 1:
            raise ValueError(_("A schedule has exactly one of cron, every, at and workdays."))
        return self

    @property
    def word(self) -> str:
        return next(name for name in ("cron", "every", "at", "workdays") if getattr(self, name))

    def spec(self) -> ScheduleSpec:
        kind = {"cron": "cron", "every": "interval", "at": "once", "workdays": "workday"}[self.word]
        return ScheduleSpec(
            kind=kind,
            expression=getattr(self, self.word),
            timezone=self.timezone,
            misfire=self.misfire.value,
            grace=self.grace,
            jitter=self.jitter,
            calendar=self.calendar,
            calendar_policy=self.calendar_policy.value,
            is_enabled=self.enabled,
        )


class DatasourceEntry(Entry):
    slug: str = Field(min_length=1, max_length=50)
    kind: str
    name: str = Field(default="", max_length=100)
    description: str = Field(default="", max_length=5000)
    params: dict[str, Any] = Field(default_factory=dict)
    password: str | None = None
    read_only: bool = True
    max_affected_rows: int | None = Field(default=None, ge=0, le=2**31 - 1)
    active: bool = True


class BlackoutEntry(Entry):
    """Either from and until (moments), or weekdays with from and until (times of day)."""

    name: str = Field(min_length=1, max_length=100)
    weekdays: str = ""
    start: str = Field(alias="from", default="")
    end: str = Field(alias="until", default="")


class CalendarEntry(Entry):
    """`days` is a list of lines such as "2026-10-01 holiday National Day". What is not given stays as it is."""

    slug: str = Field(min_length=1, max_length=80)
    name: str = Field(default="", max_length=150)
    description: str = Field(default="", max_length=5000)
    timezone: str = Field(default="", max_length=64)
    weekdays: str = "mon-fri"
    days: tuple[str, ...] | None = None
    blackouts: tuple[BlackoutEntry, ...] | None = None


class ScriptEntry(Entry):
    """A SQL script of the library: other SQL or parameters than it has make a new version. `datasources` are slugs."""

    slug: str = Field(min_length=1, max_length=50)
    name: str = Field(default="", max_length=100)
    description: str = Field(default="", max_length=5000)
    datasources: tuple[str, ...] = ()
    sql: str
    parameters: tuple[Any, ...] = ()
    note: str = Field(default="", max_length=200)


class SecretEntry(Entry):
    """`value` only as ${env:NAME}: a definitions file holds no secret."""

    name: str
    description: str = Field(default="", max_length=200)
    value: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _no_secret_in_the_file(self) -> SecretEntry:
        if self.value is not None:
            check_secret(self.value, "value")
        return self


class JobEntry(Entry):
    """What a file says of a job beside its definition. What is not given stays as it is.

    `labels` are names with values, or a list such as [team=payments, urgent].
    """

    slug: str = Field(min_length=1, max_length=80)
    labels: Annotated[dict[str, str], BeforeValidator(labels_of)] | None = None
    schedules: tuple[ScheduleEntry, ...] | None = None
    enabled: bool | None = None


def read_datasource(value: Any, reading: Reading) -> Wanted:
    entry = parsed(DatasourceEntry, value)
    if entry.password is not None and not _ENV.search(entry.password):
        words = _("Don't write a password into the file: write ${env:NAME}, and set that variable.")
        raise FieldErrors.of("password", words)
    params = {name: filled(text, reading.variables, f"params.{name}") for name, text in entry.params.items()}
    password = filled(entry.password, reading.variables, "password")
    return Wanted(entry=entry.model_copy(update={"params": params, "password": password}))


def read_secret(value: Any, reading: Reading) -> Wanted:
    entry = parsed(SecretEntry, value)
    return Wanted(entry=entry.model_copy(update={"value": filled(entry.value, reading.variables, "value")}))


def check_secret(text: str, field: str) -> None:
    """Nothing but ${env:NAME} stands for a secret."""
    if not _ENV.fullmatch(text):
        raise refused(field, _("Don't write a secret into the file: write ${env:NAME}, and set that variable."))


def filled(value: Any, variables: Mapping[str, str], path: str) -> Any:
    """${env:NAME} replaced by the variable; other values as they are."""
    if not isinstance(value, str):
        return value
    missing = [name for name in _ENV.findall(value) if name not in variables]
    if missing:
        words = _("The environment variable %(name)s is not set: set it, and apply again.") % {"name": missing[0]}
        raise FieldErrors.of(path, words)
    return _ENV.sub(lambda match: variables[match[1]], value)


def parsed(model: type[Any], value: Any) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise FieldErrors(field_errors(exc)) from None


def read_calendar(value: Any, reading: Reading) -> Wanted:
    return Wanted(entry=parsed(CalendarEntry, value))


def read_script(value: Any, reading: Reading) -> Wanted:
    files = ("sql_file",) if isinstance(value, dict) and "sql_file" in value else ()
    try:
        content = _with_file(value, "sql_file", reading.folder) if files else value
    except FieldErrors as refusal:
        inner = [FieldError(path=each.path.removeprefix("params."), message=each.message) for each in refusal.errors]
        raise FieldErrors(inner) from None
    return Wanted(entry=parsed(ScriptEntry, content), files=files)


def read_job(value: Any, reading: Reading) -> Wanted:
    if not isinstance(value, dict):
        raise FieldErrors.of("", _("This must be a set of names with values."))
    own = {name: value[name] for name in JobEntry.model_fields if name in value}
    rest = {name: item for name, item in value.items() if name not in own}
    params = rest.get("params")
    files = [name for name in FILES if isinstance(params, dict) and name in params]
    errors: list[FieldError] = []
    entry = definition = None
    try:
        entry = parsed(JobEntry, own)
    except FieldErrors as refusal:
        errors += refusal.errors
    try:
        for name in files:
            rest["params"] = _with_file(rest["params"], name, reading.folder)
        definition = parse_definition(rest)
    except FieldErrors as refusal:
        errors += [at_file(error, files) for error in refusal.errors]
    if errors:
        raise FieldErrors(errors)
    return Wanted(entry=entry, definition=definition, files=tuple(files))


def at_file(error: FieldError, files: Sequence[str]) -> FieldError:
    """A refusal of a script, at the name of the file it came from."""
    for name in files:
        if error.path == f"params.{FILES[name]}":
            return FieldError(path=f"params.{name}", message=error.message)
    return error


def _with_file(params: Mapping[str, Any], name: str, folder: Path | None) -> dict[str, Any]:
    target, value = FILES[name], params[name]
    if target in params:
        raise _no_file(name, _("Give %(one)s or %(other)s, not both.") % {"one": target, "other": name})
    if not isinstance(value, str) or not value.strip():
        raise _no_file(name, _("Name the file, relative to this one."))
    if folder is None:
        raise _no_file(name, _("There is no folder to look in when the definitions come from standard input."))
    rest = {key: item for key, item in params.items() if key != name}
    return {**rest, target: _read_file(name, value, folder.resolve())}


def _read_file(name: str, value: str, folder: Path) -> str:
    try:
        path = (folder / value).resolve()
        if path.is_relative_to(folder):
            with path.open("rb") as file:
                return file.read(settings.PORTAL_SCRIPT_MAX_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _no_file(name, _("The file “%(name)s” is not text in UTF-8.") % {"name": value}) from None
    except (OSError, ValueError):
        raise _no_file(name, _("The file “%(name)s” can't be read: check its name.") % {"name": value}) from None
    raise _no_file(name, _("The file must lie in the folder of the definitions file, or below it."))


def _no_file(name: str, sentence: str) -> FieldErrors:
    return FieldErrors([FieldError(path=f"params.{name}", message=sentence)])
