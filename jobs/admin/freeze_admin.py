"""Change freezes and blackout windows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.admin_base import TenantAdmin
from accounts.admin_scope import user_of
from jobs import freezes, freezing, look, workcalendars
from jobs.admin.calendar_forms import WEEKDAYS, BlackoutForm, FreezeForm
from jobs.admin.impact_pages import ImpactPages
from jobs.admin.schedule_form import zones
from jobs.models import Blackout, Freeze, Run
from jobs.models.freeze import FreezeState
from jobs.states import ReasonCode, RunStatus

TONES = {
    FreezeState.PLANNED: ("info", "event"),
    FreezeState.ACTIVE: ("live", "ac_unit"),
    FreezeState.ENDED: ("plain", "check"),
}


@admin.register(Freeze)
class FreezeAdmin(ImpactPages, TenantAdmin):  # type: ignore[misc]
    """Written by `jobs.freezing` alone; a freeze that has ended is history."""

    form = FreezeForm
    list_display = ["name", "reason", "state", "from_at", "until_at", "kept_back", "scope"]
    search_fields = ["name", "reason"]
    autocomplete_fields = ["exempt_jobs"]
    change_form_before_template = "admin/jobs/freeze/head.html"
    ordering = ["-starts_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """A platform admin sees those of every tenant beside the current tenant's."""
        rows: QuerySet[Any] = super().get_queryset(request)
        if user_of(request).is_superuser:
            rows = self.model._default_manager.filter(Q(pk__in=rows.order_by().values("pk")) | Q(tenant=None))
            rows = rows.order_by(*self.ordering)
        return rows

    def get_fieldsets(self, request: HttpRequest, obj: Freeze | None = None) -> Any:
        fields = ["name", "reason", "starts_at", "ends_at", "after", "exempt_jobs"]
        if user_of(request).is_superuser and obj is None:
            fields.insert(0, "every_tenant")
        return [(None, {"fields": fields})]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if isinstance(obj, Freeze) and obj.state(timezone.now()) == FreezeState.ENDED:
            return False
        return bool(super().has_change_permission(request, obj))

    # --- what is shown --------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("State"))  # type: ignore[untyped-decorator]
    def state(self, obj: Freeze) -> SafeString:
        return state_badge(obj)

    @display(description=gettext_lazy("From"), ordering="starts_at")  # type: ignore[untyped-decorator]
    def from_at(self, obj: Freeze) -> str:
        return look.absolute(obj.starts_at)

    @display(description=gettext_lazy("Until"), ordering="ends_at")  # type: ignore[untyped-decorator]
    def until_at(self, obj: Freeze) -> str:
        over = obj.over_at
        return look.absolute(over) if over else _("until it is ended")

    @display(description=gettext_lazy("Kept back"))  # type: ignore[untyped-decorator]
    def kept_back(self, obj: Freeze) -> str:
        return str(kept_back_count(obj))

    @display(description=gettext_lazy("Holds"))  # type: ignore[untyped-decorator]
    def scope(self, obj: Freeze) -> str:
        return obj.tenant.name if obj.tenant else _("Every tenant")

    # --- saving -----------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Freeze, form: Any, change: bool) -> None:
        if not change and user_of(request).is_superuser and form.cleaned_data.get("every_tenant"):
            obj.tenant = None
        freezing.save_freeze(obj, actor=user_of(request))

    def after_saving(self, request: HttpRequest, obj: Freeze) -> None:
        freezes.forget()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its rows name it: it is ended, never deleted

    # --- pages ------------------------------------------------------------------------------------------------------

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        extra: dict[str, Any] = {"freeze": obj, **(extra_context or {})}
        if obj is not None:
            may_end = self.has_change_permission(request, obj)
            extra |= {"state_badge": state_badge(obj), "may_end": may_end, "kept_back": kept_back_count(obj)}
        return super().changeform_view(request, object_id, form_url, extra)

    def get_urls(self) -> list[URLPattern]:
        end = path("<path:object_id>/end/", self.admin_site.admin_view(self.end_view), name="jobs_freeze_end")
        return [self._guarded(end), *super().get_urls()]

    def end_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks first; a POST ends the freeze, or calls it off."""
        obj = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, obj):
            raise PermissionDenied
        if request.method == "POST":
            done = freezing.end_freeze(obj, actor=user_of(request))
            words = _("The freeze “%(name)s” has ended.") if done else _("The freeze “%(name)s” was over already.")
            messages.success(request, words % {"name": obj.name})
            return HttpResponseRedirect(reverse("admin:jobs_freeze_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("End this freeze?"),
            "freeze": obj,
            "waiting": waiting_count(obj),
            "state_badge": state_badge(obj),
        }
        return TemplateResponse(request, "admin/jobs/freeze/end.html", context)


def state_badge(obj: Freeze) -> SafeString:
    state = FreezeState(obj.state(timezone.now()))
    tone, icon = TONES[state]
    return format_html(
        '<span class="p-badge p-badge--{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
        "<span>{}</span></span>",
        tone,
        icon,
        state.label,
    )


def kept_back_count(obj: Freeze) -> int:
    """Fire times that were frozen in its time; of the newest thousand rows."""
    rows = Run.objects.filter(reason_code=ReasonCode.FROZEN, scheduled_for__gte=obj.starts_at)
    if obj.over_at is not None:
        rows = rows.filter(scheduled_for__lt=obj.over_at)
    if obj.tenant_id is not None:
        rows = rows.filter(tenant=obj.tenant_id)
    return sum(args.get("freeze_id") == obj.pk for args in rows.values_list("reason_args", flat=True)[:1000])


def waiting_count(obj: Freeze) -> int:
    """Queued runs that wait for its end."""
    rows = Run.objects.filter(status=RunStatus.QUEUED, not_before__lte=timezone.now(), despite_freeze=False)
    return rows.filter(tenant=obj.tenant_id).count() if obj.tenant_id is not None else rows.count()


@admin.register(Blackout)
class BlackoutAdmin(ImpactPages, TenantAdmin):  # type: ignore[misc]
    """Windows in which nothing fires."""

    form = BlackoutForm
    list_display = ["name", "closes", "times"]
    search_fields = ["name"]
    relation_verbs = {"datasource": "view", "job": "view", "calendar": "view"}
    fieldsets = [
        (None, {"fields": ["name", "calendar", "datasource", "job"]}),
        (gettext_lazy("Weekly"), {"fields": ["weekdays", ("start_time", "end_time"), "timezone"]}),
        (gettext_lazy("Once"), {"fields": [("starts_at", "ends_at")]}),
    ]

    @display(description=gettext_lazy("Closes"))  # type: ignore[untyped-decorator]
    def closes(self, obj: Blackout) -> str:
        return " · ".join(str(each) for each in (obj.calendar, obj.datasource, obj.job) if each)

    @display(description=gettext_lazy("Times"))  # type: ignore[untyped-decorator]
    def times(self, obj: Blackout) -> str:
        if obj.starts_at is not None and obj.ends_at is not None:
            return f"{look.absolute(obj.starts_at)} – {look.absolute(obj.ends_at)}"
        days = ", ".join(str(label) for digit, label in WEEKDAYS if digit in obj.weekdays)
        return f"{days} {obj.start_time:%H:%M}–{obj.end_time:%H:%M} {obj.timezone}"

    def save_model(self, request: HttpRequest, obj: Blackout, form: Any, change: bool) -> None:
        workcalendars.save_blackout(obj, actor=user_of(request))

    def delete_model(self, request: HttpRequest, obj: Blackout) -> None:
        calendar = obj.calendar
        super().delete_model(request, obj)
        workcalendars.blackouts_saved(calendar)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return super().changeform_view(request, object_id, form_url, {"zones": zones(), **(extra_context or {})})
