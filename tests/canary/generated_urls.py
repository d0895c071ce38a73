"""The base admin over every tenant model, with everything it offers switched on: all filters, import, inlines."""

from django.contrib.auth.models import Permission
from django.db import models
from django.urls import path

from accounts.admin_base import ScopedRelatedFilter, TenantAdmin, TenantTabularInline
from accounts.models import AuditEntry, Membership, Tenant, User
from portal.sites import PortalAdminSite
from portal.urls import urlpatterns as portal_patterns
from tests.canary.rows import tenant_models

site = PortalAdminSite(name="admin")


def plain_fields(model):
    kinds = models.CharField | models.TextField | models.BooleanField | models.IntegerField
    fields = [field for field in model._meta.concrete_fields if field.editable and not field.primary_key]
    return [field for field in fields if isinstance(field, kinds) and not field.is_relation]


def relations(model):
    keys = [field for field in model._meta.concrete_fields if field.is_relation and field.name != "tenant"]
    return [field for field in keys if field.editable]


def children(model):
    for relation in model._meta.related_objects:
        child = relation.related_model
        if relation.many_to_many:
            continue  # a field of the other model's form, which has no key to hang an inline on
        if child in REGISTERED and relation.field.name != "tenant" and child is not model and not relation.field.null:
            yield type(
                f"{child.__name__}Inline", (TenantTabularInline,), {"model": child, "fk_name": relation.field.name}
            )


def page(model):
    plain = [field.name for field in plain_fields(model)]
    related = [field.name for field in relations(model) if field.related_model is not Permission]
    texts = [field.name for field in plain_fields(model) if isinstance(field, models.CharField | models.TextField)]
    options = {
        "list_display": ["pk", *plain, *related],
        "list_filter": [*plain, *[(name, ScopedRelatedFilter) for name in related]],
        "search_fields": texts,
        "inlines": list(children(model)),
        "import_export_fields": [*plain, *related],
    }
    return type(f"{model.__name__}Page", (TenantAdmin,), options)


REGISTERED = [model for model in tenant_models() if model not in {AuditEntry, Membership, Tenant, User}]
for each in REGISTERED:
    site.register(each, page(each))

urlpatterns = [
    path("admin/", site.urls),
    *(each for each in portal_patterns if str(getattr(each, "pattern", "")) != "admin/"),
]
