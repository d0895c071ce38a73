"""The columns and filters of the list of notification rules."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import DropdownFilter

from accounts.admin_scope import scoped_related
from alerts.admin import concerns
from alerts.models import Channel, NotificationRule
from alerts.states import Trigger

SHOWN = 3


def triggers_in_words(rule: NotificationRule) -> str:
    labels = [str(one.label) for one in Trigger if one.value in rule.triggers]
    more = _(" and %(count)d more") % {"count": len(labels) - SHOWN} if len(labels) > SHOWN else ""
    return ", ".join(labels[:SHOWN]) + more or "–"


def timing_in_words(rule: NotificationRule) -> str:
    """What keeps a message back, if anything does."""
    found, threshold = [], rule.policy.get("threshold", 1)
    if isinstance(threshold, int) and threshold > 1:
        found.append(_("%(count)d in a row") % {"count": threshold})
    if rule.quiet_hours:
        found.append(_("quiet hours"))
    if rule.digest:
        found.append(_("gathered for %(length)s") % {"length": rule.digest.get("every", "?")})
    return " · ".join(found)


class NoticeColumns:
    """Mixed into the admin of notification rules."""

    @admin.display(description=gettext_lazy("rule"), ordering="name")
    def title(self, rule: NotificationRule) -> SafeString:
        return format_html(
            '<span class="p-cell p-wide-cell{}"><a class="p-strong p-break" href="{}">{}</a><small>{}{}</small></span>',
            "" if rule.is_enabled else " p-off",
            reverse("admin:alerts_notificationrule_change", args=[rule.pk]),
            rule.name,
            concerns.in_words(rule.selector, job=rule.job, rule=rule.alert_rule),
            "" if rule.is_enabled else f" · {_('disabled')}",
        )

    @admin.display(description=gettext_lazy("tells of"))
    def tells_of(self, rule: NotificationRule) -> SafeString:
        timing = timing_in_words(rule)
        return format_html(
            '<span class="p-cell"><span class="p-break">{}</span><small>{}</small></span>',
            triggers_in_words(rule),
            timing,
        )

    @admin.display(description=gettext_lazy("through"))
    def through(self, rule: NotificationRule) -> SafeString:
        names = (c.name if c.is_active else _("%(name)s (off)") % {"name": c.name} for c in rule.channels.all())
        return format_html('<span class="p-break">{}</span>', ", ".join(names) or _("nobody"))


class ChannelFilter(DropdownFilter):  # type: ignore[misc]
    """Only channels the user may see."""

    title = gettext_lazy("channel")
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rows = scoped_related(request, Channel).order_by("name").values_list("pk", "name")
        return [(str(pk), name) for pk, name in rows[:200]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[NotificationRule]) -> QuerySet[NotificationRule]:
        value = self.value() or ""
        if not value.isdecimal():
            return queryset
        return queryset.filter(channels__in=scoped_related(request, Channel).filter(pk=value))
