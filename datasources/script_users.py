"""Who uses the scripts of the library. What lies above registers here, so that the library needn't know it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django.db.models import Model

from accounts.models import User
from accounts.permissions import can
from datasources.models import SqlScript


class ScriptUser(Protocol):
    """One sort of thing that names scripts, such as jobs."""

    def rows(self, script: SqlScript) -> Iterable[Model]:
        """What names the script now, whoever may see it."""

    def refusal(self, script: SqlScript, *, author: User | None) -> str:
        """Why this person may not write what these things would run next; empty when they may."""

    def follow(self, script: SqlScript, *, actor: User | None) -> None:
        """The script has a new version: whatever takes the latest takes this one. In the caller's transaction."""


_users: dict[str, ScriptUser] = {}


def register(name: str, user: ScriptUser) -> None:
    """Once at start; the same name again replaces."""
    _users[name] = user


def uses(script: SqlScript, *, viewer: User | None) -> tuple[list[str], int]:
    """Names of what uses it that the viewer (None: the platform) may see, and how many more there are."""
    rows = [row for user in _users.values() for row in user.rows(script)]
    seen = [str(row) for row in rows if viewer is None or can(viewer, "view", row)]
    return seen, len(rows) - len(seen)


def refusal(script: SqlScript, *, author: User | None) -> str:
    """The first reason against a new version by this author."""
    return next((words for user in _users.values() if (words := user.refusal(script, author=author))), "")


def follow(script: SqlScript, *, actor: User | None) -> None:
    for user in _users.values():
        user.follow(script, actor=actor)
