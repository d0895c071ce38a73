"""The base of every admin page over tenants' rows. It asks `accounts.permissions` and closes what Django leaves open.

    class JobAdmin(TenantAdmin):
        list_display = ["name", "kind"]
        list_filter = ["kind", ("created_by", ScopedRelatedFilter)]   # a bare relation is refused by a check
        relation_verbs = {"datasource": "use"}                        # what choosing a related row needs
        import_export_fields = ["slug", "name"]                       # without it: no import, no export

The tenant is never a form field: a new row gets the current tenant, a child gets its parent's.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import NestedObjects, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import router
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from guardian.admin import ReinforcedGuardedModelAdmin
from import_export.admin import ImportExportModelAdmin
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from accounts.admin_checks import TenantAdminChecks, allowed_lookups
from accounts.admin_filters import ScopedRelatedFilter
from accounts.admin_forms import AnyModelForm, bound_form
from accounts.admin_grants import GrantPages
from accounts.admin_import import ScopedImportExport
from accounts.admin_scope import allows, current_tenant, may_add, narrowed, scoped_related, user_of
from accounts.models import Tenant
from accounts.permissions import visible_to
from accounts.scoping import has_tenant_field, tenant_id_of

__all__ = [
    "ReadOnlyTenantAdmin",
    "ScopedRelatedFilter",
    "TenantAdmin",
    "TenantInline",
    "TenantStackedInline",
    "TenantTabularInline",
]


class ScopedFields:
    """Form fields that offer, and accept, only rows of the right tenant. For admins and inlines."""

    relation_verbs: ClassVar[dict[str, str]] = {}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self._choices_of(db_field, request, kwargs.get("queryset"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self._choices_of(db_field, request, kwargs.get("queryset"))
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]

    def _choices_of(self, db_field: Any, request: HttpRequest, given: QuerySet[Any] | None) -> QuerySet[Any]:
        """A narrower queryset of the subclass is kept, never a wider one."""
        related = db_field.remote_field.model
        verb = self.relation_verbs.get(db_field.name, "view")
        tenant_id = getattr(request, "portal_form_tenant_id", None)
        rows = scoped_related(request, related, verb=verb, tenant_id=tenant_id)
        return rows if given is None else given.filter(pk__in=rows.order_by().values("pk"))

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> Sequence[str]:
        excluded = list(super().get_exclude(request, obj) or [])  # type: ignore[misc]
        return [*excluded, "tenant"] if has_tenant_field(self.model) else excluded  # type: ignore[attr-defined]


class ScopedPermissions:
    """`has_*_permission`, answered by `can`."""

    model: type[Model]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "view", obj) or self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "delete", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_add(request, self.model)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "view", None)

    def has_run_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "run", obj)

    def has_use_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "use", obj)

    def _may(self, request: HttpRequest, verb: str, obj: Any) -> bool:
        """unfold hands a primary key where Django hands an object."""
        if obj is None or isinstance(obj, self.model):
            return allows(request, verb, self.model, obj)
        try:
            found = self.model._default_manager.filter(pk=unquote(str(obj))).first()
        except (ValidationError, ValueError):
            return False
        return found is not None and allows(request, verb, self.model, found)


class TenantAdmin(  # type: ignore[misc]
    ScopedFields,
    ScopedPermissions,
    GrantPages,
    ScopedImportExport,
    ModelAdmin,  # type: ignore[misc]
    ReinforcedGuardedModelAdmin,
    ImportExportModelAdmin,  # type: ignore[misc]
):
    """For models that have a tenant, or reach one by a path."""

    checks_class = TenantAdminChecks
    change_form_template = "admin/tenant_change_form.html"  # type: ignore[misc]
    view_on_site = False
    list_filter_submit = True
    warn_unsaved_form = True

    # --- rows ---------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of lists, searches, actions and exports: visible, and of the current tenant."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[no-untyped-call]
        rows = visible_to(user_of(request), rows)
        return rows if getattr(request, "portal_every_tenant", False) else narrowed(request, rows)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """One visible row of any of the user's tenants. A foreign or missing one is a 404, before any permission."""
        request.portal_every_tenant = True  # type: ignore[attr-defined]
        try:
            found = super().get_object(request, object_id, from_field)
        finally:
            request.portal_every_tenant = False  # type: ignore[attr-defined]
        if found is None:
            raise Http404(_("There is no such entry, or you may not see it."))
        return found

    def get_urls(self) -> list[URLPattern]:
        """Every page of one object, custom ones included, starts with the 404 of a foreign object."""
        return [self._guarded(pattern) for pattern in super().get_urls()]

    def _guarded(self, pattern: URLPattern) -> URLPattern:
        names = {"object_id", "object_pk"} & set(pattern.pattern.converters)
        if not names or not isinstance(pattern, URLPattern):
            return pattern
        name, view = names.pop(), pattern.callback

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if self.admin_site.has_permission(request):
                self.get_object(request, unquote(kwargs[name]))
            answer: HttpResponse = view(request, *args, **kwargs)
            return answer

        guarded.__dict__.update(getattr(view, "__dict__", {}))
        pattern.callback = guarded
        return pattern

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what a filter of this page or the date hierarchy asks for: any other lookup is an oracle."""
        return lookup in allowed_lookups(self, request)

    # --- forms --------------------------------------------------------------------------------------------------

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        tenant_id = tenant_id_of(obj) if obj is not None else None
        tenant = current_tenant(request)
        request.portal_form_tenant_id = tenant_id or (tenant and tenant.pk)  # type: ignore[attr-defined]
        kwargs.setdefault("form", self.mixed_form(self.form, request))
        return super().get_form(request, obj, change=change, **kwargs)

    def mixed_form(self, form: type[AnyModelForm], request: HttpRequest) -> type[AnyModelForm]:
        return bound_form(form, current_tenant(request), user_of(request))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if has_tenant_field(self.model) and current_tenant(request) is None:
            if not self.has_add_permission(request):
                raise PermissionDenied
            messages.warning(request, _("Choose a tenant first: a new entry belongs to the tenant you work in."))
            return HttpResponseRedirect(reverse(f"{self.admin_site.name}:index"))
        answer: HttpResponse = super().add_view(request, form_url, extra_context)
        return answer

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """A child is of its parent's tenant, whatever was posted."""
        for child in formset.forms:
            row = child.instance
            if has_tenant_field(type(row)) and row.pk is None:
                row.tenant_id = tenant_id_of(form.instance)
        super().save_formset(request, form, formset, change)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        extra = {"show_grants_link": self.may_grant(request, object_id), **(extra_context or {})}
        answer: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return answer

    # --- deleting -------------------------------------------------------------------------------------------------

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Names only what was chosen; what goes with it, or stands in the way, is counted."""
        rows = list(objs)
        collector = NestedObjects(using=router.db_for_write(self.model), origin=rows)
        collector.collect(rows)
        found: Any = collector.model_objs
        counts = {capfirst(model._meta.verbose_name_plural): len(found[model]) for model in found}
        refused = {self.opts.verbose_name for row in rows if not self.has_delete_permission(request, row)}
        return [str(row) for row in rows], counts, refused, _counted(collector.protected)

    # --- actions --------------------------------------------------------------------------------------------------

    def permitted(self, request: HttpRequest, verb: str, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """For actions: the chosen rows to which the user may do `verb`."""
        return visible_to(user_of(request), queryset, verb)


class ReadOnlyTenantAdmin(TenantAdmin):
    """History: looked at, never written here."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TenantInline(ScopedFields, ScopedPermissions):
    """Mixed into an inline: rows, rights and choices are scoped, the tenant is the parent's."""

    form: type[AnyModelForm]
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return visible_to(user_of(request), rows)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        tenant: Tenant | None = getattr(obj, "tenant", None) or current_tenant(request)
        request.portal_form_tenant_id = tenant and tenant.pk  # type: ignore[attr-defined]
        kwargs.setdefault("form", bound_form(self.form, tenant, user_of(request)))
        return super().get_formset(request, obj, **kwargs)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_add(request, self.model, obj)

    def _may(self, request: HttpRequest, verb: str, obj: Any) -> bool:
        """Django asks an inline with the parent in hand: the question is about a child of that parent."""
        if obj is None or isinstance(obj, self.model):
            return allows(request, verb, self.model, obj)
        return self._may_below(request, verb, obj)

    def _may_below(self, request: HttpRequest, verb: str, parent: Model) -> bool:
        child = self.model()
        for key in self.model._meta.concrete_fields:
            if key.is_relation and isinstance(parent, key.related_model or ()):
                setattr(child, key.name, parent)
        if has_tenant_field(self.model):
            child.tenant_id = tenant_id_of(parent)  # type: ignore[attr-defined]
        return allows(request, verb, self.model, child)


class TenantTabularInline(TenantInline, TabularInline):  # type: ignore[misc]
    extra = 0


class TenantStackedInline(TenantInline, StackedInline):  # type: ignore[misc]
    extra = 0


def _counted(rows: Any) -> list[str]:
    """["3 runs"]: how many rows of each model."""
    counts: dict[Any, int] = {}
    for row in rows:
        counts[type(row)] = counts.get(type(row), 0) + 1
    return [f"{number} {model._meta.verbose_name_plural}" for model, number in counts.items()]
