"""Secrets: names for everybody who may look, values for nobody."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin_base import TenantAdmin
from accounts.admin_scope import user_of
from datasources import connections
from datasources.admin.forms import SecretForm
from datasources.models import Secret


@admin.register(Secret)
class SecretAdmin(TenantAdmin):
    form = SecretForm
    list_display = ["name", "description", "updated_at", "created_by"]
    list_select_related = ["created_by"]
    search_fields = ["name", "description"]

    def get_fieldsets(self, request: HttpRequest, obj: Secret | None = None) -> Any:
        may_edit = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return [(None, {"fields": ["name", "description", *(["value"] if may_edit else [])]})]

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:
        connections.save_secret(obj, actor=user_of(request), value=form.cleaned_data.get("value", ""))
