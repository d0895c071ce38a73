"""Rows of alerts for tests of their screens, with only the fields a test names."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Tenant
from alerts.models import AlertCheck, AlertRow, AlertRule, AlertStatus, Channel
from alerts.states import AlertState, Source
from tests.jobs import rows as jobs


def sql_job(slug: str = "orders", **fields: Any) -> Any:
    fields.setdefault("params", {"datasource": "shop", "sql": "select 1"})
    return jobs.job(slug, kind="sql", **fields)


def rule(slug: str = "unpaid", of: Tenant | None = None, **fields: Any) -> AlertRule:
    values: dict[str, Any] = {
        "name": slug.title(),
        "source": Source.OUTCOME,
        "outcomes": ["technical_failure"],
        **fields,
    }
    return AlertRule.objects.create(tenant=of or jobs.tenant(), slug=slug, **values)


def status(of: AlertRule, state: str = AlertState.OK, job: Any = None, **fields: Any) -> AlertStatus:
    now = timezone.now()
    subject = f"job:{job.pk}" if job else "beat"
    values: dict[str, Any] = {"state_at": now, "checked_at": now, "subject": subject, **fields}
    return AlertStatus.objects.create(rule=of, state=state, job=job, **values)


def check(of: AlertStatus, value: float | None = 1.0, state: str = AlertState.OK, ago: int = 0) -> AlertCheck:
    at = timezone.now() - timedelta(minutes=ago)
    sentence = {"key": "row_count.is", "count": int(value or 0), "operator": ">", "threshold": 0}
    return AlertCheck.objects.create(status=of, at=at, verdict="good", state=state, value=value, sentence=sentence)


def row(of: AlertStatus, name: str = "42", **fields: Any) -> AlertRow:
    now = timezone.now()
    values: dict[str, Any] = {
        "identity": name,
        "key": [name],
        "row": [name, "due"],
        "columns": ["id", "note"],
        **fields,
    }
    return AlertRow.objects.create(status=of, first_at=now, last_at=now, **values)


def channel(slug: str = "mail", of: Tenant | None = None, **fields: Any) -> Channel:
    values: dict[str, Any] = {
        "name": slug.title(),
        "kind": "webhook",
        "params": {"url": "https://example.com/x"},
        **fields,
    }
    return Channel.objects.create(tenant=of or jobs.tenant(), slug=slug, **values)
