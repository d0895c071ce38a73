"""The columns and filters of the list of alert rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList

from alerts import look
from alerts.admin import concerns
from alerts.models import AlertRule, AlertStatus
from alerts.queries import RuleFinding, rule_findings
from alerts.states import AlertState, Severity, Source
from alerts.wording import render
from jobs import look as times
from portal.lib.labels import label_lines

UNCHECKED = "unchecked"
MOST_LABELS = 200
SHOWN = 140  # characters of what was found


class RuleChangeList(ChangeList):  # type: ignore[misc]
    """Gives each row of the page what is known of it."""

    result_list: Sequence[AlertRule]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rules = list(self.result_list)
        found = rule_findings(rules)
        for rule in rules:
            rule.finding = found[rule.pk]  # type: ignore[attr-defined]
        self.result_list = rules


class RuleColumns:
    """Mixed into the admin of alert rules; each row carries `finding`."""

    @admin.display(description=gettext_lazy("alert"), ordering="name")
    def title(self, rule: AlertRule) -> SafeString:
        concerned = "" if rule.source == Source.PORTAL else concerns.in_words(rule.selector, job=rule.job)
        more = [*([concerned] if concerned else []), *label_lines(rule.labels)]
        return format_html(
            '<span class="p-cell p-wide-cell{}"><a class="p-strong p-break" href="{}">{}</a>'
            "<small>{}{}{}</small></span>",
            "" if rule.is_enabled else " p-off",
            reverse("admin:alerts_alertrule_change", args=[rule.pk]),
            rule.name,
            Source(rule.source).label,
            "".join(f" · {each}" for each in more),
            "" if rule.is_enabled else f" · {_('disabled')}",
        )

    @admin.display(description=gettext_lazy("state"), ordering="severity")
    def state(self, rule: AlertRule) -> SafeString:
        """With the severity, and how many of several subjects are in that state."""
        found = finding_of(rule)
        shown = look.state_badge(found.state)
        if not rule.is_enabled:
            shown = look.badge("plain", "notifications_off", _("Disabled"))
        total, notes = sum(found.counts.values()), [str(Severity(rule.severity).label)]
        if total > 1 and rule.is_enabled:
            notes.append(_("%(count)d of %(total)d") % {"count": found.counts[found.state], "total": total})
        return format_html('<span class="p-cell"><span>{}</span><small>{}</small></span>', shown, " · ".join(notes))

    @admin.display(description=gettext_lazy("found"))
    def found(self, rule: AlertRule) -> SafeString | str:
        text = render(finding_of(rule).sentence)
        return format_html('<span class="p-break p-wide-cell">{}</span>', text[:SHOWN]) if text else "–"

    @admin.display(description=gettext_lazy("last check"))
    def checked(self, rule: AlertRule) -> SafeString:
        found = finding_of(rule)
        following = format_html("{} {}", _("next"), times.when(found.next_at, found.timezone)) if found.next_at else ""
        return format_html(
            '<span class="p-cell"><span>{}</span><small>{}</small></span>', times.when(found.checked_at), following
        )

    @admin.display(description=gettext_lazy("last notification"))
    def notified(self, rule: AlertRule) -> SafeString | str:
        return times.when(finding_of(rule).notified_at)


def finding_of(rule: AlertRule) -> RuleFinding:
    found: RuleFinding = getattr(rule, "finding", RuleFinding())
    return found


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """By the state of any of its subjects."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*((one.value, one.label) for one in AlertState), (UNCHECKED, _("Not checked yet"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> QuerySet[AlertRule]:
        value = self.value()
        statuses = AlertStatus.objects.filter(rule=OuterRef("pk"))
        if value == UNCHECKED:
            return queryset.filter(~Exists(statuses.filter(~Q(state=AlertState.OK) | Q(checked_at__isnull=False))))
        return queryset.filter(Exists(statuses.filter(state=value))) if value in AlertState.values else queryset


class SeverityFilter(DropdownFilter):  # type: ignore[misc]
    title = gettext_lazy("severity")
    parameter_name = "severity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Severity.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> QuerySet[AlertRule]:
        return queryset.filter(severity=self.value()) if self.value() else queryset


class LabelFilter(DropdownFilter):  # type: ignore[misc]
    """Only labels of rules the user may see."""

    title = gettext_lazy("label")
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rows = model_admin.get_queryset(request).order_by().values_list("labels", flat=True)
        return [
            (line, line) for line in sorted({line for labels in rows for line in label_lines(labels)})[:MOST_LABELS]
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> QuerySet[AlertRule]:
        wanted = self.value()
        if not wanted:
            return queryset
        rows = queryset.order_by().values_list("pk", "labels")
        return queryset.filter(pk__in=[pk for pk, labels in rows if wanted in label_lines(labels)])
