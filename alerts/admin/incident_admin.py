"""The incident board, and the page of one incident. Rows are written by `alerts.incidents` alone."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesCheckboxFilter

from accounts.admin_base import ReadOnlyTenantAdmin
from accounts.admin_scope import allows, narrowed, user_of
from accounts.permissions import visible_to
from alerts.admin import incident_page, incident_trend, incident_views
from alerts.admin.incident_columns import IncidentColumns
from alerts.admin.incident_deeds import DEEDS, do_to_many
from alerts.admin.incident_filters import LabelFilter, OpenedFilter, OwnerFilter, RuleFilter, rules_of
from alerts.admin.incident_list import IncidentChangeList
from alerts.models import Incident
from alerts.queries.board import search
from jobs.admin.run_list import CappedPaginator
from jobs.models import Job

BULK = ("acknowledge", "snooze_1h", "snooze_4h", "snooze_tomorrow", "assign_me", "resolve")


def bulk(name: str) -> Any:
    """The deed as an action of the list."""

    @admin.action(description=DEEDS[name].label, permissions=[DEEDS[name].verb])  # type: ignore[arg-type]
    def act(model_admin: "IncidentAdmin", request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        do_to_many(request, queryset, name)

    act.__name__ = f"{name}_chosen"
    return act


@admin.register(Incident)
class IncidentAdmin(IncidentColumns, ReadOnlyTenantAdmin):  # type: ignore[misc]
    """Open ones first."""

    list_display = ["what", "urgency", "state", "since", "who", "told", "buttons"]
    list_display_links = None
    list_filter = [
        ("status", ChoicesCheckboxFilter),
        ("severity", ChoicesCheckboxFilter),
        ("kind", ChoicesCheckboxFilter),
        OpenedFilter,
        OwnerFilter,
        LabelFilter,
        RuleFilter,
    ]
    list_filter_submit = True
    list_select_related = ["owner", "tenant"]
    list_per_page = 50
    search_fields = ["cause"]  # that there is a search; `get_search_results` does it
    search_help_text = gettext_lazy("Search by number, alert, job or cause")
    ordering = ["-id"]
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_fullwidth = True
    actions = [bulk(name) for name in BULK]  # type: ignore[assignment]
    change_list_template = "jobs/live_list.html"  # type: ignore[misc]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns: list[Any] = list(super().get_list_display(request))
        return columns if getattr(request, "tenant", None) else [columns[0], "tenant", *columns[1:]]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[IncidentChangeList]:
        return IncidentChangeList

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        jobs = narrowed(request, visible_to(user_of(request), Job.objects.all()))
        return search(queryset, rules_of(request), jobs, search_term), False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With `_live`, only the rows: what the page asks for to keep itself up to date."""
        is_live = "_live" in request.GET
        if is_live:
            query = request.GET.copy()
            del query["_live"]
            request.GET = query  # type: ignore[assignment]
            request.META["QUERY_STRING"] = query.urlencode()  # buttons lead back to the page, not to a part of it
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if is_live and isinstance(answer, TemplateResponse):
            answer.template_name = "admin/alerts/incident/_list_live.html"
        return answer

    # --- actions ------------------------------------------------------------------------------------------------------

    def has_acknowledge_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return allows(request, "acknowledge", Incident, obj)

    def has_resolve_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return allows(request, "resolve", Incident, obj)

    # --- pages --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"alerts_incident_{name}")
            for name, view in {"live": self.live_view, "deed": self.deed_view, "evidence": self.evidence_view}.items()
        ]
        trend = path("trend/", self.admin_site.admin_view(self.trend_view), name="alerts_incident_trend")
        return [trend, *(self._guarded(pattern) for pattern in own), *super().get_urls()]

    def trend_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, **incident_trend.context(request)}
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/alerts/incident/trend.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method != "GET":
            raise PermissionDenied
        return self._page(request, object_id, "admin/alerts/incident/change_form.html")

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The part of the page that keeps itself up to date."""
        return self._page(request, object_id, "admin/alerts/incident/_live.html")

    def deed_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return incident_views.deed(request, self.incident_of(request, object_id))

    def evidence_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        return incident_views.evidence(request, self.incident_of(request, object_id))

    def incident_of(self, request: HttpRequest, object_id: str) -> Incident:
        """404 for a foreign incident, 403 for one the user may not see."""
        incident = cast(Incident, self.get_object(request, unquote(object_id)))
        if not self.has_view_permission(request, incident):
            raise PermissionDenied
        return incident

    def _page(self, request: HttpRequest, object_id: str, template: str) -> HttpResponse:
        incident = self.incident_of(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            **incident_page.context(request, incident),
            "opts": self.opts,
            "original": incident,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)
