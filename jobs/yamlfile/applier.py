"""Applying a definitions file: create and update by slug, whole or not at all; what the file is silent about stays."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from accounts.permissions import can
from accounts.tenants import create_tenant
from jobs.models import Job
from jobs.yamlfile.bundles import Bundle, Problem
from jobs.yamlfile.sections import Section, Wanted, sections
from jobs.yamlfile.writer import dump
from portal.lib.fielderrors import FieldError, FieldErrors


class ApplyRefusedError(Exception):
    """Nothing was changed; `problems` says why, each with its file and line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happened to one entry: `action` is created, updated or unchanged; `diff` is a unified diff."""

    file: str
    tenant: str
    what: str
    name: str
    action: str
    diff: str = ""


class _RolledBack(Exception):
    pass


def apply_bundles(
    bundles: Sequence[Bundle], *, actor: User | None, dry_run: bool = False, may_create_tenant: bool = False
) -> list[Change]:
    """Apply the files in one transaction. Raises ApplyRefusedError with every problem of every file.

    With `dry_run` everything is done and checked, told, and rolled back.
    """
    unread = [problem for bundle in bundles for problem in bundle.problems]
    if unread:
        raise ApplyRefusedError(unread)
    changes: list[Change] = []
    try:
        with transaction.atomic():
            for bundle in bundles:
                changes += _apply(bundle, actor, may_create_tenant)
            problems = [problem for bundle in bundles for problem in bundle.problems]
            if problems:
                raise ApplyRefusedError(problems)
            if dry_run:
                raise _RolledBack
    except _RolledBack:
        pass
    return changes


def _apply(bundle: Bundle, actor: User | None, may_create: bool) -> Iterable[Change]:
    tenant = _tenant(bundle, actor, may_create)
    if tenant is None:
        return []
    changes = []
    for section in sections():
        for wanted in bundle.wanted.get(section.name, ()):
            change = _saved(bundle, tenant, section, wanted, actor)
            if change is not None:
                changes.append(change)
    return changes


def _saved(bundle: Bundle, tenant: Tenant, section: Section, wanted: Wanted, actor: User | None) -> Change | None:
    """The change, or None after noting why it was refused; the entry's own savepoint keeps the rest usable."""
    try:
        with transaction.atomic():
            before, after = section.save(tenant, wanted, actor)
    except PermissionDenied:
        words = _("You may not do this here: ask a tenant admin for the right.")
        bundle.refuse(FieldError(path=wanted.place, message=words))
        return None
    except FieldErrors as refusal:
        for error in refusal.errors:
            bundle.refuse(error.under(wanted.place))
        return None
    name = section.key_of(wanted)
    action = "unchanged" if before == after else "updated" if before is not None else "created"
    diff = unified(before, after, f"{section.word}/{name}")
    return Change(file=bundle.name, tenant=tenant.slug, what=section.word, name=name, action=action, diff=diff)


def unified(before: Any, after: Any, name: str) -> str:
    """A unified diff of two entries as YAML; empty when they are the same."""
    old = [] if before is None else dump(before).splitlines()
    return "\n".join(difflib.unified_diff(old, dump(after).splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=2))


def _tenant(bundle: Bundle, actor: User | None, create: bool) -> Tenant | None:
    slug = bundle.tenant.strip()
    if not slug:
        bundle.refuse(FieldError(path="tenant", message=_("Say whose definitions these are: “tenant: …”.")))
        return None
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None and create and (actor is None or actor.is_superuser):
        return _created(bundle, actor, slug)
    if tenant is None or not _is_member(actor, tenant):
        words = _("There is no tenant “%(slug)s”: check the name, or add --create-tenant to make it.")
        bundle.refuse(FieldError(path="tenant", message=words % {"slug": slug[:50]}))
        return None
    return tenant


def _created(bundle: Bundle, actor: User | None, slug: str) -> Tenant | None:
    try:
        return create_tenant(actor=actor, slug=slug, name=slug)
    except DjangoValidationError as error:
        bundle.refuse(FieldError(path="tenant", message=" ".join(error.messages)))
        return None


def _is_member(actor: User | None, tenant: Tenant) -> bool:
    return actor is None or can(actor, "view", Job(tenant=tenant))
