"""The base of the pages on which people configure alerts: rows are written through `alerts.books`."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin_base import TenantAdmin
from accounts.admin_scope import may_add, user_of
from alerts import books


class ConfiguredAdmin(TenantAdmin):
    """What is saved or deleted here is audited and makes a new version of the tenant's book."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        books.save(obj, actor=user_of(request))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        books.delete(obj, actor=user_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for obj in queryset:
                books.delete(obj, actor=user_of(request))


class WithItsParent:
    """Mixed into inlines of rows that reach their tenant through the parent: on the parent's add page too."""

    parent_model: Any

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is None:
            return may_add(request, self.parent_model)
        return bool(super().has_add_permission(request, obj))  # type: ignore[misc]
