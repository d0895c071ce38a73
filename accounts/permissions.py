"""The only two doors of permission: `can` and `visible_to`. Everything else asks them."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, Q, QuerySet
from django.utils.module_loading import import_string

from accounts.models import Membership, Tenant, User
from accounts.scoping import (
    MANAGE_PERMISSION,
    grant_model,
    is_to_many,
    of_tenants,
    parent_model,
    parent_name,
    tenant_id_of,
    tenant_path,
)

M = TypeVar("M", bound=Model)
Actor = User | AnonymousUser

WRITING = frozenset({"add", "change", "delete"})


@cache
def roles() -> Mapping[str, frozenset[str]]:
    """Role name → permissions ("jobs.run_job")."""
    loaded: Mapping[str, frozenset[str]] = import_string(settings.PORTAL_ROLES)
    return loaded


def permission_name(verb: str, model: type[Model]) -> str:
    """ "run" and Job → "jobs.run_job"."""
    return f"{model._meta.app_label}.{verb}_{model._meta.model_name}"


def can(user: Actor, verb: str, obj: Model) -> bool:
    """Whether the user may do `verb` (view, add, change, delete, run, use) to this very object.

    An unsaved object with its tenant (and parent) set may be asked about: that is how "add" is asked.
    """
    if not user.is_active or not user.is_authenticated:
        return False
    if user.is_superuser:
        return True
    model = type(obj)
    if is_to_many(model):
        return obj.pk is not None and visible_to(user, model._base_manager.filter(pk=obj.pk), verb).exists()
    tenant_id = tenant_id_of(obj)
    if tenant_id is None:
        return False
    if _role_in(user, tenant_id) in _roles_for(verb, model):
        return True
    return any(_is_granted(user, row, codename) for row, codename in _granting_rows(obj, verb))


def can_any(user: Actor, verb: str, model: type[Model]) -> bool:
    """Whether there is any tenant or any single object of this model where the user may do `verb`."""
    if not user.is_active or not user.is_authenticated:
        return False
    if user.is_superuser:
        return True
    granting = _roles_for(verb, model)
    if any(role in granting for role in memberships_of(user).values()):
        return True
    return verb != "add" and any(
        table._default_manager.filter(user=user, permission__codename=codename).exists()
        for _path, table, codename in _grant_tables(verb, model)
    )


def visible_to(user: Actor, queryset: QuerySet[M], verb: str = "view") -> QuerySet[M]:
    """The rows of the queryset to which the user may do `verb`. It adds subqueries, never a query of its own."""
    if not user.is_active or not user.is_authenticated:
        return queryset.none()
    if user.is_superuser:
        return queryset
    model = queryset.model
    tenants = _tenants_with(user, _roles_for(verb, model))
    if is_to_many(model) and verb in WRITING:
        return _only_of(tenants, queryset)
    condition = of_tenants(model, tenants)
    for path, table, codename in _grant_tables(verb, model):
        held = table._default_manager.filter(
            user=user, permission__codename=codename, content_object__tenant__is_active=True
        )
        condition |= Q(**{f"{path}__in": held.values("content_object_id")})
    return queryset.filter(condition)


def _only_of(tenants: Any, queryset: QuerySet[M]) -> QuerySet[M]:
    """Rows of several tenants (users) are read in each of them, but written only by who may write in all of them.

    A platform admin is written by platform admins only.
    """
    model = queryset.model
    path = tenant_path(model)
    elsewhere = Tenant.objects.exclude(pk__in=tenants).order_by().values("pk")
    foreign = model._base_manager.filter(**{f"{path}__in": elsewhere}).values("pk")
    rows = queryset.filter(of_tenants(model, tenants)).exclude(pk__in=foreign)
    return rows.exclude(is_superuser=True) if issubclass(model, User) else rows


def manages(user: Actor, tenant_id: int | None) -> bool:
    """Whether the user is an admin of this tenant (or of the platform)."""
    if not user.is_active or not user.is_authenticated:
        return False
    if user.is_superuser:
        return True
    permissions = roles().get(_role_in(user, tenant_id) if tenant_id else "", frozenset())
    return MANAGE_PERMISSION in permissions


def memberships_of(user: User) -> dict[int, str]:
    """Tenant id → role, active tenants only. The middleware loads it once per request and leaves it on the user."""
    if user.request_memberships is not None:
        return user.request_memberships
    rows = Membership.objects.filter(user=user, tenant__is_active=True).order_by("tenant__slug")
    return dict(rows.values_list("tenant_id", "role"))


def _role_in(user: User, tenant_id: int) -> str:
    return memberships_of(user).get(tenant_id, "")


def _tenants_with(user: User, names: frozenset[str]) -> Any:
    """The ids of the tenants where the user has one of these roles: a list when known, else a subquery."""
    if user.request_memberships is not None:
        return [tenant for tenant, role in user.request_memberships.items() if role in names]
    held = Membership.objects.filter(user=user, tenant__is_active=True, role__in=names)
    return held.order_by().values("tenant_id")


@cache
def _roles_for(verb: str, model: type[Model]) -> frozenset[str]:
    """The roles that may do `verb`. A child that no role names is read or run through its parent, never written."""
    permission = permission_name(verb, model)
    named = frozenset(name for name, permissions in roles().items() if permission in permissions)
    parent = parent_model(model)
    if named or parent is None or verb in WRITING:
        return named
    return _roles_for(verb, parent)


@cache
def _grant_tables(verb: str, model: type[Model]) -> tuple[tuple[str, type[Model], str], ...]:
    """(lookup to the granted row's id, grant table, codename) of every grant that opens `verb` on this model."""
    found: list[tuple[str, type[Model], str]] = []
    path, asked, current = "", verb, model
    while True:
        table = grant_model(current)
        if table is not None:
            found.append((path or "pk", table, f"{asked}_{current._meta.model_name}"))
        parent = parent_model(current)
        if parent is None or not _is_inherited(asked, current):
            return tuple(found)
        step = parent_name(current)
        path, asked, current = f"{path}__{step}" if path else step, _above(asked), parent


def _granting_rows(obj: Model, verb: str) -> Iterator[tuple[Model, str]]:
    """The object and its parents, each with the codename whose grant opens `verb` on the object."""
    current: Model | None = obj
    asked = verb
    while current is not None:
        model = type(current)
        if current.pk is not None and grant_model(model) is not None:
            yield current, f"{asked}_{model._meta.model_name}"
        if not parent_name(model) or not _is_inherited(asked, model):
            return
        current, asked = getattr(current, parent_name(model), None), _above(asked)


def _is_inherited(verb: str, model: type[Model]) -> bool:
    """A right on the parent opens reading the child; it opens writing only where some role writes such children."""
    return verb not in WRITING or bool(_roles_for(verb, model))


def _above(verb: str) -> str:
    """Adding or deleting a child is a change of its parent."""
    return "change" if verb in WRITING else verb


def _is_granted(user: User, row: Model, codename: str) -> bool:
    table = grant_model(type(row))
    return (
        table is not None
        and table._default_manager.filter(
            user=user,
            content_object=row,
            permission__codename=codename,
            content_object__tenant__is_active=True,
        ).exists()
    )
