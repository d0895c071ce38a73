"""Tenants: platform admins edit them, tenant admins see their own limits."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts import audit
from accounts.admin_base import TenantAdmin
from accounts.models import Tenant


@admin.register(Tenant)
class TenantPage(TenantAdmin):
    list_display = ["name", "slug", "is_active", "job_limit", "running_limit", "timeout_limit"]
    search_fields = ["slug", "name"]
    list_filter = ["is_active"]
    fields = [
        "slug", "name", "is_active", "job_limit", "running_limit", "timeout_limit", "log_bytes_limit",
        "run_days", "log_days",
    ]  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        verb = "accounts.tenant.changed" if change else "accounts.tenant.created"
        details = {"fields": list(form.changed_data)}
        audit.record(verb, actor=request.user, target=obj, tenant=obj, details=details)  # type: ignore[arg-type]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A tenant is switched off; its history stays."""
        return False
