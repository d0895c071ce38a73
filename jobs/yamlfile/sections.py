"""The sections of a definitions file, in the order in which they are applied and written.

jobs knows its own; an app above registers more when it is ready, and nothing here names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accounts.models import Tenant, User
from jobs.definitions import JobDefinition

VERSION = 1  # of the file
Saved = tuple[Any, Any]  # the entry before (None: there was none) and after


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What reading an entry may look at: where `script_file` may lie (None: nowhere), and what ${env:NAME} means."""

    folder: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One entry of the file, and where it stands ("jobs[2]")."""

    place: str = ""
    entry: Any
    definition: JobDefinition | None = None
    files: tuple[str, ...] = ()  # "script_file", when the script came from one


def as_written(wanted: Sequence[Wanted]) -> Sequence[Wanted]:
    """In the order of the file."""
    return wanted


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section: `name` in the file, `word` for one of its entries in what is told.

    `key` is the field of an entry by which it is known. `read` makes an entry of plain values and raises FieldErrors
    with paths inside the entry; `save` creates or updates and raises FieldErrors or PermissionDenied; `entries` gives
    what a tenant has as plain values. `arrange` puts entries that need each other into an order in which they can be
    saved; its FieldErrors have whole paths.
    """

    name: str
    word: str
    key: str = "slug"
    read: Callable[[Any, Reading], Wanted]
    save: Callable[[Tenant, Wanted, User | None], Saved]
    entries: Callable[[Tenant], Iterable[Any]]
    arrange: Callable[[Sequence[Wanted]], Sequence[Wanted]] = as_written

    def key_of(self, wanted: Wanted) -> str:
        return str(getattr(wanted.entry, self.key))


_sections: dict[str, Section] = {}


def register(*sections: Section) -> None:
    """Behind those that are there. Again is the same as once."""
    _sections.update({section.name: section for section in sections})


def sections() -> tuple[Section, ...]:
    return tuple(_sections.values())
