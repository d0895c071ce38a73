"""The audit trail, read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter

from accounts.admin_base import ReadOnlyTenantAdmin, ScopedRelatedFilter
from accounts.models import AuditEntry

SHOWN = ("at", "tenant", "actor", "verb", "object_type", "object_id", "summary", "details")


@admin.register(AuditEntry)
class AuditEntryPage(ReadOnlyTenantAdmin):
    list_display = ["at", "actor", "verb", "summary", "tenant"]
    list_filter = [("at", RangeDateTimeFilter), ("actor", ScopedRelatedFilter)]
    search_fields = ["verb", "summary"]
    fields = SHOWN
    readonly_fields = SHOWN
    list_select_related = ["actor", "tenant"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("-id")
