"""The only two doors of permission: `can` and `visible_to`. Everything else asks them."""

from collections.abc import Mapping
from functools import cache
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from django.utils.module_loading import import_string

from accounts.models import Membership, User

M = TypeVar("M", bound=Model)
Actor = User | AnonymousUser


@cache
def roles() -> Mapping[str, frozenset[str]]:
    """Role name → permissions ("jobs.run_job")."""
    loaded: Mapping[str, frozenset[str]] = import_string(settings.PORTAL_ROLES)
    return loaded


def permission_name(verb: str, model: type[Model]) -> str:
    """ "run" and Job → "jobs.run_job"."""
    return f"{model._meta.app_label}.{verb}_{model._meta.model_name}"


def can(user: Actor, verb: str, obj: Model) -> bool:
    """Whether the user may do `verb` (view, add, change, delete, run, use) to this very object."""
    if not user.is_active or not user.is_authenticated:
        return False
    if user.is_superuser:
        return True
    granted = _roles_with(permission_name(verb, type(obj)))
    return Membership.objects.filter(
        user=user,
        tenant_id=obj.tenant_id,
        tenant__is_active=True,
        role__in=granted,  # type: ignore[attr-defined]
    ).exists()


def visible_to(user: Actor, queryset: QuerySet[M], verb: str = "view") -> QuerySet[M]:
    """The rows of the queryset to which the user may do `verb`."""
    if not user.is_active or not user.is_authenticated:
        return queryset.none()
    if user.is_superuser:
        return queryset
    granted = _roles_with(permission_name(verb, queryset.model))
    return queryset.filter(
        tenant__in=Membership.objects.filter(user=user, tenant__is_active=True, role__in=granted).values(
            "tenant"
        )
    )


def _roles_with(permission: str) -> list[str]:
    return [name for name, permissions in roles().items() if permission in permissions]
