"""PURE: what the role that a datasource logs in with may do, whether that is too much, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

MOST_NAMES = 20  # of tables and schemas kept and shown for each power


class Power(StrEnum):
    """One thing that a role may do beyond reading what it was made for; the worst first."""

    SUPERUSER = "superuser"
    PROGRAMS = "programs"
    FILES = "files"
    ROLES = "roles"
    DEFINE = "define"
    WRITE = "write"
    OTHERS = "others"
    WRITABLE_FILE = "writable_file"


DANGEROUS = frozenset({Power.SUPERUSER, Power.PROGRAMS, Power.FILES, Power.ROLES})
WRITING = frozenset({Power.DEFINE, Power.WRITE})


@dataclass(frozen=True, kw_only=True)
class Held:
    """A power, and on what: tables, schemas, server roles. No names: everywhere."""

    power: Power
    names: tuple[str, ...] = ()

    @classmethod
    def on(cls, power: Power, names: Iterable[str]) -> Held:
        kept = list(names)[: MOST_NAMES + 1]
        return cls(power=power, names=tuple(kept[:MOST_NAMES] + (["…"] if len(kept) > MOST_NAMES else [])))

    def is_warning(self, *, read_only: bool) -> bool:
        """Whether it is more than the datasource needs; the rest is only worth knowing."""
        return self.power in DANGEROUS or (read_only and self.power in WRITING)


@dataclass(frozen=True, kw_only=True)
class RoleReport:
    """What the database said about the role we log in with."""

    role: str = ""
    held: tuple[Held, ...] = field(default=())

    def as_json(self) -> list[dict[str, Any]]:
        return [{"power": str(each.power), "names": list(each.names)} for each in self.held]

    @classmethod
    def of(cls, role: str, stored: Sequence[Mapping[str, Any]]) -> RoleReport:
        """From what `as_json` gave; a power that this version does not know is left out."""
        known = {str(power) for power in Power}
        held = [
            Held(power=Power(each["power"]), names=tuple(map(str, each.get("names", ()))))
            for each in stored
            if each.get("power") in known
        ]
        return cls(role=role, held=tuple(sorted(held, key=lambda each: list(Power).index(each.power))))

    def warnings(self, *, read_only: bool) -> list[str]:
        """A sentence for each power that the datasource does not need."""
        return [sentence(each) for each in self.held if each.is_warning(read_only=read_only)]


def sentence(held: Held) -> str:
    """What the role may do, in the active language."""
    words = _sentences()[held.power]
    return f"{words} ({', '.join(held.names)})" if held.names else words


def advice(held: Held, *, read_only: bool) -> str:
    """What to do about it; empty when nothing needs to be done."""
    if not read_only and held.power in WRITING | {Power.WRITABLE_FILE}:
        return ""
    return _advice()[held.power]


def _sentences() -> dict[Power, str]:
    return {
        Power.SUPERUSER: _("The database user is a superuser: no right of the database holds it back."),
        Power.PROGRAMS: _("The database user may run programs on the database server."),
        Power.FILES: _("The database user may read or write files on the database server."),
        Power.ROLES: _("The database user may make users or give rights to others."),
        Power.DEFINE: _("The database user could create, change or drop tables."),
        Power.WRITE: _("The database user could write rows."),
        Power.OTHERS: _("The database user also sees other schemas or databases."),
        Power.WRITABLE_FILE: _("The portal's account may write the file."),
    }


def _advice() -> dict[Power, str]:
    return {
        Power.SUPERUSER: _("Make a user of its own for this datasource, with the statements below."),
        Power.PROGRAMS: _("Take this right away: who may run programs owns the server."),
        Power.FILES: _("Take this right away: files of the server are none of a datasource's business."),
        Power.ROLES: _("Take this right away: a datasource manages no users."),
        Power.DEFINE: _("Reading needs no such right: use a user who may only SELECT."),
        Power.WRITE: _("Reading needs no such right: use a user who may only SELECT."),
        Power.OTHERS: _("If that is more than is needed, give rights on single schemas only."),
        Power.WRITABLE_FILE: _(
            "It is opened for reading only; to be safer still, make the file read-only on the server."
        ),
    }
