"""The page that says how alerts have done in a tenant."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.admin_scope import narrowed, user_of
from accounts.permissions import visible_to
from alerts import look
from alerts.admin.daybars import Series, bars
from alerts.admin.incident_filters import rules_of
from alerts.admin.notification_stats import PERIODS, chosen_days
from alerts.incident_look import SEVERITIES
from alerts.models import Incident
from alerts.queries import trend
from alerts.states import AlertState, Severity
from jobs import look as times


def context(request: HttpRequest) -> dict[str, Any]:
    days = chosen_days(request)
    incidents = narrowed(request, visible_to(user_of(request), Incident.objects.all()))
    rules = rules_of(request)
    per_day = trend.opened_per_day(incidents, days)
    series = [Series(label=one.label, tone=SEVERITIES[one][0], counts=per_day[one.value]) for one in reversed(Severity)]
    pace = trend.pace(incidents, days)
    quiet, quiet_count = trend.never_fired(rules)
    return {
        "title": _("Trend of alerts"),
        "periods": PERIODS,
        "days": len(days),
        "states": _states(trend.states_now(rules)),
        "chart": bars(days, series, _("Incidents per day")),
        "series": [(one, SEVERITIES[severity]) for one, severity in zip(series, reversed(Severity), strict=True)],
        "pace": pace,
        "to_acknowledge": times.seconds_text(pace.to_acknowledge),
        "to_resolve": times.seconds_text(pace.to_resolve),
        "noisiest": trend.noisiest(incidents, days),
        "has_rules": rules.exists(),
        "never_fired": quiet,
        "never_fired_left_out": max(quiet_count - len(quiet), 0),
        "board_url": reverse("admin:alerts_incident_changelist"),
    }


def _states(counts: dict[str, int]) -> list[dict[str, Any]]:
    found = []
    for state in AlertState:
        tone, icon = look.STATES[state]
        number = counts[state.value]
        found.append({"label": state.label, "tone": tone if number else "plain", "icon": icon, "count": number})
    return found
