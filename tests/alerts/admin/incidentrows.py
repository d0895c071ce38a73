"""Incidents for tests of their screens, with only the fields a test names."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Tenant
from alerts.models import (
    AlertRule,
    AlertStatus,
    Channel,
    DeliveryAttempt,
    Incident,
    IncidentEvent,
    IncidentMember,
    Notification,
)
from alerts.states import AlertState, Happened, IncidentStatus, Severity, Source, Trigger
from tests.jobs import rows as jobs

BOARD = "/admin/alerts/incident/"


def page(incident: Incident) -> str:
    return f"{BOARD}{incident.pk}/change/"


def deed(incident: Incident) -> str:
    return f"{BOARD}{incident.pk}/deed/"


def rule(slug: str = "unpaid", of: Tenant | None = None, **fields: Any) -> AlertRule:
    values: dict[str, Any] = {"name": slug.title(), "source": Source.RESULT, "condition": "row_count", **fields}
    return AlertRule.objects.create(tenant=of or jobs.tenant(), slug=slug, **values)


def incident(cause: str = "rule:1/job:1", of: Tenant | None = None, ago: float = 10, **fields: Any) -> Incident:
    """Open since so many minutes; a resolved one took one minute."""
    at = timezone.now() - timedelta(minutes=ago)
    tenant = of or jobs.tenant()
    status = fields.get("status", IncidentStatus.OPEN)
    values: dict[str, Any] = {
        "cause": cause,
        "kind": AlertState.FIRING,
        "title": {"key": "incident.firing", "rule": cause},
        "severity": Severity.WARNING,
        "status": status,
        "opened_at": at,
        "last_at": at,
        "open_key": None if status == IncidentStatus.RESOLVED else f"{tenant.pk}:{cause}",
        **fields,
    }
    if status == IncidentStatus.RESOLVED:
        values.setdefault("resolved_at", at + timedelta(minutes=1))
    return Incident.objects.create(tenant=tenant, **values)


def member(of: Incident, by: AlertRule, job: Any = None, **fields: Any) -> IncidentMember:
    state, run = fields.pop("state", AlertState.FIRING), fields.pop("run_id", None)
    values: dict[str, Any] = {"state": state, "state_at": of.opened_at, "checked_at": of.opened_at}
    subject = f"job:{job.pk}" if job else "beat"
    status = AlertStatus.objects.create(rule=by, job=job, subject=subject, run_id=run, **values)
    return IncidentMember.objects.create(incident=of, status=status, joined_at=of.opened_at, **fields)


def event(of: Incident, what: str = Happened.OPENED, **fields: Any) -> IncidentEvent:
    return IncidentEvent.objects.create(incident=of, what=what, at=fields.pop("at", timezone.now()), **fields)


def channel(slug: str = "ops", of: Tenant | None = None, **fields: Any) -> Channel:
    values: dict[str, Any] = {"name": slug.title(), "kind": "webhook", "language": "en", **fields}
    return Channel.objects.create(tenant=of or jobs.tenant(), slug=slug, **values)


def message(to: Channel, about: Incident | None = None, status: str = "sent", **fields: Any) -> Notification:
    now = timezone.now()
    values: dict[str, Any] = {
        "dedupe_key": f"{to.pk}:{Notification.objects.count()}",
        "trigger": Trigger.FIRING,
        "severity": Severity.WARNING,
        "subject": "It fires",
        "not_before": now,
        "happened_at": now,
        "sent_at": now if status == "sent" else None,
        **fields,
    }
    return Notification.objects.create(tenant=to.tenant, channel=to, incident=about, status=status, **values)


def attempt(of: Notification, number: int = 1, **fields: Any) -> DeliveryAttempt:
    now = timezone.now()
    values: dict[str, Any] = {"started_at": now - timedelta(seconds=2), "ended_at": now, "is_ok": True, **fields}
    return DeliveryAttempt.objects.create(notification=of, number=number, **values)
