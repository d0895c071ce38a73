"""Filters of the incident board. Times are ranges: MariaDB without time-zone tables answers `__date` with nothing."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from accounts.admin_scope import narrowed, scoped_related, user_of
from accounts.models import User
from accounts.permissions import visible_to
from alerts.models import AlertRule, Incident
from alerts.queries.board import labels_of, with_label
from jobs.admin.run_filters import PeriodFilter

MOST_OFFERED = 200


def rules_of(request: HttpRequest) -> QuerySet[AlertRule]:
    """The alert rules this reader may see here."""
    return narrowed(request, visible_to(user_of(request), AlertRule.objects.all()))


class OpenedFilter(PeriodFilter):
    """Without it the board shows what is not over, and what was resolved lately."""

    field = "opened_at"
    all_option = ("", _("Now"))

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("today", _("Opened today")),
            ("day", _("Opened in the last 24 hours")),
            ("week", _("Opened in the last 7 days")),
            ("month", _("Opened in the last 30 days")),
            ("all", _("All")),
        ]


class OwnerFilter(DropdownFilter):  # type: ignore[misc]
    title = _("owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        people = scoped_related(request, User).order_by("username").distinct()[:MOST_OFFERED]
        return [("me", _("Me")), ("nobody", _("Nobody")), *((str(user.pk), str(user)) for user in people)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Incident]) -> QuerySet[Incident]:
        chosen = self.value() or ""
        if chosen == "me":
            return queryset.filter(owner=user_of(request).pk)
        if chosen == "nobody":
            return queryset.filter(owner=None)
        return queryset.filter(owner=int(chosen)) if _is_key(chosen) else queryset


class LabelFilter(DropdownFilter):  # type: ignore[misc]
    """Labels of alert rules; jobs with the label count too."""

    title = _("label")
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(label, label) for label in labels_of(rules_of(request))[:MOST_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Incident]) -> QuerySet[Incident]:
        return with_label(queryset, rules_of(request), self.value()) if self.value() else queryset


class RuleFilter(DropdownFilter):  # type: ignore[misc]
    """Reached by links from other pages: `?rule=7`."""

    title = _("alert rule")
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rules = rules_of(request).order_by("name").values_list("pk", "name")
        return [(str(pk), name) for pk, name in rules[:MOST_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Incident]) -> QuerySet[Incident]:
        chosen = self.value() or ""
        if not _is_key(chosen):
            return queryset
        rule = rules_of(request).filter(pk=int(chosen))
        return queryset.filter(members__status__rule__in=rule.values("pk")).distinct()


def _is_key(text: Any) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 19
