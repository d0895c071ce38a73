"""A definitions file, read: the entries of each section, and every problem with its line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import Field, ValidationError, create_model

from jobs.yamlfile.entries import Entry
from jobs.yamlfile.reader import Document, YamlError, parts_of, read_yaml
from jobs.yamlfile.sections import VERSION, Reading, Section, Wanted, sections
from portal.lib.fielderrors import FieldError, FieldErrors, field_errors


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


@dataclass(kw_only=True)
class Bundle:
    """A definitions file. `wanted` is by section; `problems` is empty exactly when everything could be read."""

    name: str
    tenant: str = ""
    wanted: dict[str, list[Wanted]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    document: Document = field(default_factory=lambda: Document(None))

    def refuse(self, error: FieldError) -> None:
        """Note a refusal, at its line."""
        line = self.document.line_of(parts_of(error.path))
        self.problems.append(Problem(file=self.name, line=line, path=error.path, message=error.message))


class _Header(Entry):
    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    tenant: str = ""


def read_bundle(raw: bytes, *, name: str, folder: Path | None, environ: Mapping[str, str] | None = None) -> Bundle:
    """The file's entries with every problem found; `folder` is where `script_file` may lie (None: nowhere)."""
    bundle = Bundle(name=name)
    try:
        bundle.document = read_yaml(raw)
    except YamlError as error:
        bundle.problems.append(Problem(file=name, line=error.line, path="", message=error.sentence))
        return bundle
    known = sections()
    try:
        content: Any = _file_of(tuple(section.name for section in known)).model_validate(bundle.document.value)
    except ValidationError as exc:
        for found in field_errors(exc):
            bundle.refuse(_about_version(found))
        return bundle
    bundle.tenant = content.tenant
    reading = Reading(folder=folder, variables=os.environ if environ is None else environ)
    for section in known:
        bundle.wanted[section.name] = _arranged(bundle, section, getattr(content, section.name), reading)
    return bundle


@cache
def _file_of(names: tuple[str, ...]) -> type[_Header]:
    """A list of each section, and nothing else."""
    fields: dict[str, Any] = dict.fromkeys(names, (tuple[Any, ...], ()))
    return create_model("_File", __base__=_Header, **fields)


def _about_version(error: FieldError) -> FieldError:
    if error.path != "version":
        return error
    return FieldError(path="version", message=_("A definitions file begins with “version: %(n)d”.") % {"n": VERSION})


def _arranged(bundle: Bundle, section: Section, values: tuple[Any, ...], reading: Reading) -> list[Wanted]:
    found = _read_all(bundle, section, values, reading)
    try:
        return list(section.arrange(found))
    except FieldErrors as refusal:
        for error in refusal.errors:
            bundle.refuse(error)
        return []


def _read_all(bundle: Bundle, section: Section, values: tuple[Any, ...], reading: Reading) -> list[Wanted]:
    found: dict[str, Wanted] = {}
    for position, value in enumerate(values):
        place = f"{section.name}[{position}]"
        try:
            wanted = replace(section.read(value, reading), place=place)
        except FieldErrors as refusal:
            for error in refusal.errors:
                bundle.refuse(error.under(place))
            continue
        key = section.key_of(wanted)
        if key in found:
            words = _("“%(name)s” stands in this file twice: keep one of them.") % {"name": key[:60]}
            bundle.refuse(FieldError(path=f"{place}.{section.key}", message=words))
            continue
        found[key] = wanted
    return list(found.values())
