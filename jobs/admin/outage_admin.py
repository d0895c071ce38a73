"""Outages: read by everybody who works here; who noticed and where is for platform admins."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from accounts.admin_scope import user_of
from jobs import look, outages
from jobs.models import Outage
from jobs.notices import dismiss, outages_for


@admin.register(Outage)
class OutageAdmin(ModelAdmin):  # type: ignore[misc]
    """Read-only: the watchdog writes them."""

    list_display = ["state", "what", "began", "ended", "lasted"]
    list_display_links = None
    ordering = ["-began_at", "-id"]
    actions = None
    list_per_page = 50
    show_full_result_count = False
    change_list_template = "jobs/live_list.html"
    fields = ["subject", "began_at", "noticed_at", "ended_at", "noticed_by"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Outage]:
        return outages_for(request, super().get_queryset(request))

    def get_list_display(self, request: HttpRequest) -> list[str]:
        return [*self.list_display, "by"] if user_of(request).is_superuser else list(self.list_display)

    def has_module_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return bool(user.is_active and (user.is_superuser or getattr(request, "tenants", [])))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """One by itself holds details of machines."""
        return self.has_module_permission(request) and (obj is None or user_of(request).is_superuser)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """None: `?noticed_by__startswith=` would tell the names of machines letter by letter."""
        return False

    def get_urls(self) -> list[URLPattern]:
        own = path("dismiss/", self.admin_site.admin_view(self.dismiss_view), name="jobs_outage_dismiss")
        return [own, *super().get_urls()]

    def dismiss_view(self, request: HttpRequest) -> HttpResponse:
        """A POST takes the notices of what is over off this person's pages."""
        if request.method == "POST":
            dismiss(request)
        address = request.POST.get("next", "")
        if not url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
            address = reverse("admin:index")
        return HttpResponseRedirect(address)

    # --- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("status"))
    def state(self, outage: Outage) -> SafeString:
        over = outage.ended_at is not None
        tone, icon, word = ("plain", "check", _("Over")) if over else ("bad", "error", _("Lasts"))
        return format_html(
            '<span class="p-badge p-badge--{}"><span class="material-symbols-outlined" aria-hidden="true">{}'
            "</span><span>{}</span></span>",
            tone,
            icon,
            word,
        )

    @admin.display(description=gettext_lazy("outage"))
    def what(self, outage: Outage) -> SafeString:
        return format_html(
            '<span class="p-cell"><span class="p-strong">{}</span><small class="p-break">{}</small></span>',
            outages.label(outage.subject),
            outages.sentence(outage),
        )

    @admin.display(description=gettext_lazy("last sign of life"), ordering="began_at")
    def began(self, outage: Outage) -> SafeString | str:
        return look.when(outage.began_at)

    @admin.display(description=gettext_lazy("ended at"), ordering="ended_at")
    def ended(self, outage: Outage) -> SafeString | str:
        return look.when(outage.ended_at)

    @admin.display(description=gettext_lazy("duration"))
    def lasted(self, outage: Outage) -> str:
        return look.seconds_text((outage.ended_at or timezone.now()) - outage.began_at)

    @admin.display(description=gettext_lazy("noticed by"))
    def by(self, outage: Outage) -> SafeString:
        advice = "" if outage.ended_at else outages.advice(outage)
        return format_html(
            '<span class="p-cell"><span class="p-break">{}</span><small class="p-break">{}</small></span>',
            outage.noticed_by,
            advice,
        )
