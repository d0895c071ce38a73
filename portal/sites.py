"""The one admin site."""

import time
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.dataclasses import SearchResult
from unfold.sites import UnfoldAdminSite

from accounts import audit
from accounts.admin_scope import user_of
from accounts.views import switch_tenant
from portal.mailsink import pages as mail_pages

FOUND_PER_MODEL = 8
SHORTEST_TERM = 2
REDIRECTED = 302


class PortalAdminSite(UnfoldAdminSite):  # type: ignore[misc]
    """unfold's site without the redirect that tells slugs, with a search that forgets, and the tenant switcher."""

    index_title = _("Home")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        urls = [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]
        switch = path("tenant/", self.admin_view(switch_tenant), name="switch_tenant")
        return [switch, *mail_pages.urls(self), *urls]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Who belongs to no tenant and was granted nothing is told so, instead of being shown an empty house."""
        if getattr(request, "tenant", None) is None and not self.get_app_list(request):
            context = {**self.each_context(request), "title": self.index_title}
            return TemplateResponse(request, "admin/no_tenant.html", context)
        answer: HttpResponse = super().index(request, extra_context)
        return answer

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Every log-in leaves a trace. A wrong password and an unknown name get the same answer."""
        answer: HttpResponse = super().login(request, extra_context)
        if request.method == "POST" and answer.status_code == REDIRECTED:
            audit.record("accounts.user.logged_in", actor=user_of(request), target=user_of(request))
        return answer

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The command palette: pages, and rows through each page's own scoped queryset.

        unfold keeps results for five minutes by user and word: they would outlive a lost right or a tenant switch.
        """
        term = request.GET.get("s", "").strip().lower()
        if len(term) < SHORTEST_TERM:
            return HttpResponse()
        started = time.monotonic()
        found = self._search_apps(self.get_app_list(request), term)
        if "extended" in request.GET:
            found += self._rows_matching(request, term)
        context = {
            "page_obj": Paginator(found, 100),
            "results": Paginator(found, 100).page(1),
            "page_counter": 0,
            "execution_time": time.monotonic() - started,
            "command_show_history": False,
        }
        kind = "command" if "extended" in request.GET else "search"
        template = f"unfold/helpers/{kind}_results.html"
        return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})

    def _rows_matching(self, request: HttpRequest, term: str) -> list[SearchResult]:
        found: list[SearchResult] = []
        for model, model_admin in self._registry.items():
            if model_admin.get_search_fields(request) and model_admin.has_view_permission(request):
                found += self._rows_of(request, model, model_admin, term)
        return found

    def _rows_of(self, request: HttpRequest, model: Any, model_admin: Any, term: str) -> list[SearchResult]:
        rows, _duplicates = model_admin.get_search_results(request, model_admin.get_queryset(request), term)
        name = f"{self.name}:{model._meta.app_label}_{model._meta.model_name}_change"
        kind = str(model._meta.verbose_name)
        return [
            SearchResult(title=str(row), description=kind, link=reverse(name, args=[row.pk]), icon="data_object")
            for row in rows.distinct()[:FOUND_PER_MODEL]
        ]
