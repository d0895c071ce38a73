"""Events of an incident itself: that it was acknowledged, that nobody answers."""

from __future__ import annotations

from datetime import datetime

from alerts import outbox
from alerts.letters import Event
from alerts.models import AlertStatus, Incident
from alerts.shelf import shelf, target_of
from alerts.states import Severity, Trigger


def event_of(incident: Incident, status: AlertStatus | None, trigger: Trigger, *, key: str, at: datetime) -> Event:
    """As the outbox takes it; `status` is one of its alerts, whose labels and job it has."""
    rule = status.rule if status else None
    job = status.job if status else None
    return Event(
        tenant=incident.tenant,
        trigger=trigger,
        severity=Severity(incident.severity),
        at=at,
        key=key,
        target=target_of(job, rule),
        job=job,
        alert_rule=rule,
        status=status,
        incident=incident,
        sentence=incident.evidence.get("sentence") or {},
        evidence=incident.evidence,
        count=incident.count,
    )


def acknowledged(incident: Incident, at: datetime) -> None:
    """That somebody looks after it."""
    _to_all(incident, Trigger.ACKNOWLEDGED, f"acknowledged:{at.isoformat()}", at)


def escalated(incident: Incident, key: str, at: datetime) -> None:
    """That nobody answers; a channel that the step itself has told under this key is left out."""
    _to_all(incident, Trigger.ESCALATED, key, at)


def _to_all(incident: Incident, trigger: Trigger, key: str, at: datetime) -> None:
    """To everybody whose rule names it, of whichever of the incident's alerts; each channel once."""
    book = shelf.take([incident.tenant_id])[incident.tenant_id]
    members = incident.members.filter(left_at=None).select_related("status__rule__tenant", "status__job")
    for member in members.order_by("pk"):
        event = event_of(incident, member.status, trigger, key=key, at=at)
        outbox.post(event, outbox.rules_for_alert(member.status.rule, event.target, book), book)
