"""The button *Back-test* of the forms of alert rules and notification rules."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path, reverse

from accounts.admin_scope import user_of
from accounts.models import User
from alerts.admin import backtest_view
from alerts.trials import Trial


class BacktestPages:
    """Mixed into a TenantAdmin before its other bases; `try_out` says how a filled-in row is tried."""

    def try_out(self, row: Any, form: Any, *, days: int, viewer: User) -> Trial:
        raise NotImplementedError

    @property
    def backtest_name(self) -> str:
        opts: Any = self.opts  # type: ignore[attr-defined]
        return f"{opts.app_label}_{opts.model_name}_backtest"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.backtest_view)  # type: ignore[attr-defined]
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [path("backtest/", view, name=self.backtest_name), *urls]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        page: Any = self
        row = page.get_object(request, unquote(object_id)) if object_id else None
        may = page.has_change_permission(request, row) if row else page.has_add_permission(request)
        url = reverse(f"admin:{self.backtest_name}")
        extra: dict[str, Any] = {
            "may_backtest": may,
            "backtest_url": f"{url}?object={row.pk}" if row else url,
            "backtest_choices": backtest_view.choices(),
        }
        parent: Any = super()
        answer: HttpResponse = parent.changeform_view(request, object_id, form_url, {**extra, **(extra_context or {})})
        return answer

    def backtest_view(self, request: HttpRequest) -> HttpResponse:
        """POST the form's fields, `backtest_days`, and `?object=` of a row that is changed. Nothing is written."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        page: Any = self
        key = request.GET.get("object", "")
        row = page.get_object(request, key) if key else None
        if not (page.has_change_permission(request, row) if row else page.has_add_permission(request)):
            raise PermissionDenied
        fields = flatten_fieldsets(page.get_fieldsets(request, row))
        form = page.get_form(request, row, change=row is not None, fields=fields)(request.POST, instance=row)
        if not form.is_valid():
            return backtest_view.respond(request, page, None, problems=backtest_view.problems_of(form))
        trial = self.try_out(form.instance, form, days=backtest_view.days_of(request), viewer=user_of(request))
        return backtest_view.respond(request, page, trial)
