"""How a row reaches its tenant, and which table holds grants on it: read from the models themselves."""

from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, ForeignKey, Model, Q
from guardian.models import UserObjectPermissionBase

from accounts.models import Tenant, User

PK = "pk"  # the tenant path of Tenant itself
MANAGE_PERMISSION = "accounts.change_membership"  # who holds it in a tenant manages that tenant


@cache
def tenant_path(model: type[Model]) -> str | None:
    """The lookup from the model to its tenant ("tenant", "run__tenant"); None: the rows belong to no tenant.

    First of: the class attribute `tenant_path`, a foreign key to Tenant, `permission_parent`, a required foreign key.
    """
    if issubclass(model, Tenant):
        return PK
    declared = getattr(model, "tenant_path", None)
    if declared:
        return str(declared)
    direct = next((key.name for key in foreign_keys(model) if key.related_model is Tenant), None)
    return direct or _path_through_a_parent(model)


def _path_through_a_parent(model: type[Model]) -> str | None:
    keys = sorted(foreign_keys(model), key=lambda key: key.name != _declared_parent(model))
    for key in keys:
        target = key.related_model
        if key.null or target is model or not isinstance(target, type) or issubclass(target, User):
            continue
        path = tenant_path(target)
        if path:
            return f"{key.name}__{path}"
    return None


def foreign_keys(model: type[Model]) -> list["ForeignKey[Any, Any]"]:
    return [field for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]


@cache
def parent_name(model: type[Model]) -> str:
    """The foreign key whose object's rights open this row too: as declared, else the first link to the tenant."""
    declared = _declared_parent(model)
    path = tenant_path(model) or ""
    if declared or "__" not in path or is_to_many(model):
        return declared
    return path.split("__")[0]


def _declared_parent(model: type[Model]) -> str:
    return str(getattr(model, "permission_parent", ""))


def parent_model(model: type[Model]) -> type[Model] | None:
    name = parent_name(model)
    target = model._meta.get_field(name).related_model if name else None
    return target if isinstance(target, type) else None


def tenant_id_of(row: Model) -> int | None:
    """The id of the row's tenant, by its path. None: a link of the path is not set, or the path is to-many."""
    path = tenant_path(type(row))
    if path is None or is_to_many(type(row)):
        return None
    if path == PK:
        return row.pk  # type: ignore[no-any-return]
    *links, last = path.split("__")
    current: Any = row
    for link in links:
        current = getattr(current, link, None) if _is_set(current, link) else None
        if current is None:
            return None
    found: int | None = getattr(current, f"{last}_id", None)
    return found


def _is_set(row: Model, link: str) -> bool:
    return getattr(row, f"{link}_id", None) is not None


@cache
def is_to_many(model: type[Model]) -> bool:
    """Whether the tenant path runs through a to-many relation (a user's memberships and their tenants)."""
    current: type[Model] = model
    for part in (tenant_path(model) or PK).split("__"):
        if part == PK:
            return False
        field = current._meta.get_field(part)
        if field.one_to_many or field.many_to_many:
            return True
        current = field.related_model  # type: ignore[assignment]
    return False


def has_tenant_field(model: type[Model]) -> bool:
    """Whether a new row must be given its tenant by the portal."""
    try:
        field = model._meta.get_field("tenant")
    except FieldDoesNotExist:
        return False
    return isinstance(field, Field) and field.related_model is Tenant


@cache
def grant_model(model: type[Model]) -> type[UserObjectPermissionBase] | None:
    """The direct-foreign-key table of grants on single rows of this model."""
    return next((table for table in grant_models() if granted_model(table) is model), None)


def granted_model(table: type[UserObjectPermissionBase]) -> type[Model]:
    """What the rows of a grant table are about."""
    return table._meta.get_field("content_object").related_model  # type: ignore[misc,no-any-return]


@cache
def grant_models() -> tuple[type[UserObjectPermissionBase], ...]:
    """Every direct grant table of the portal (guardian's generic one is not among them)."""
    return tuple(
        model
        for model in apps.get_models()
        if issubclass(model, UserObjectPermissionBase)
        and isinstance(model._meta.get_field("content_object"), ForeignKey)  # type: ignore[misc]
    )


def of_tenants(model: type[Model], tenant_ids: Any) -> Q:
    """A condition: the row belongs to one of these tenants (ids, or a subquery of ids)."""
    path = tenant_path(model)
    if path is None:
        return Q(pk__in=[])
    if is_to_many(model):
        inside = model._base_manager.filter(**{f"{path}__in": tenant_ids}).values("pk")
        return Q(pk__in=inside)
    return Q(**{f"{path}__in": tenant_ids})
