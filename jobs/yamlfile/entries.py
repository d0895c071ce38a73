"""From a read document to what is to be created or changed; `script_file` and `sql_file` are read here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from jobs.definitions import DefinitionErrors, JobDefinition, parse_definition
from jobs.policies import CalendarPolicy, MisfirePolicy
from jobs.timetable import ScheduleSpec
from jobs.yamlfile.reader import Document, YamlError, read_yaml
from portal.lib.fielderrors import FieldError, field_errors, refused
from portal.lib.labels import labels_of
from portal.lib.paramtypes import Duration

VERSION = 1
FILES = {"script_file": "script", "sql_file": "sql"}  # text kept in a file of its own, and the parameter it stands for
_ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One refusal: `file.yaml:12: jobs[2].timeout: sentence`."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.path}: {self.message}"
            if self.path
            else f"{self.file}:{self.line}: {self.message}"
        )


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleEntry(_Entry):
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


class DatasourceEntry(_Entry):
    slug: str = Field(min_length=1, max_length=50)
    kind: str
    name: str = Field(default="", max_length=100)
    description: str = Field(default="", max_length=5000)
    params: dict[str, Any] = Field(default_factory=dict)
    password: str | None = None
    read_only: bool = True
    max_affected_rows: int | None = Field(default=None, ge=0, le=2**31 - 1)
    active: bool = True


class BlackoutEntry(_Entry):
    """Either from and until (moments), or weekdays with from and until (times of day)."""

    name: str = Field(min_length=1, max_length=100)
    weekdays: str = ""
    start: str = Field(alias="from", default="")
    end: str = Field(alias="until", default="")


class CalendarEntry(_Entry):
    """`days` is a list of lines such as "2026-10-01 holiday National Day". What is not given stays as it is."""

    slug: str = Field(min_length=1, max_length=80)
    name: str = Field(default="", max_length=150)
    description: str = Field(default="", max_length=5000)
    timezone: str = Field(default="", max_length=64)
    weekdays: str = "mon-fri"
    days: tuple[str, ...] | None = None
    blackouts: tuple[BlackoutEntry, ...] | None = None


class ScriptEntry(_Entry):
    """A SQL script of the library: other SQL or parameters than it has make a new version. `datasources` are slugs."""

    slug: str = Field(min_length=1, max_length=50)
    name: str = Field(default="", max_length=100)
    description: str = Field(default="", max_length=5000)
    datasources: tuple[str, ...] = ()
    sql: str
    parameters: tuple[Any, ...] = ()
    note: str = Field(default="", max_length=200)


class SecretEntry(_Entry):
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
        if self.value is not None and not _ENV.fullmatch(self.value):
            raise refused("value", _("Don't write a secret into the file: write ${env:NAME}, and set that variable."))
        return self


class JobEntry(_Entry):
    """What a file says of a job beside its definition. What is not given stays as it is.

    `labels` are names with values, or a list such as [team=payments, urgent].
    """

    slug: str = Field(min_length=1, max_length=80)
    labels: Annotated[dict[str, str], BeforeValidator(labels_of)] | None = None
    schedules: tuple[ScheduleEntry, ...] | None = None
    enabled: bool | None = None


class _File(_Entry):
    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    tenant: str = ""
    datasources: tuple[Any, ...] = ()
    secrets: tuple[Any, ...] = ()
    calendars: tuple[Any, ...] = ()
    scripts: tuple[Any, ...] = ()
    jobs: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One entry of the file, and where it stands ("jobs[2]")."""

    place: str
    entry: Any
    definition: JobDefinition | None = None
    files: tuple[str, ...] = ()  # "script_file", when the script came from one


@dataclass(kw_only=True)
class Bundle:
    """A definitions file, read. `problems` is empty exactly when everything in it could be read."""

    name: str
    tenant: str = ""
    datasources: list[Wanted] = field(default_factory=list)
    secrets: list[Wanted] = field(default_factory=list)
    calendars: list[Wanted] = field(default_factory=list)
    scripts: list[Wanted] = field(default_factory=list)
    jobs: list[Wanted] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    document: Document = field(default_factory=lambda: Document(None))

    def refuse(self, error: FieldError) -> None:
        """Note a refusal, at its line."""
        line = self.document.line_of(parts_of(error.path))
        self.problems.append(Problem(file=self.name, line=line, path=error.path, message=error.message))


def read_bundle(raw: bytes, *, name: str, folder: Path | None, environ: Mapping[str, str] | None = None) -> Bundle:
    """The file's entries with every problem found; `folder` is where `script_file` may lie (None: nowhere)."""
    bundle = Bundle(name=name)
    try:
        bundle.document = read_yaml(raw)
    except YamlError as error:
        bundle.problems.append(Problem(file=name, line=error.line, path="", message=error.sentence))
        return bundle
    try:
        content = _File.model_validate(bundle.document.value)
    except ValidationError as exc:
        for found in field_errors(exc):
            bundle.refuse(_about_version(found))
        return bundle
    bundle.tenant = content.tenant
    variables = os.environ if environ is None else environ
    _read_all(bundle, "datasources", content.datasources, lambda value: _datasource(value, variables), "slug")
    _read_all(bundle, "secrets", content.secrets, lambda value: _secret(value, variables), "name")
    _read_all(
        bundle,
        "calendars",
        content.calendars,
        lambda value: Wanted(place="", entry=_parsed(CalendarEntry, value)),
        "slug",
    )
    _read_all(bundle, "scripts", content.scripts, lambda value: _script(value, folder), "slug")
    _read_all(bundle, "jobs", content.jobs, lambda value: _job(value, folder), "slug")
    return bundle


def parts_of(path: str) -> tuple[int | str, ...]:
    """ "jobs[2].retry.max" → ("jobs", 2, "retry", "max")."""
    return tuple(int(index) if index else name for index, name in _PART.findall(path))


def _about_version(error: FieldError) -> FieldError:
    if error.path != "version":
        return error
    return FieldError(path="version", message=_("A definitions file begins with “version: %(n)d”.") % {"n": VERSION})


class _Refused(Exception):
    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors


def _read_all(bundle: Bundle, section: str, values: tuple[Any, ...], read: Callable[[Any], Wanted], key: str) -> None:
    seen: set[str] = set()
    for position, value in enumerate(values):
        place = f"{section}[{position}]"
        try:
            wanted = read(value)
        except _Refused as refusal:
            for found in refusal.errors:
                bundle.refuse(found.under(place))
            continue
        name = getattr(wanted.entry, key)
        if name in seen:
            words = _("“%(name)s” stands in this file twice: keep one of them.") % {"name": name[:60]}
            bundle.refuse(FieldError(path=f"{place}.{key}", message=words))
            continue
        seen.add(name)
        getattr(bundle, section).append(
            Wanted(
                place=place,
                entry=wanted.entry,
                definition=wanted.definition,
                files=wanted.files,
            )
        )


def _datasource(value: Any, variables: Mapping[str, str]) -> Wanted:
    entry = _parsed(DatasourceEntry, value)
    if entry.password is not None and not _ENV.search(entry.password):
        words = _("Don't write a password into the file: write ${env:NAME}, and set that variable.")
        raise _Refused([FieldError(path="password", message=words)])
    params = {name: _filled(text, variables, f"params.{name}") for name, text in entry.params.items()}
    password = _filled(entry.password, variables, "password")
    return Wanted(place="", entry=entry.model_copy(update={"params": params, "password": password}))


def _secret(value: Any, variables: Mapping[str, str]) -> Wanted:
    entry = _parsed(SecretEntry, value)
    return Wanted(place="", entry=entry.model_copy(update={"value": _filled(entry.value, variables, "value")}))


def _filled(value: Any, variables: Mapping[str, str], path: str) -> Any:
    """${env:NAME} replaced by the variable; other values as they are."""
    if not isinstance(value, str):
        return value
    missing = [name for name in _ENV.findall(value) if name not in variables]
    if missing:
        words = _("The environment variable %(name)s is not set: set it, and apply again.") % {"name": missing[0]}
        raise _Refused([FieldError(path=path, message=words)])
    return _ENV.sub(lambda match: variables[match[1]], value)


def _parsed(model: type[Any], value: Any) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise _Refused(field_errors(exc)) from None


def _script(value: Any, folder: Path | None) -> Wanted:
    files = ("sql_file",) if isinstance(value, dict) and "sql_file" in value else ()
    try:
        content = _with_file(value, "sql_file", folder) if files else value
    except _Refused as refusal:
        inner = [FieldError(path=each.path.removeprefix("params."), message=each.message) for each in refusal.errors]
        raise _Refused(inner) from None
    return Wanted(place="", entry=_parsed(ScriptEntry, content), files=files)


def _job(value: Any, folder: Path | None) -> Wanted:
    if not isinstance(value, dict):
        raise _Refused([FieldError(path="", message=_("This must be a set of names with values."))])
    own = {name: value[name] for name in JobEntry.model_fields if name in value}
    rest = {name: item for name, item in value.items() if name not in own}
    params = rest.get("params")
    files = [name for name in FILES if isinstance(params, dict) and name in params]
    errors: list[FieldError] = []
    entry = definition = None
    try:
        entry = _parsed(JobEntry, own)
    except _Refused as refusal:
        errors += refusal.errors
    try:
        for name in files:
            rest["params"] = _with_file(rest["params"], name, folder)
        definition = parse_definition(rest)
    except _Refused as refusal:
        errors += refusal.errors
    except DefinitionErrors as refusal:
        errors += [at_file(error, files) for error in refusal.errors]
    if errors:
        raise _Refused(errors)
    return Wanted(place="", entry=entry, definition=definition, files=tuple(files))


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
        if not path.is_relative_to(folder):
            raise _no_file(name, _("The file must lie in the folder of the definitions file, or below it."))
        with path.open("rb") as file:
            raw = file.read(settings.PORTAL_SCRIPT_MAX_BYTES + 1)
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _no_file(name, _("The file “%(name)s” is not text in UTF-8.") % {"name": value}) from None
    except (OSError, ValueError):
        raise _no_file(name, _("The file “%(name)s” can't be read: check its name.") % {"name": value}) from None


def _no_file(name: str, sentence: str) -> _Refused:
    return _Refused([FieldError(path=f"params.{name}", message=sentence)])
