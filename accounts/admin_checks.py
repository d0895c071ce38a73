"""System checks and the lookup allow-list of the base admin."""

from typing import Any

from django.contrib.admin import FieldListFilter, SimpleListFilter
from django.contrib.admin.utils import NotRelationField, get_model_from_relation
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model
from django.http import HttpRequest
from unfold.checks import UnfoldModelAdminChecks

from accounts.admin_filters import is_relation_filter_scoped
from accounts.scoping import has_tenant_field

# What Django's and unfold's filters put behind a field's name.
SUFFIXES = (
    "", "__exact", "__in", "__isnull", "__isempty", "__gte", "__gt", "__lte", "__lt",
    "_from", "_to", "_from_0", "_from_1", "_to_0", "_to_1",
)  # fmt: skip
RELATION_SUFFIXES = ("", "__exact", "__in", "__isnull", "__id__exact", "__id__in", "__pk__exact")
DATE_SUFFIXES = ("__year", "__month", "__day", "__gte", "__lt")


class TenantAdminChecks(UnfoldModelAdminChecks):  # type: ignore[misc]
    """Refuses, at start, configurations that would leak."""

    def check(self, admin_obj: Any, **kwargs: Any) -> list[CheckMessage]:
        found: list[CheckMessage] = super().check(admin_obj, **kwargs)
        return [*found, *_check_filters(admin_obj), *_check_editing(admin_obj)]


def _check_filters(admin_obj: Any) -> list[CheckMessage]:
    """A filter on a relation must be a ScopedRelatedFilter: Django's own lists every tenant's names."""
    return [
        Error(
            f"The value of 'list_filter' names the relation '{_path_of(item)}' without ScopedRelatedFilter.",
            obj=admin_obj.__class__,
            id="accounts.E001",
        )
        for item in admin_obj.list_filter or ()
        if not is_relation_filter_scoped(item, field_of(admin_obj.model, _path_of(item)))
    ]


def _check_editing(admin_obj: Any) -> list[CheckMessage]:
    """The list is edited with one answer for all rows, so that a grant on one row would open them all."""
    found: list[CheckMessage] = []
    if admin_obj.list_editable:
        text = "'list_editable' is not allowed: rights differ from row to row."
        found.append(Error(text, obj=admin_obj.__class__, id="accounts.E002"))
    named = [name for row in admin_obj.fieldsets or () for name in row[1]["fields"]] + list(admin_obj.fields or ())
    if has_tenant_field(admin_obj.model) and "tenant" in named and "tenant" not in admin_obj.readonly_fields:
        found.append(Error("The tenant is never a form field.", obj=admin_obj.__class__, id="accounts.E003"))
    return found


def allowed_lookups(admin_obj: Any, request: HttpRequest | None) -> frozenset[str]:
    """Every query key that the list's own filters and its date hierarchy understand."""
    filters = admin_obj.get_list_filter(request) if request is not None else admin_obj.list_filter
    keys: set[str] = set()
    for item in filters or ():
        keys |= _keys_of(item, admin_obj.model)
    if admin_obj.date_hierarchy:
        keys |= {f"{admin_obj.date_hierarchy}{suffix}" for suffix in DATE_SUFFIXES}
    return frozenset(keys)


def _keys_of(item: Any, model: type[Model]) -> set[str]:
    if isinstance(item, type) and issubclass(item, SimpleListFilter):
        return {str(item.parameter_name)}
    path = _path_of(item)
    field = field_of(model, path)
    suffixes = RELATION_SUFFIXES if field is not None and field.is_relation else SUFFIXES
    keys = {f"{path}{suffix}" for suffix in suffixes}
    own = getattr(item[1], "parameter_name", None) if isinstance(item, list | tuple) else None
    return keys | ({f"{own}{suffix}" for suffix in SUFFIXES} if own else set())


def _path_of(item: Any) -> str:
    """ "status", ("status", Filter) → "status"; a filter class → ""."""
    if isinstance(item, list | tuple):
        return str(item[0])
    if isinstance(item, type) and not issubclass(item, FieldListFilter):
        return ""
    return str(item)


def field_of(model: type[Model], path: str) -> "Field[Any, Any] | None":
    """The field at the end of a lookup path; None when there is none."""
    current, field = model, None
    for part in path.split("__"):
        try:
            field = current._meta.get_field(part)
            if field.is_relation:
                current = get_model_from_relation(field)
        except (FieldDoesNotExist, NotRelationField, AttributeError):
            return None
    return field  # type: ignore[return-value]
