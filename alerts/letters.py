"""What a message says of an event: the values of its template's variables, and its texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import override

from accounts.models import Tenant
from alerts import signing, wording
from alerts.defaulttemplates import Templates, Written, write
from alerts.models import AlertRule, AlertStatus, Incident, NotificationRule
from alerts.routing import Target
from alerts.states import AlertState, Severity, Trigger
from alerts.templatevars import Plain, Table
from jobs import reasons
from jobs.models import Job, LogChunk, Run
from jobs.states import RunStatus

TAIL_CHUNKS = 20
TAIL_CHARACTERS = 32_000


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing to tell people of. `key` names it in dedupe keys: the same however often it is seen."""

    tenant: Tenant
    trigger: Trigger
    severity: Severity
    at: datetime
    key: str
    target: Target
    job: Job | None = None
    run: Run | None = None
    alert_rule: AlertRule | None = None
    status: AlertStatus | None = None
    incident: Incident | None = None
    sentence: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    new_rows: int | None = None
    resolved_rows: int | None = None


def address(path: str) -> str:
    """The whole address of a page of the portal."""
    return str(settings.PORTAL_BASE_URL).rstrip("/") + path


def page(model: type[Model], key: int) -> str:
    """Of a row in the admin. Written here: asking Django for it loads every page into a process that shows none."""
    return address(f"/admin/{model._meta.app_label}/{model._meta.model_name}/{key}/change/")


def page_of(event: Event) -> str:
    """Where the reader goes on: the incident, else the run, else the job, else the portal."""
    if event.incident is not None:
        return page(Incident, event.incident.pk)
    if event.run is not None:
        return page(Run, event.run.pk)
    if event.job is not None:
        return page(Job, event.job.pk)
    return address("/")


def acknowledge_address(incident: Incident, notification: int, recipient: str) -> str:
    token = signing.acknowledge_token(incident=incident.pk, notification=notification, recipient=recipient)
    return address(f"/alerts/acknowledge/{token}/")


def compose(event: Event, rule: NotificationRule | None, language: str, *, ack_url: str = "") -> Written:
    """Subject and body in the channel's language."""
    templates = Templates(subject=rule.subject_template, body=rule.body_template) if rule else Templates()
    with override(language):
        values = variables(event, ack_url=ack_url)
    return write(templates, event.trigger.value, values, language=language, zone=timezone.get_default_timezone())


def variables(event: Event, *, ack_url: str = "") -> dict[str, Plain]:
    """Plain values only, in the active language."""
    found: dict[str, Plain] = {
        "trigger": str(event.trigger.label),
        "severity": str(event.severity.label),
        "sentence": wording.render(event.sentence),
        "threshold_count": event.count,
        "time": event.at,
        "tenant": event.tenant.name,
        "labels": ", ".join(f"{name}={value}" if value else name for name, value in event.target.labels.items()),
        "portal_url": address("/"),
        "new_rows": event.new_rows,
        "resolved_rows": event.resolved_rows,
        "ack_url": ack_url,
    }
    if event.evidence.get("columns"):
        found["evidence"] = Table(
            columns=event.evidence["columns"], rows=event.evidence["rows"], count=event.evidence.get("total")
        )
    found |= _of_job(event.job) | _of_run(event.run) | _of_alert(event) | _of_incident(event.incident)
    return found


def facts(event: Event) -> dict[str, Any]:
    """For programs: JSON, the same in every language but for the sentence."""
    return {
        "trigger": event.trigger.value,
        "severity": event.severity.value,
        "at": event.at.isoformat(),
        "tenant": event.tenant.slug,
        "job": event.job.slug if event.job else None,
        "run": event.run.pk if event.run else None,
        "run_status": event.run.status if event.run else None,
        "alert": event.alert_rule.slug if event.alert_rule else None,
        "state": event.status.state if event.status else None,
        "value": event.status.value if event.status else None,
        "incident": event.incident.pk if event.incident else None,
        "labels": dict(event.target.labels),
        "count": event.count,
        "url": page_of(event),
    }


def _of_job(job: Job | None) -> dict[str, Plain]:
    return {"task_id": job.slug, "task_name": job.name} if job else {}


def _of_run(run: Run | None) -> dict[str, Plain]:
    if run is None:
        return {}
    took = run.ended_at - run.started_at if run.started_at and run.ended_at else None
    return {
        "execution_id": run.pk,
        "execution_status": str(RunStatus(run.status).label),
        "execution_start_time": run.started_at,
        "execution_end_time": run.ended_at,
        "execution_duration": took,
        "execution_exit_code": run.exit_code,
        "execution_attempt": run.tries_used,
        "execution_reason": reasons.render(run.reason, run.reason_args),
        "execution_log_tail": log_tail(run),
        "execution_url": page(Run, run.pk),
        "scheduled_time": run.scheduled_for,
    }


def _of_alert(event: Event) -> dict[str, Plain]:
    rule, status = event.alert_rule, event.status
    if rule is None:
        return {}
    found: dict[str, Plain] = {
        "rule_name": rule.name,
        "rule_url": page(AlertRule, rule.pk),
    }
    if status is not None:
        found |= {"state": str(AlertState(status.state).label), "value": status.value, "since": status.state_at}
    return found


def _of_incident(incident: Incident | None) -> dict[str, Plain]:
    if incident is None:
        return {}
    return {
        "incident_id": incident.pk,
        "incident_title": wording.render(incident.title),
        "incident_url": page(Incident, incident.pk),
        "owner": str(incident.owner) if incident.owner else "",
    }


def log_tail(run: Run) -> str:
    """The end of the log of the run's last attempt, as far as it is stored."""
    attempt = run.attempts.order_by("-number").first()
    if attempt is None:
        return ""
    newest = LogChunk.objects.filter(attempt=attempt).order_by("-seq").values_list("text", flat=True)[:TAIL_CHUNKS]
    return "".join(reversed(list(newest)))[-TAIL_CHARACTERS:]
