"""Notification rules: the list, the form, and what a message will say."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.admin_base import ScopedRelatedFilter
from accounts.admin_scope import narrowed, user_of
from accounts.models import User
from accounts.permissions import visible_to
from alerts import previews, trials
from alerts.admin.backtest_pages import BacktestPages
from alerts.admin.base import ConfiguredAdmin
from alerts.admin.notice_fields import fieldsets
from alerts.admin.notice_form import NotificationRuleForm
from alerts.admin.notice_list import ChannelFilter, NoticeColumns
from alerts.defaulttemplates import Templates
from alerts.models import NotificationRule
from alerts.states import Trigger
from alerts.templatevars import FILTERS, VARIABLES
from alerts.templating import LONGEST_BODY_TEMPLATE, LONGEST_SUBJECT_TEMPLATE, TemplateError
from jobs.admin.schedule_form import zones
from jobs.models import Job


@admin.register(NotificationRule)
class NotificationRuleAdmin(BacktestPages, NoticeColumns, ConfiguredAdmin):  # type: ignore[misc]
    form = NotificationRuleForm
    list_display = ["title", "tells_of", "through"]
    list_display_links = None
    list_filter = ["is_enabled", ("job", ScopedRelatedFilter), ("alert_rule", ScopedRelatedFilter), ChannelFilter]
    list_select_related = ["job", "alert_rule"]
    list_per_page = 50
    search_fields = ["name"]
    ordering = ["name", "id"]
    autocomplete_fields = ["job", "alert_rule"]
    change_form_template = "admin/alerts/notificationrule/change_form.html"  # type: ignore[misc]

    def get_queryset(self, request: HttpRequest) -> QuerySet[NotificationRule]:
        return cast("QuerySet[NotificationRule]", super().get_queryset(request).prefetch_related("channels"))

    def get_fieldsets(self, request: HttpRequest, obj: NotificationRule | None = None) -> Any:
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if may:
            return fieldsets()
        looked_at = ["name", "job", "alert_rule", "channels", "subject_template", "body_template", "is_enabled"]
        return [(None, {"fields": looked_at})]

    # --- pages --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="alerts_notificationrule_preview"), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        extra: dict[str, Any] = {"zones": zones(), "may_preview": may, **(extra_context or {})}
        extra |= {"variables": VARIABLES.values(), "filters": FILTERS.values()}
        return super().changeform_view(request, object_id, form_url, extra)

    def try_out(self, row: NotificationRule, form: Any, *, days: int, viewer: User) -> trials.Trial:
        row.chosen_channels = list(form.cleaned_data["channels"])  # type: ignore[attr-defined]
        return trials.of_notice(row, days=days, viewer=viewer)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """POST the form's fields: what the message says, with a real run of the job if there is one."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        subject = request.POST.get("subject_template", "")[: LONGEST_SUBJECT_TEMPLATE + 1]
        body = request.POST.get("body_template", "")[: LONGEST_BODY_TEMPLATE + 1]
        try:
            found = previews.preview(
                Templates(subject=subject, body=body.replace("\r\n", "\n")),
                _trigger_of(request.POST.getlist("triggers")),
                job=_job_of(request),
                language=get_language() or "en",
                zone=timezone.get_current_timezone(),
            )
        except TemplateError as error:
            return _answer({"ok": False, "error": error.sentence})
        note = _("With run #%(run)d of this job.") % {"run": found.run.pk} if found.run else _("With an example.")
        return _answer({"ok": True, "subject": found.subject, "body": found.body, "note": note})


def _trigger_of(names: list[str]) -> Trigger:
    """The first of the ticked triggers; a technical failure when none is."""
    return next((one for one in Trigger if one.value in names), Trigger.TECHNICAL_FAILURE)


def _job_of(request: HttpRequest) -> Job | None:
    """The chosen job, as far as the user may see it."""
    text = request.POST.get("job", "")
    if not text.isdecimal() or len(text) > 18:
        return None
    rows = visible_to(user_of(request), Job.objects.filter(pk=text, archived_at=None))
    return narrowed(request, rows).select_related("tenant").first()


def _answer(content: dict[str, Any]) -> JsonResponse:
    return JsonResponse(content, headers={"Cache-Control": "no-store"}, json_dumps_params={"ensure_ascii": False})
