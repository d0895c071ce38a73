"""What the home page says of alerts: what is open, what does not reach anybody, and whether the engine keeps up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts.admin_scope import allows, narrowed, user_of
from accounts.permissions import visible_to
from alerts import consume
from alerts.models import Channel, Incident, Notification
from alerts.states import UNRESOLVED, IncidentStatus, Severity
from jobs import look
from portal.dashboard.part import Part

TONES = {Severity.INFO: "info", Severity.WARNING: "warn", Severity.CRITICAL: "bad"}
SLOW, STUCK = timedelta(seconds=15), timedelta(minutes=2)
MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class OpenIncidents:
    """Of one severity; `count` of them are open, `taken` acknowledged."""

    label: str | Promise
    tone: str
    count: int
    taken: int
    url: str


def alert_cards(request: HttpRequest) -> dict[str, Any]:
    """Nothing for who may see no incident. Four statements."""
    if not allows(request, "view", Incident):
        return {}
    user = user_of(request)
    incidents = narrowed(request, visible_to(user, Incident.objects.filter(resolved_at=None)))
    found = dict.fromkeys(((s.value, t.value) for s in Severity for t in UNRESOLVED), 0)
    for severity, status, number in incidents.order_by().values_list("severity", "status").annotate(n=Count("pk")):
        found[severity, status] = number
    failing = narrowed(request, visible_to(user, Channel.objects.filter(is_active=True, failing_since__isnull=False)))
    told = Notification.objects.filter(incident=OuterRef("pk"))
    untold = incidents.filter(status=IncidentStatus.OPEN).exclude(Exists(told))
    return {
        "open": [_open(severity, found) for severity in reversed(Severity)],
        "failing": list(failing.order_by("failing_since").only("pk", "name", "failing_since")[:MOST_NAMED]),
        "untold": untold.count(),
        "board_url": reverse("admin:alerts_incident_changelist"),
    }


def _open(severity: Severity, found: dict[Any, int]) -> OpenIncidents:
    number = found[severity.value, IncidentStatus.OPEN.value]
    return OpenIncidents(
        label=severity.label,
        tone=TONES[severity] if number else "",
        count=number,
        taken=found[severity.value, IncidentStatus.ACKNOWLEDGED.value],
        url=f"{reverse('admin:alerts_incident_changelist')}?severity__exact={severity.value}",
    )


def engine_part() -> Part:
    """How far behind the alert engine is."""
    behind = consume.lag(timezone.now())
    if behind < SLOW:
        return Part(label=_("Alerts"), value=_("Up to date"), tone="good", icon="check_circle")
    value = _("%(time)s behind") % {"time": look.seconds_text(behind)}
    if behind < STUCK:
        return Part(label=_("Alerts"), value=value, tone="warn", icon="schedule")
    advice = _("Runs have ended that no alert rule has looked at: see that beat or a worker runs, and read its log.")
    return Part(label=_("Alerts"), value=value, tone="bad", icon="cancel", advice=advice)
