"""The run history, and the page of one run. Read-only; buttons call `jobs.runs`."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesCheckboxFilter

from accounts.admin_base import ReadOnlyTenantAdmin
from accounts.admin_scope import allows, narrowed, user_of
from accounts.permissions import visible_to
from jobs import look
from jobs.admin import run_page, run_views, why_page
from jobs.admin.run_filters import DayRangeFilter, OutcomeFilter, PartsFilter, PeriodFilter, ScopedRelatedFilter
from jobs.admin.run_list import MOST_COUNTED, CappedPaginator, RunChangeList, search
from jobs.models import Job, Run
from jobs.states import RunStatus


@admin.register(Run)
class RunAdmin(ReadOnlyTenantAdmin):
    """Newest first; a row opens the run's page."""

    list_display = ["number", "job_link", "state", "cause", "due", "late", "took", "trigger"]
    list_display_links = ["number"]
    list_filter = [
        OutcomeFilter,
        PeriodFilter,
        ("scheduled_for", DayRangeFilter),
        ("status", ChoicesCheckboxFilter),
        ("job", ScopedRelatedFilter),
        ("origin", ChoicesCheckboxFilter),
        PartsFilter,
    ]
    list_filter_submit = True
    list_select_related = ["job", "tenant", "requested_by"]
    list_per_page = 50
    search_fields = ["job__slug"]  # that there is a search; `get_search_results` does it
    search_help_text = gettext_lazy("Search by number, job or cause")
    ordering = ["-id"]
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count the whole history once per choice
    list_fullwidth = True
    import_export_fields = [
        "id", "job", "status", "origin", "scheduled_for", "started_at", "ended_at",
        "exit_code", "reason_code", "reason",
    ]  # fmt: skip
    change_form_template = "admin/jobs/run/change_form.html"  # type: ignore[misc]
    change_list_template = "jobs/live_list.html"  # type: ignore[misc]

    def has_import_permission(self, request: HttpRequest) -> bool:
        return False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns: list[Any] = list(super().get_list_display(request))
        return columns if getattr(request, "tenant", None) else [*columns[:2], "tenant", *columns[2:]]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RunChangeList]:
        return RunChangeList

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        jobs = narrowed(request, visible_to(user_of(request), Job.objects.all()))
        return search(queryset, jobs, search_term), False

    def get_export_queryset(self, request: HttpRequest) -> Any:
        """What the list shows, as far as it counts."""
        found = super().get_export_queryset(request)
        return found.filter(pk__in=list(found.values_list("pk", flat=True)[:MOST_COUNTED]))

    def get_valid_export_item_pks(self, request: HttpRequest) -> list[Any]:
        return []  # nothing is chosen row by row, and a history has millions

    # --- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("run"), ordering="id")
    def number(self, run: Run) -> str:
        return f"#{run.pk}" if run.shard_index is None else f"#{run.pk} ({run.shard_index}/{run.shard_total})"

    @admin.display(description=gettext_lazy("job"))
    def job_link(self, run: Run) -> SafeString:
        url = reverse("admin:jobs_job_change", args=[run.job_id])
        return format_html('<a class="p-link p-break" href="{}">{}</a>', url, run.job.name)

    @admin.display(description=gettext_lazy("status"))
    def state(self, run: Run) -> SafeString:
        return look.badge(run.status)

    @admin.display(description=gettext_lazy("cause"))
    def cause(self, run: Run) -> SafeString:
        text = run_page.cause_in_brief(run)
        return format_html(
            '<a class="p-quiet p-break" href="{}" title="{}" aria-label="{} #{} {}">{}</a>',
            reverse("admin:jobs_run_why", args=[run.pk]),
            text or _("Why?"),
            _("Why?"),
            run.pk,
            text,
            text[:90] or _("Why?"),
        )

    @admin.display(description=gettext_lazy("scheduled for"), ordering="scheduled_for")
    def due(self, run: Run) -> SafeString | str:
        return look.when(run.scheduled_for)

    @admin.display(description=gettext_lazy("late by"))
    def late(self, run: Run) -> SafeString:
        late = run.started_at - run.scheduled_for if run.started_at else None
        seconds = max(late.total_seconds(), 0) if late is not None else None
        return format_html('<span class="p-num p-nowrap">{}</span>', look.seconds_text(seconds))

    @admin.display(description=gettext_lazy("duration"))
    def took(self, run: Run) -> SafeString:
        if run.status == RunStatus.RUNNING and run.started_at:
            return look.running_for(run.started_at)
        took = run.ended_at - run.started_at if run.started_at and run.ended_at else None
        return format_html('<span class="p-num p-nowrap">{}</span>', look.seconds_text(took))

    @admin.display(description=gettext_lazy("trigger"))
    def trigger(self, run: Run) -> SafeString:
        who = run.requested_by.get_username() if run.requested_by else ""
        return format_html('<span class="p-nowrap">{}{}</span>', run.get_origin_display(), f" · {who}" if who else "")

    # --- pages ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"jobs_run_{name}")
            for name, view in {
                "log": self.log_view,
                "download": self.download_view,
                "live": self.live_view,
                "cancel": self.cancel_view,
                "again": self.again_view,
                "why": self.why_view,
                "again_failed": self.again_failed_view,
            }.items()
        ]
        return [self._guarded(pattern) for pattern in own] + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = self.run_of(request, object_id)
        return self._page(request, run, "admin/jobs/run/change_form.html")

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The parts of the page that change while a run is alive, each by itself."""
        part = request.GET.get("part", "")
        name = part if part in {"buttons", "events"} else "live"
        return self._page(request, self.run_of(request, object_id), f"admin/jobs/run/_{name}.html")

    def log_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return run_views.log(request, self.run_of(request, object_id))

    def download_view(self, request: HttpRequest, object_id: str) -> StreamingHttpResponse:
        return run_views.download(request, self.run_of(request, object_id))

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return run_views.cancel(request, self, self.run_of(request, object_id))

    def again_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return run_views.again(request, self, self.run_of(request, object_id))

    def why_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return why_page.of_run(request, self, self.run_of(request, object_id))

    def again_failed_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return run_views.again_failed(request, self, self.run_of(request, object_id))

    def run_of(self, request: HttpRequest, object_id: str) -> Run:
        """404 for a foreign run, 403 for one the user may see but not open."""
        run: Run = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        return run

    def _page(self, request: HttpRequest, run: Run, template: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **run_page.context(request, run),
            "opts": self.opts,
            "title": _("Run #%(number)d") % {"number": run.pk},
            "original": run,
            "may_run": allows(request, "run", Job, run.job),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)
