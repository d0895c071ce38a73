"""One's own inbox: read, and marked as read by a POST. Nobody sees another's, platform admins included."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesCheckboxFilter

from accounts.admin_base import ReadOnlyTenantAdmin
from accounts.admin_scope import user_of
from alerts import inbox, incident_look
from alerts.models import InboxMessage
from jobs import look

LONGEST_EXCERPT = 160


@admin.register(InboxMessage)
class InboxMessageAdmin(ReadOnlyTenantAdmin):
    list_display = ["message", "urgency", "leads_to", "came"]
    list_display_links = None
    list_filter = [("severity", ChoicesCheckboxFilter), ("read_at", admin.EmptyFieldListFilter)]
    search_fields = ["subject", "body"]
    ordering = ["-id"]
    list_per_page = 50
    show_full_result_count = False
    change_list_template = "alerts/inbox_list.html"  # type: ignore[misc]
    fields = ["subject", "text", "urgency", "of_tenant", "leads_to", "created_at", "read_at"]
    readonly_fields = ["subject", "text", "urgency", "of_tenant", "leads_to", "created_at", "read_at"]

    # --- whose ----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboxMessage]:
        """Of all of the reader's tenants: an inbox is a person's, not a tenant's."""
        before = getattr(request, "portal_every_tenant", False)
        request.portal_every_tenant = True  # type: ignore[attr-defined]
        try:
            rows: QuerySet[InboxMessage] = super().get_queryset(request)
        finally:
            request.portal_every_tenant = before  # type: ignore[attr-defined]
        return rows.filter(user_id=user_of(request).pk).select_related("tenant")

    def _may(self, request: HttpRequest, verb: str, obj: Any) -> bool:
        if verb != "view" or not request.user.is_active:
            return False
        user = user_of(request)
        if isinstance(obj, InboxMessage):
            return obj.user_id == user.pk and super()._may(request, verb, obj)
        return user.is_superuser or bool(getattr(request, "tenants", []))

    # --- pages ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("read/", self.admin_site.admin_view(self.read_all_view), name="alerts_inboxmessage_read_all"),
            path("<path:object_id>/open/", self.admin_site.admin_view(self.open_view), name="alerts_inboxmessage_open"),
        ]
        return [*(self._guarded(pattern) for pattern in own), *super().get_urls()]

    def read_all_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        count = inbox.mark_read(user_of(request), now=timezone.now())
        words = ngettext("%(count)d message is marked as read.", "%(count)d messages are marked as read.", count)
        messages.success(request, words % {"count": count})
        return HttpResponseRedirect(reverse("admin:alerts_inboxmessage_changelist"))

    def open_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To the message, which counts as read from now on."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        message = self.get_object(request, object_id)
        inbox.mark_read(user_of(request), now=timezone.now(), ids=[message.pk])
        return HttpResponseRedirect(reverse("admin:alerts_inboxmessage_change", args=[message.pk]))

    # --- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("message"))
    def message(self, row: InboxMessage) -> SafeString:
        """A button of the list's own form: opening it is a POST."""
        excerpt = next((line for line in map(str.strip, row.body.splitlines()) if line), "")  # the rest is a table
        return format_html(
            '<span class="p-cell"><button type="submit" class="p-link p-break p-left{}" formaction="{}" formnovalidate>'
            '{}{}</button><small class="p-break">{}</small></span>',
            "" if row.read_at else " p-strong",
            reverse("admin:alerts_inboxmessage_open", args=[row.pk]),
            "" if row.read_at else format_html('<span class="p-sr">{} </span>', _("Unread:")),
            row.subject,
            excerpt if len(excerpt) <= LONGEST_EXCERPT else excerpt[: LONGEST_EXCERPT - 1] + "…",
        )

    @admin.display(description=gettext_lazy("severity"), ordering="severity")
    def urgency(self, row: InboxMessage) -> SafeString:
        return incident_look.severity_badge(row.severity)

    @admin.display(description=gettext_lazy("leads to"))
    def leads_to(self, row: InboxMessage) -> SafeString | str:
        """The incident, else what the message is about, where this portal has a page of it."""
        if row.incident_id:
            label, target = (
                _("Incident #%(number)s") % {"number": row.incident_id},
                f"alerts.incident/{row.incident_id}",
            )
        else:
            label, target = _("Open"), row.link
        address = address_of(target)
        return format_html('<a class="p-link" href="{}">{}</a>', address, label) if address else "–"

    @admin.display(description=gettext_lazy("at"), ordering="created_at")
    def came(self, row: InboxMessage) -> SafeString | str:
        return look.when(row.created_at)

    @admin.display(description=gettext_lazy("text"))
    def text(self, row: InboxMessage) -> SafeString:
        return format_html('<span class="p-break p-lines">{}</span>', row.body)

    @admin.display(description=gettext_lazy("tenant"))
    def of_tenant(self, row: InboxMessage) -> str:
        return row.tenant.name if row.tenant else _("The platform")


def address_of(link: str) -> str:
    """The page of what `inbox.link_to` names; empty without one. The page itself asks for the right."""
    label, _slash, key = link.partition("/")
    app, _dot, model = label.partition(".")
    if not key.isdigit() or not model:
        return ""
    try:
        return reverse(f"admin:{app}_{model}_change", args=[key])
    except NoReverseMatch:
        return ""
