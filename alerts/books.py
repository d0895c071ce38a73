"""What people configure of alerts is written here: permission → change → audit → a new version of the tenant's book.

The version tells processes that what they remember of the tenant's rules, silences and channels is old.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import F, Model

from accounts import audit
from accounts.models import TenantOwned, User
from accounts.permissions import can
from alerts.models import RuleBook

UNTOLD = frozenset({"created_at", "updated_at", "created_by_id"})


def changed(tenant_id: int) -> None:
    """One version more. Inside the transaction of the change, so that nobody reads the new version with old rules."""
    book = RuleBook.objects.filter(tenant=tenant_id)
    if book.update(version=F("version") + 1):
        return
    try:
        with transaction.atomic():
            RuleBook.objects.create(tenant_id=tenant_id)
    except IntegrityError:  # somebody else opened the book a moment ago
        book.update(version=F("version") + 1)


def save(row: TenantOwned, *, actor: User | None) -> list[str]:
    """Create or change a row that somebody filled in; the names of its columns that are different now.

    `actor` None is the platform itself. Raises PermissionDenied.
    """
    is_new = row.pk is None
    require(actor, "add" if is_new else "change", row)
    with transaction.atomic():
        names = [] if is_new else _differences(row)
        if is_new and row.created_by_id is None:
            row.created_by = actor
        row.save()
        changed(row.tenant_id)
        _record(row, "created" if is_new else "changed", actor, {} if is_new else {"changed": names})
    return names


def delete(row: TenantOwned, *, actor: User | None) -> None:
    """Raises PermissionDenied."""
    require(actor, "delete", row)
    with transaction.atomic():
        _record(row, "deleted", actor, {})
        changed(row.tenant_id)
        row.delete()


def require(actor: User | None, verb: str, row: Model) -> None:
    if actor is not None and not can(actor, verb, row):
        raise PermissionDenied


def _differences(row: TenantOwned) -> list[str]:
    """The values themselves stay out of the trail: one of them may be a secret's ciphertext."""
    stored = type(row)._default_manager.get(pk=row.pk)
    names = [field.attname for field in row._meta.concrete_fields if field.attname not in UNTOLD]
    return [name for name in names if getattr(stored, name) != getattr(row, name)]


def _record(row: TenantOwned, what: str, actor: User | None, details: dict[str, Any]) -> None:
    audit.record(f"alerts.{row._meta.model_name}.{what}", actor=actor, target=row, details=details)
