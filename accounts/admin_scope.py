"""What a request may see and touch in the admin: the permission doors, with this request's tenant and memory."""

from typing import Any, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.models import Tenant, User
from accounts.permissions import can, can_any, memberships_of, visible_to
from accounts.scoping import (
    grant_models,
    granted_model,
    has_tenant_field,
    of_tenants,
    parent_model,
    parent_name,
    tenant_path,
)


def user_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def current_tenant(request: HttpRequest) -> Tenant | None:
    """The tenant the request works in. None: a user of no tenant, or a platform admin who looks at all tenants."""
    return getattr(request, "tenant", None)


def allows(request: HttpRequest, verb: str, model: type[Model], obj: Model | None = None) -> bool:
    """`can` (or, without an object, `can_any`), asked once per request and row."""
    memory = request.__dict__.setdefault("_permission_memory", {})
    key = (verb, model, obj.pk) if obj is not None and obj.pk is not None else (verb, model, id(obj))
    if obj is not None and obj.pk is None:
        return can(user_of(request), verb, obj)
    if key not in memory:
        user = user_of(request)
        memory[key] = can_any(user, verb, model) if obj is None else can(user, verb, obj)
    return bool(memory[key])


def may_add(request: HttpRequest, model: type[Model], parent: Model | None = None) -> bool:
    """Whether the user may add a row here: in the current tenant, or below this parent."""
    if user_of(request).is_superuser:
        return True
    tenant = current_tenant(request)
    owner = getattr(parent, "tenant", None) or tenant
    if owner is None:
        return False
    probe = model()
    if has_tenant_field(model):
        probe.tenant = owner  # type: ignore[attr-defined]
    name, above = parent_name(model), parent_model(model)
    if name and above is not None and isinstance(parent, above):
        setattr(probe, name, parent)
    elif name and not has_tenant_field(model):
        return False  # a row that reaches its tenant through a parent is added on that parent's page
    return allows(request, "add", model, probe)


def narrowed(request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Only the current tenant's rows, and rows of tenants the user does not belong to (shared by a grant)."""
    tenant = current_tenant(request)
    model: type[Model] = queryset.model
    if tenant is None or tenant_path(model) is None:
        return queryset
    if user_of(request).is_superuser:
        return queryset.filter(of_tenants(model, [tenant.pk]))
    # Named, never "not one of my others": an index finds the rows of a tenant, none finds those of no tenant.
    return queryset.filter(of_tenants(model, [tenant.pk, *_sharing_tenants(request)]))


def _sharing_tenants(request: HttpRequest) -> list[int]:
    """Tenants the user does not belong to and has a grant from; asked once per request."""
    memory = request.__dict__.setdefault("_permission_memory", {})
    if "sharing" not in memory:
        user = user_of(request)
        first, *others = [_tenants_granting(table, user) for table in grant_models()]
        memory["sharing"] = sorted(set(first.union(*others)) - set(memberships_of(user)))
    sharing: list[int] = memory["sharing"]
    return sharing


def _tenants_granting(table: type[Any], user: User) -> QuerySet[Any]:
    rows = table._default_manager.filter(user=user).order_by()
    return cast("QuerySet[Any]", rows.values_list(f"content_object__{tenant_path(granted_model(table))}", flat=True))


def scoped_related(
    request: HttpRequest, model: type[Model], *, verb: str = "view", tenant_id: int | None = None
) -> QuerySet[Any]:
    """The rows of a related model that this request may choose: visible, and of one tenant.

    A model without a tenant is the platform's, and offered to platform admins only.
    """
    rows = model._default_manager.all()
    user = user_of(request)
    if tenant_path(model) is None:
        return rows if user.is_superuser else rows.none()
    if issubclass(model, User):
        return _people(request, rows, tenant_id)
    rows = visible_to(user, rows, verb)
    return rows.filter(of_tenants(model, [tenant_id])) if tenant_id is not None else narrowed(request, rows)


def _people(request: HttpRequest, rows: QuerySet[Any], tenant_id: int | None) -> QuerySet[Any]:
    """People are chosen among the members of one tenant; who may open the user admin is another question."""
    tenant = current_tenant(request)
    chosen = tenant_id if tenant_id is not None else tenant and tenant.pk
    if chosen is None:
        return rows if user_of(request).is_superuser else rows.none()
    if not user_of(request).is_superuser and chosen not in memberships_of(user_of(request)):
        return rows.none()
    return rows.filter(memberships__tenant_id=chosen)
