"""Write approvals: read by all who see the datasource, decided by a second person who may change it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.admin_base import ReadOnlyTenantAdmin
from accounts.admin_scope import user_of
from datasources import approvals
from datasources.models import WriteApproval
from datasources.states import ApprovalStatus

SHOWN = 80  # characters of the statements in the list
TONES = {
    ApprovalStatus.PENDING: ("info", "hourglass_top"),
    ApprovalStatus.APPROVED: ("good", "check_circle"),
    ApprovalStatus.REFUSED: ("bad", "cancel"),
    ApprovalStatus.USED: ("plain", "done_all"),
}


@admin.register(WriteApproval)
class WriteApprovalAdmin(ReadOnlyTenantAdmin):
    list_display = ["script", "datasource", "rows", "state", "purpose", "asked_by", "created_at", "expires_at"]
    list_select_related = ["datasource", "asked_by"]
    list_filter = ["status"]
    search_fields = ["purpose"]
    change_form_outer_before_template = "admin/datasources/writeapproval/head.html"
    fieldsets = [
        (None, {"fields": ["datasource", "statement", "values", "reason"]}),
        (gettext_lazy("Rows"), {"fields": ["affected_rows", "max_affected_rows"]}),
        (gettext_lazy("Who and when"), {"fields": [
            "purpose", "asked_by", "created_at", "expires_at", "decided_by", "decided_at", "used_for", "used_at",
        ]}),
    ]  # fmt: skip

    @display(description=gettext_lazy("Statements"))  # type: ignore[untyped-decorator]
    def script(self, obj: WriteApproval) -> str:
        line = " ".join(obj.statement.split())
        return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"

    @display(description=gettext_lazy("Changed rows"), ordering="affected_rows")  # type: ignore[untyped-decorator]
    def rows(self, obj: WriteApproval) -> str:
        if obj.affected_rows is None:
            return _("can't be counted")
        most = "–" if obj.max_affected_rows is None else obj.max_affected_rows
        return _("%(count)s (limit %(most)s)") % {"count": obj.affected_rows, "most": most}

    @display(description=gettext_lazy("State"), ordering="status")  # type: ignore[untyped-decorator]
    def state(self, obj: WriteApproval) -> SafeString:
        status = ApprovalStatus(obj.status)
        (tone, icon), words = TONES[status], str(status.label)
        if obj.is_expired(timezone.now()):
            tone, icon, words = "plain", "timer_off", _("Expired")
        return format_html(
            '<span class="p-badge p-badge--{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
            "<span>{}</span></span>",
            tone,
            icon,
            words,
        )

    # --- deciding ---------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.decide_view)
        decide = path("<path:object_id>/decide/", view, name="datasources_writeapproval_decide")
        return [self._guarded(decide), *super().get_urls()]

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST `verdict` approve or refuse; says what came of it and goes back."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        try:
            approvals.decide(obj, actor=user_of(request), approve=request.POST.get("verdict") == "approve")
        except approvals.DecisionRefusedError as error:
            messages.error(request, str(error))
        else:
            is_approved = obj.status == ApprovalStatus.APPROVED
            words = _("Approved: the next run of it may change so many rows, once.") if is_approved else _("Refused.")
            messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:datasources_writeapproval_change", args=[obj.pk]))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        extra = {"approval": obj, **(extra_context or {})}
        if obj is not None:
            extra |= {"state_badge": self.state(obj), "why_not": approvals.refusal(obj, actor=user_of(request))}
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra)
        return answer
