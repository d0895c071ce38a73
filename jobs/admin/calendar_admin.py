"""Calendars: the list, the form with the days as text, the year at a glance, import and export."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from accounts.admin_base import TenantAdmin, TenantStackedInline
from accounts.admin_scope import current_tenant, user_of
from jobs import icalendar, workcalendars
from jobs.admin import calendar_import
from jobs.admin.calendar_forms import BlackoutForm, CalendarForm
from jobs.admin.impact_pages import ImpactPages
from jobs.admin.schedule_form import zones
from jobs.admin.year_view import year_of
from jobs.models import Blackout, Calendar


class BlackoutInline(TenantStackedInline):
    model = Blackout
    form = BlackoutForm
    fields = ["name", "weekdays", ("start_time", "end_time"), ("starts_at", "ends_at")]
    verbose_name = gettext_lazy("blackout window")
    tab = False


@admin.register(Calendar)
class CalendarAdmin(ImpactPages, TenantAdmin):  # type: ignore[misc]
    """Written by `jobs.workcalendars` alone."""

    form = CalendarForm
    inlines = [BlackoutInline]
    list_display = ["name", "slug", "timezone", "named_days", "used_by"]
    search_fields = ["name", "slug"]
    fieldsets = [(None, {"fields": ["name", "slug", "description", "timezone", "workdays", "days"]})]
    change_form_after_template = "admin/jobs/calendar/year.html"
    change_list_template = "admin/jobs/calendar/change_list.html"  # type: ignore[misc]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        counted: QuerySet[Any] = rows.annotate(schedule_count=Count("schedules", distinct=True))
        return counted.prefetch_related("days").order_by("name", "pk")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        fields = ["name", "slug", "description", "timezone", "workdays", *(["days"] if may else [])]
        return [(None, {"fields": fields})]

    @display(description=gettext_lazy("Days"))  # type: ignore[untyped-decorator]
    def named_days(self, obj: Calendar) -> str:
        found: dict[int, int] = {}
        for day in obj.days.all():
            found[day.date.year] = found.get(day.date.year, 0) + 1
        return " · ".join(f"{year}: {count}" for year, count in sorted(found.items())) or "–"

    @display(description=gettext_lazy("Used by"), ordering="schedule_count")  # type: ignore[untyped-decorator]
    def used_by(self, obj: Calendar) -> str:
        count: int = obj.schedule_count  # type: ignore[attr-defined]
        return ngettext("%(n)d schedule", "%(n)d schedules", count) % {"n": count}

    # --- saving -------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Calendar, form: Any, change: bool) -> None:
        workcalendars.save_calendar(obj, actor=user_of(request), days=form.parsed_days)

    def after_saving(self, request: HttpRequest, obj: Calendar) -> None:
        workcalendars.blackouts_saved(obj)

    # --- pages --------------------------------------------------------------------------------------------------

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        year = _year(request.GET.get("year", ""))
        extra = {"zones": zones(), "calendar": obj, "year": year, **(extra_context or {})}
        if obj is not None:
            extra |= {"months": year_of(obj, year), "previous_year": year - 1, "next_year": year + 1}
            extra["used"] = obj.schedules.select_related("job").order_by("job__name")[:50]
        return super().changeform_view(request, object_id, form_url, extra)

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        export = path("<path:object_id>/export.ics", site.admin_view(self.export_ics), name="jobs_calendar_ics")
        wizard = path("import-days/", site.admin_view(self.import_days), name="jobs_calendar_import_days")
        return [wizard, self._guarded(export), *super().get_urls()]

    def export_ics(self, request: HttpRequest, object_id: str) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        days = [(day.date, day.kind, day.name) for day in workcalendars.days_of(obj)]
        text = icalendar.write_days(obj.name, days, stamp=timezone.now())
        headers = {"Content-Disposition": f'attachment; filename="{obj.slug}.ics"', "X-Content-Type-Options": "nosniff"}
        return HttpResponse(text, content_type="text/calendar; charset=utf-8", headers=headers)

    def import_days(self, request: HttpRequest) -> HttpResponse:
        """Choose a shipped calendar or a file, see what it changes, save."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        tenant = current_tenant(request)
        if tenant is None:
            messages.warning(request, _("Choose a tenant first: a new entry belongs to the tenant you work in."))
            return HttpResponseRedirect(reverse(f"{self.admin_site.name}:index"))
        answer = calendar_import.step(request, self, tenant)
        return answer if isinstance(answer, HttpResponse) else TemplateResponse(request, *answer)


def _year(text: str) -> int:
    today = date.today().year  # noqa: DTZ011 - only which year is shown first
    return int(text) if text.isdecimal() and 1970 <= int(text) <= 2099 else today
