"""What was written to people, what became of it, and how sending went. Read-only; "send again" calls a service."""

import re
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesCheckboxFilter

from accounts.admin_base import ReadOnlyTenantAdmin, ScopedRelatedFilter
from accounts.admin_scope import narrowed, user_of
from accounts.permissions import can, visible_to
from alerts import incident_look, resending, wording
from alerts.admin import notification_stats
from alerts.admin.incident_columns import title_of
from alerts.admin.incident_page import attempt_line
from alerts.models import Incident, Notification
from alerts.states import NotificationStatus
from jobs import dbclock, look
from jobs.admin.run_filters import PeriodFilter
from jobs.admin.run_list import CappedPaginator
from jobs.models import Job, Run

NEWEST = 5_000  # messages whose subject a search reads
LINK = re.compile(r"(/alerts/acknowledge/)[^/\s\"'<>]+")


class WrittenFilter(PeriodFilter):
    field = "happened_at"


@admin.register(Notification)
class NotificationAdmin(ReadOnlyTenantAdmin):
    """Newest first; a row opens the message."""

    list_display = ["what", "to", "state", "reason", "at", "tried"]
    list_display_links = None
    list_filter = [
        ("status", ChoicesCheckboxFilter),
        ("trigger", ChoicesCheckboxFilter),
        ("channel", ScopedRelatedFilter),
        WrittenFilter,
    ]
    list_filter_submit = True
    list_select_related = ["channel", "tenant"]
    list_per_page = 50
    search_fields = ["subject"]  # that there is a search; `get_search_results` does it
    search_help_text = gettext_lazy("Search by number, subject or delivery id")
    ordering = ["-id"]
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_fullwidth = True
    change_list_template = "admin/alerts/notification/list.html"  # type: ignore[misc]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        rows: QuerySet[Notification] = super().get_queryset(request)
        return rows.defer("facts") if request.resolver_match and self._is_page(request) else rows.defer("facts", "body")

    def _is_page(self, request: HttpRequest) -> bool:
        return "object_id" in (request.resolver_match.kwargs if request.resolver_match else {})

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns: list[Any] = list(super().get_list_display(request))
        return columns if getattr(request, "tenant", None) else [columns[0], "tenant", *columns[1:]]

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        text = search_term.strip()
        number = text.removeprefix("#")
        if not text:
            return queryset, False
        if number.isascii() and number.isdecimal() and len(number) < 19:
            return queryset.filter(pk=int(number)), False
        if re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", text):
            return queryset.filter(delivery_id=text), False
        newest = list(queryset.order_by("-id").values_list("pk", flat=True)[NEWEST - 1 : NEWEST])
        return queryset.filter(pk__gte=newest[0] if newest else 0, subject__icontains=text), False

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("message"))
    def what(self, row: Notification) -> SafeString:
        return format_html(
            '<span class="p-cell p-title"><a class="p-strong" href="{}">{}</a><small>#{} · {}</small></span>',
            reverse("admin:alerts_notification_change", args=[row.pk]),
            row.subject or _("(no subject)"),
            row.pk,
            trigger_of(row),
        )

    @admin.display(description=gettext_lazy("channel"))
    def to(self, row: Notification) -> SafeString:
        people = ", ".join(str(one) for one in row.recipients or [])
        return format_html(
            '<span class="p-cell"><span class="p-break">{}</span><small class="p-break">{}</small></span>',
            row.channel.name,
            people,
        )

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def state(self, row: Notification) -> SafeString:
        return incident_look.message_badge(row.status)

    @admin.display(description=gettext_lazy("why"))
    def reason(self, row: Notification) -> SafeString:
        return format_html('<span class="p-quiet p-title">{}</span>', wording.render(row.why)[:160] or "–")

    @admin.display(description=gettext_lazy("at"), ordering="happened_at")
    def at(self, row: Notification) -> SafeString:
        took = ""
        if row.sent_at is not None:
            took = _("delivered after %(time)s") % {"time": look.seconds_text(row.sent_at - row.happened_at)}
        return format_html(
            '<span class="p-cell"><span>{}</span><small>{}</small></span>', look.when(row.happened_at), took
        )

    @admin.display(description=gettext_lazy("tries"), ordering="tries")
    def tried(self, row: Notification) -> SafeString:
        return format_html('<span class="p-num">{}</span>', row.tries)

    # --- pages --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        stats = path("statistics/", site.admin_view(self.statistics_view), name="alerts_notification_statistics")
        again = path("<path:object_id>/again/", site.admin_view(self.again_view), name="alerts_notification_again")
        return [stats, self._guarded(again), *super().get_urls()]

    def statistics_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, **notification_stats.context(request)}
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/alerts/notification/statistics.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method != "GET":
            raise PermissionDenied
        row = self.message_of(request, object_id)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "original": row, **page(request, row)}
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/alerts/notification/change_form.html", context)

    def again_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A POST sends a message again that was given up."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.message_of(request, object_id)
        if resending.send_again(row, actor=user_of(request), now=dbclock.now()):
            messages.success(request, _("It is sent again, with the same delivery id."))
        else:
            messages.info(request, _("It is not given up: only a message that was given up can be sent again."))
        return HttpResponseRedirect(reverse("admin:alerts_notification_change", args=[row.pk]))

    def message_of(self, request: HttpRequest, object_id: str) -> Notification:
        row = cast(Notification, self.get_object(request, unquote(object_id)))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row


def trigger_of(row: Notification) -> str:
    return str(row.get_trigger_display())


def page(request: HttpRequest, row: Notification) -> dict[str, Any]:
    """What the page of one message shows. Its signed link stays with who got the message."""
    user = user_of(request)
    run = visible_to(user, Run.objects.filter(pk=row.run_id)).first() if row.run_id else None
    job = visible_to(user, Job.objects.filter(pk=row.job_id)).first() if row.job_id else None
    incidents = narrowed(request, visible_to(user, Incident.objects.all()))
    incident = incidents.filter(pk=row.incident_id).first() if row.incident_id else None
    return {
        "title": row.subject or f"#{row.pk}",
        "message": row,
        "badge": incident_look.message_badge(row.status),
        "severity": incident_look.severity_badge(row.severity),
        "trigger": trigger_of(row),
        "why": wording.render(row.why),
        "recipients": ", ".join(str(one) for one in row.recipients or []),
        "body": LINK.sub(r"\1…", row.body),
        "run": run,
        "job": job,
        "about": incident,
        "about_title": title_of(incident) if incident else "",
        "original_message": row.stands_in_for,
        "stand_ins": list(row.stand_ins.select_related("channel").order_by("pk")[:20]),
        "attempts": [attempt_line(one) for one in row.attempts.order_by("-number")[:100]],
        "may_send_again": row.status == NotificationStatus.DEAD and can(user, "change", row.channel),
        "waits_until": row.not_before if row.status == NotificationStatus.PENDING else None,
    }
