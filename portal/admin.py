"""Closes the admins that other packages open, and shows the housekeeping timetable to platform admins."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.models import PeriodicTask
from unfold.admin import ModelAdmin

# Whoever may edit beat's rows runs any task with any arguments; groups and guardian's rows grant anything to anybody.
CLOSED_APPS = frozenset({"auth", "django_celery_beat", "guardian", "sessions", "contenttypes", "admin"})

for model in [model for model in admin.site._registry if model._meta.app_label in CLOSED_APPS]:
    admin.site.unregister(model)


@admin.register(PeriodicTask)
class PeriodicTaskPage(ModelAdmin):  # type: ignore[misc]
    """Looked at by platform admins, written by the portal itself."""

    list_display = ["name", "enabled", "last_run_at", "total_run_count"]
    fields = ["name", "enabled", "task", "last_run_at", "total_run_count", "description"]
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    has_module_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
