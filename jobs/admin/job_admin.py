"""The job list and the pages of one job."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.views import ChangeList

from accounts.admin_base import TenantAdmin
from accounts.admin_scope import narrowed
from accounts.models import User
from accounts.permissions import visible_to
from jobs.admin import job_actions, job_pages, job_views, schedule_form, why_page
from jobs.admin.fire_pages import FirePages
from jobs.admin.job_columns import JobColumns
from jobs.admin.job_filters import KindFilter, LabelFilter, QueueFilter, StatusFilter
from jobs.admin.run_list import CappedPaginator, lightly
from jobs.models import Calendar, Job, Run, Schedule
from jobs.queries import job_activity


class JobChangeList(ChangeList):  # type: ignore[misc]
    """Fills each row of the page with its activity and the user's rights, in a fixed number of queries."""

    result_list: Sequence[Job]

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Job]:
        return lightly(super().get_queryset(request, *args, **kwargs))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        shown = request.GET.urlencode()
        self.live_url = f"?{shown}&_live=1" if shown else "?_live=1"
        user = cast(User, request.user)
        jobs: Sequence[Job] = list(self.result_list)
        ids = [job.pk for job in jobs]
        found = job_activity(jobs, runs=Run.objects.all(), schedules=Schedule.objects.all())
        may = {
            verb: set(visible_to(user, Job.objects.filter(pk__in=ids), verb).values_list("pk", flat=True))
            for verb in ("run", "change")
        }
        for job in jobs:
            job.activity = found[job.pk]  # type: ignore[attr-defined]
            job.may = {verb: job.pk in pks for verb, pks in may.items()}  # type: ignore[attr-defined]
        self.result_list = jobs


@admin.register(Job)
class JobAdmin(JobColumns, FirePages, TenantAdmin):  # type: ignore[misc]
    """Jobs are written by `jobs.catalog` alone; this class parses, asks and shows."""

    list_display = ["title", "state", "last_run", "next_run", "history", "buttons"]
    list_display_links = None
    list_filter = [StatusFilter, KindFilter, "category", LabelFilter, "is_enabled", QueueFilter]
    list_filter_submit = False
    search_fields = ["name", "slug", "description"]
    search_help_text = gettext_lazy("Search by name")
    ordering = ["name", "id"]
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count the whole history once per choice
    list_fullwidth = True
    actions = ["run_chosen", "enable_chosen", "disable_chosen", "delete_chosen"]
    change_form_template = "admin/jobs/job/change_form.html"  # type: ignore[misc]
    change_list_template = "jobs/live_list.html"  # type: ignore[misc]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return cast(
            "QuerySet[Job]", super().get_queryset(request).filter(archived_at=None).select_related("tenant", "revision")
        )

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns: list[Any] = list(super().get_list_display(request))
        return columns if getattr(request, "tenant", None) else [columns[0], "tenant", *columns[1:]]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[JobChangeList]:
        return JobChangeList

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found = super().get_actions(request)
        found.pop("delete_selected", None)  # ours goes through the catalogue and keeps the history
        return cast("dict[str, Any]", found)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With `_live`, only the rows: what the page asks for to keep itself up to date."""
        is_live = "_live" in request.GET
        if is_live:
            query = request.GET.copy()
            del query["_live"]
            request.GET = query  # type: ignore[assignment]
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if is_live and isinstance(answer, TemplateResponse):
            answer.template_name = "admin/jobs/job/_list_live.html"
        return answer

    # --- actions ------------------------------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Run now"), permissions=["run"])
    def run_chosen(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        done, same = job_actions.apply(request, queryset, verb="run", deed=job_actions.run_job)
        job_actions.tell(request, done, same, _("%(n)d runs were created."))

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable_chosen(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        done, same = job_actions.apply(request, queryset, verb="change", deed=job_actions.enable_job)
        job_actions.tell(request, done, same, _("%(n)d jobs were enabled."))

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable_chosen(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        done, same = job_actions.apply(request, queryset, verb="change", deed=job_actions.disable_job)
        job_actions.tell(request, done, same, _("%(n)d jobs were disabled."))

    @admin.action(description=gettext_lazy("Delete"), permissions=["delete"])
    def delete_chosen(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        if request.POST.get("confirmed") != "yes":
            context = {**self.admin_site.each_context(request), "opts": self.opts, "jobs": list(queryset[:200])}
            title = _("Delete these jobs?")
            return TemplateResponse(
                request, "admin/jobs/job/delete.html", {**context, "title": title, "action": "delete_chosen"}
            )
        done, same = job_actions.apply(request, queryset, verb="delete", deed=job_actions.delete_job)
        job_actions.tell(request, done, same, _("%(n)d jobs were deleted."))
        return None

    # --- pages --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        pages = {"run": self.run_view, "switch": self.switch_view}
        pages |= {"revisions": self.revisions_view, "why": self.why_view}
        own = [
            path(f"<path:object_id>/{name}/", site.admin_view(view), name=f"jobs_job_{name}")
            for name, view in pages.items()
        ]
        preview = path("schedule-preview/", site.admin_view(self.preview_view), name="jobs_job_schedule_preview")
        return [preview, *(self._guarded(pattern) for pattern in own), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        job = self.job_of(request, object_id) if object_id else None
        return job_pages.edit(request, self, job, extra_context or {})

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        job = self.job_of(request, object_id)
        if not self.has_delete_permission(request, job):
            raise PermissionDenied
        if request.method == "POST":
            done, same = job_actions.apply(
                request, Job.objects.filter(pk=job.pk), verb="delete", deed=job_actions.delete_job
            )
            job_actions.tell(request, done, same, _("%(n)d jobs were deleted."))
            return HttpResponseRedirect(reverse("admin:jobs_job_changelist"))
        context = {**self.admin_site.each_context(request), "opts": self.opts, "jobs": [job]}
        return TemplateResponse(request, "admin/jobs/job/delete.html", {**context, "title": _("Delete this job?")})

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return job_views.run_now(request, self, self.job_of(request, object_id))

    def why_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return why_page.of_job(request, self, self.job_of(request, object_id))

    def switch_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The row's button: a POST with enable=1 or enable=0, then back to the list."""
        job = self.job_of(request, object_id)
        if request.method == "POST":
            wanted = request.POST.get("enable") == "1"
            deed = job_actions.enable_job if wanted else job_actions.disable_job
            done, same = job_actions.apply(request, Job.objects.filter(pk=job.pk), verb="change", deed=deed)
            words = _("“%(job)s” was enabled.") if wanted else _("“%(job)s” was disabled.")
            if done:
                messages.success(request, words % {"job": job.name})
            job_actions.tell(request, 0, same, "")
        return HttpResponseRedirect(reverse("admin:jobs_job_changelist"))

    def revisions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return job_views.revisions(request, self, self.job_of(request, object_id))

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """For who may write schedules somewhere; of rows it reads only a calendar the user may see."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        slug = request.GET.get("calendar", "")[:80]
        rows = narrowed(request, visible_to(cast(User, request.user), Calendar.objects.filter(slug=slug)))
        calendar = rows.order_by("pk").first() if slug else None
        return schedule_form.preview(request.GET, now=timezone.now(), calendar=calendar)

    def job_of(self, request: HttpRequest, object_id: str) -> Job:
        job: Job = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return job
