"""Alert rules: the list with what was found, the form, the page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin_scope import user_of
from accounts.models import User
from alerts import rules, trials
from alerts.admin import rule_page, sql_alert_page
from alerts.admin.backtest_pages import BacktestPages
from alerts.admin.base import ConfiguredAdmin
from alerts.admin.rule_fields import fieldsets
from alerts.admin.rule_form import AlertRuleForm
from alerts.admin.rule_list import LabelFilter, RuleChangeList, RuleColumns, SeverityFilter, StateFilter
from alerts.models import AlertRule


@admin.register(AlertRule)
class AlertRuleAdmin(BacktestPages, RuleColumns, ConfiguredAdmin):  # type: ignore[misc]
    """Rules are written by `alerts.rules` alone."""

    form = AlertRuleForm
    list_display = ["title", "state", "found", "checked", "notified"]
    list_display_links = None
    list_filter = [StateFilter, SeverityFilter, "source", LabelFilter, "is_enabled"]
    list_filter_submit = False
    list_select_related = ["job"]
    list_fullwidth = True
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    search_fields = ["name", "slug", "description"]
    ordering = ["name", "id"]
    actions = ["enable_chosen", "disable_chosen"]
    autocomplete_fields = ["job"]
    change_list_template = "jobs/live_list.html"  # type: ignore[misc]
    change_form_template = "admin/alerts/alertrule/change_form.html"  # type: ignore[misc]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RuleChangeList]:
        return RuleChangeList

    def get_fieldsets(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        """Who may only look gets the words; the form's blocks are for who writes."""
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if may:
            return fieldsets()
        return [(None, {"fields": ["name", "slug", "description", "source", "job", "severity", "is_enabled"]})]

    def save_model(self, request: HttpRequest, obj: AlertRule, form: Any, change: bool) -> None:
        rules.save_rule(obj, actor=user_of(request))

    def delete_model(self, request: HttpRequest, obj: AlertRule) -> None:
        rules.delete_rule(obj, actor=user_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        with transaction.atomic():
            for rule in queryset:
                rules.delete_rule(rule, actor=user_of(request))

    # --- actions ------------------------------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable_chosen(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        allowed = list(self.permitted(request, "change", queryset))
        count = sum(rules.enable_rule(rule, actor=user_of(request)) for rule in allowed)
        words = ngettext("%(n)d alert was enabled.", "%(n)d alerts were enabled.", count)
        self._tell(request, words % {"n": count}, queryset.count() - len(allowed))

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable_chosen(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        allowed = list(self.permitted(request, "change", queryset))
        count = sum(rules.disable_rule(rule, actor=user_of(request)) for rule in allowed)
        words = ngettext("%(n)d alert was disabled.", "%(n)d alerts were disabled.", count)
        self._tell(request, words % {"n": count}, queryset.count() - len(allowed))

    def _tell(self, request: HttpRequest, words: str, refused: int) -> None:
        messages.success(request, words)
        if refused:
            more = ngettext("You may not change %(n)d alert.", "You may not change %(n)d alerts.", refused)
            messages.warning(request, more % {"n": refused})

    # --- pages --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.row_view)
        rows = path("<path:object_id>/rows/<int:row_id>/", view, name="alerts_alertrule_row")
        sql = self.admin_site.admin_view(self.sql_view)
        new = path("sql/", sql, name="alerts_alertrule_sql")
        change = path("<path:object_id>/sql/", sql, name="alerts_alertrule_sql_change")
        return [new, self._guarded(rows), self._guarded(change), *super().get_urls()]

    def sql_view(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """The one form of a SQL alert: its query, condition, schedule and channels."""
        rule = self.rule_of(request, object_id) if object_id else None
        return sql_alert_page.edit(request, self, rule)

    def try_out(self, row: AlertRule, form: Any, *, days: int, viewer: User) -> trials.Trial:
        return trials.of_alert(row, days=days, viewer=viewer)

    def row_view(self, request: HttpRequest, object_id: str, row_id: int) -> HttpResponse:
        return rule_page.change_row(request, self.rule_of(request, object_id), row_id)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        rule = self.rule_of(request, object_id) if object_id else None
        extra = {**(rule_page.context_of(request, rule) if rule else {}), **(extra_context or {})}
        extra["sql_alert_url"] = sql_alert_page.address_of(request, rule)
        extra.setdefault("title", rule.name if rule else _("New alert"))
        return super().changeform_view(request, object_id, form_url, extra)

    def rule_of(self, request: HttpRequest, object_id: str) -> AlertRule:
        rule: AlertRule = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, rule):
            raise PermissionDenied
        return rule
