"""Backfills: their progress, and the button that cancels them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesCheckboxFilter

from accounts.admin_base import ReadOnlyTenantAdmin, ScopedRelatedFilter
from accounts.admin_scope import allows, user_of
from jobs import backfills, look
from jobs.backfillplan import BackfillState
from jobs.models import Backfill, Job
from jobs.states import RunStatus

LOOKS = {
    BackfillState.ACTIVE: ("live", "progress_activity"),
    BackfillState.DONE: ("good", "check_circle"),
    BackfillState.CANCELLED: ("plain", "block"),
}
LATEST = 50


@admin.register(Backfill)
class BackfillAdmin(ReadOnlyTenantAdmin):
    """Newest first; a row opens the backfill's page."""

    list_display = ["number", "job_link", "state_badge", "kind", "period", "counts", "made"]
    list_display_links = ["number"]
    list_filter = [("state", ChoicesCheckboxFilter), ("kind", ChoicesCheckboxFilter), ("job", ScopedRelatedFilter)]
    list_select_related = ["job", "tenant", "created_by"]
    search_fields = ["job__slug", "job__name"]
    ordering = ["-id"]
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "jobs/live_list.html"  # type: ignore[misc]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns: list[Any] = list(super().get_list_display(request))
        return columns if getattr(request, "tenant", None) else [*columns[:2], "tenant", *columns[2:]]

    @admin.display(description=gettext_lazy("backfill"), ordering="id")
    def number(self, backfill: Backfill) -> str:
        return f"#{backfill.pk}"

    @admin.display(description=gettext_lazy("job"))
    def job_link(self, backfill: Backfill) -> SafeString:
        url = reverse("admin:jobs_job_change", args=[backfill.job_id])
        return format_html('<a class="p-link p-break" href="{}">{}</a>', url, backfill.job.name)

    @admin.display(description=gettext_lazy("status"), ordering="state")
    def state_badge(self, backfill: Backfill) -> SafeString:
        return badge(backfill)

    @admin.display(description=gettext_lazy("period"))
    def period(self, backfill: Backfill) -> str:
        return f"{look.clock_time(backfill.from_at)} – {look.clock_time(backfill.to_at)}"

    @admin.display(description=gettext_lazy("released"))
    def counts(self, backfill: Backfill) -> str:
        return f"{backfill.released_count} / {backfill.total_count}"

    @admin.display(description=gettext_lazy("created"), ordering="created_at")
    def made(self, backfill: Backfill) -> SafeString:
        who = backfill.created_by.get_username() if backfill.created_by else ""
        return format_html("{}{}", look.when(backfill.created_at), f" · {who}" if who else "")

    # --- pages ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"jobs_backfill_{name}")
            for name, view in {"live": self.live_view, "cancel": self.cancel_view}.items()
        ]
        return [self._guarded(pattern) for pattern in own] + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._page(request, self.backfill_of(request, object_id), "admin/jobs/backfill/change_form.html")

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._page(request, self.backfill_of(request, object_id), "admin/jobs/backfill/_live.html")

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks first; a POST cancels, with `running` also what runs already."""
        backfill = self.backfill_of(request, object_id)
        if not allows(request, "run", Job, backfill.job):
            raise PermissionDenied
        if request.method != "POST":
            return self._page(request, backfill, "admin/jobs/backfill/cancel.html")
        if backfills.cancel_backfill(backfill, actor=user_of(request), running="running" in request.POST):
            messages.success(request, _("Backfill %(backfill)s was cancelled.") % {"backfill": backfill})
        else:
            messages.warning(request, _("Backfill %(backfill)s had ended already.") % {"backfill": backfill})
        return HttpResponseRedirect(reverse("admin:jobs_backfill_change", args=[backfill.pk]))

    def backfill_of(self, request: HttpRequest, object_id: str) -> Backfill:
        """404 for a foreign one, 403 for one the user may see but not open."""
        backfill: Backfill = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, backfill):
            raise PermissionDenied
        return backfill

    def _page(self, request: HttpRequest, backfill: Backfill, template: str) -> HttpResponse:
        counts = backfills.progress(backfill)
        slices = [
            {"label": look.look_of(status).label, "tone": look.look_of(status).tone, "count": counts[status]}
            for status in RunStatus.values
            if counts.get(status)
        ]
        if counts.get(""):
            slices.append({"label": _("Not released yet"), "tone": "plain", "count": counts[""]})
        ended = sum(
            number for status, number in counts.items() if status not in {"", RunStatus.QUEUED, RunStatus.RUNNING}
        )
        runs = backfills.runs_of(backfill).select_related("job").order_by("-pk")[:LATEST]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Backfill %(backfill)s") % {"backfill": backfill},
            "original": backfill,
            "backfill": backfill,
            "job": backfill.job,
            "badge": badge(backfill),
            "slices": slices,
            "ended": ended,
            "runs": runs,
            "is_active": backfill.state == BackfillState.ACTIVE,
            "may_run": allows(request, "run", Job, backfill.job),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)


def badge(backfill: Backfill) -> SafeString:
    tone, icon = LOOKS[BackfillState(backfill.state)]
    return format_html(
        '<span class="p-badge p-badge--{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
        "<span>{}</span></span>",
        tone,
        icon,
        backfill.get_state_display(),
    )
