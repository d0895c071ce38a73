"""Applying a definitions file: create and update by slug, whole or not at all; what the file is silent about stays."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from accounts.permissions import can
from accounts.tenants import create_tenant
from jobs.catalog import create_job, update_job
from jobs.labels import save_labels
from jobs.models import Job
from jobs.yamlfile.calendars import save_calendar_entry
from jobs.yamlfile.entries import Bundle, Problem, Wanted, at_file
from jobs.yamlfile.scripts import save_script
from jobs.yamlfile.sources import save_datasource, save_secret
from jobs.yamlfile.writer import dump, job_entry
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
    for section, save in _SECTIONS:
        for wanted in getattr(bundle, section):
            change = _saved(bundle, tenant, wanted, actor, save)
            if change is not None:
                changes.append(change)
    return changes


def _saved(bundle: Bundle, tenant: Tenant, wanted: Wanted, actor: User | None, save: Any) -> Change | None:
    """The change, or None after noting why it was refused; the entry's own savepoint keeps the rest usable."""
    try:
        with transaction.atomic():
            what, name, before, after = save(tenant, wanted, actor)
    except FieldErrors as refusal:
        for error in refusal.errors:
            bundle.refuse(_as_written(at_file(error, wanted.files), wanted).under(wanted.place))
        return None
    action = "unchanged" if before == after else "updated" if before is not None else "created"
    diff = unified(before, after, f"{what}/{name}")
    return Change(file=bundle.name, tenant=tenant.slug, what=what, name=name, action=action, diff=diff)


def _as_written(error: FieldError, wanted: Wanted) -> FieldError:
    """ "schedules[1].expression" is called cron, every, at or workdays in the file."""
    schedules = getattr(wanted.entry, "schedules", None) or ()
    for place, schedule in enumerate(schedules):
        for field in ("expression", "kind"):
            if error.path == f"schedules[{place}].{field}":
                return FieldError(path=f"schedules[{place}].{schedule.word}", message=error.message)
    return error


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


def _save_job(tenant: Tenant, wanted: Wanted, actor: User | None) -> tuple[str, str, Any, Any]:
    entry, definition = wanted.entry, wanted.definition
    assert definition is not None  # noqa: S101 - every job entry that was read has one
    specs = None if entry.schedules is None else [schedule.spec() for schedule in entry.schedules]
    job = Job.objects.filter(tenant=tenant, slug=entry.slug).first()
    before = None
    if job is None:
        job = create_job(
            actor=actor,
            tenant=tenant,
            slug=entry.slug,
            definition=definition,
            schedules=specs or (),
            is_enabled=True if entry.enabled is None else entry.enabled,
        )
    else:
        before = job_entry(job)
        update_job(job, actor=actor, definition=definition, schedules=specs, is_enabled=entry.enabled)
    if entry.labels is not None:
        save_labels(job, actor=actor, labels=entry.labels)
    return "job", entry.slug, before, job_entry(Job.objects.get(pk=job.pk))


_SECTIONS = [
    ("datasources", save_datasource),
    ("secrets", save_secret),
    ("calendars", save_calendar_entry),
    ("scripts", save_script),
    ("jobs", _save_job),
]
