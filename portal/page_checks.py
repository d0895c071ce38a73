"""A system check over the registered pages: no page of a tenant's rows goes around the base admin."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.core.checks import CheckMessage, Error, Tags, register

from accounts.admin_base import TenantAdmin
from accounts.scoping import tenant_path


@register(Tags.admin)
def check_pages(*, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    return unscoped_pages(admin.site)


def unscoped_pages(site: admin.AdminSite) -> list[CheckMessage]:
    """An error for each page over a tenant's model that is not a TenantAdmin: it would show every tenant's rows."""
    return [
        Error(
            f"The page of {model._meta.label} is not a TenantAdmin.",
            hint="Derive it from accounts.admin_base.TenantAdmin.",
            obj=type(page),
            id="portal.E010",
        )
        for model, page in site._registry.items()
        if tenant_path(model) and not isinstance(page, TenantAdmin)
    ]
