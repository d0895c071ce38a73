"""Rows that the tests of the live engine need."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from alerts import consume
from alerts.models import AlertRule, Channel, Notification, NotificationRule
from alerts.states import Severity, Source
from jobs.models import Job, Run, RunEvent
from jobs.states import Origin, RunStatus
from tests.jobs import rows

NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
MINUTE = timedelta(minutes=1)


def table(*values: Any, columns: tuple[str, ...] = ("n",)) -> dict[str, Any]:
    """A SQL run's result."""
    found = [list(value) if isinstance(value, tuple) else [value] for value in values]
    return {"columns": list(columns), "rows": found, "row_count": len(found), "truncated": False}


def sql_job(slug: str = "check", source: str = "shop", **fields: Any) -> Job:
    job = rows.job(slug, kind="sql", params={"script": "SELECT 1", "datasource": source}, **fields)
    return Job.objects.select_related("tenant", "revision").get(pk=job.pk)


def channel(of: Job, slug: str = "ops", **fields: Any) -> Channel:
    values: dict[str, Any] = {"name": slug.title(), "kind": "webhook", "language": "en", **fields}
    return Channel.objects.create(tenant=of.tenant, slug=slug, **values)


def rule(of: Job, slug: str = "too-many", **fields: Any) -> AlertRule:
    values: dict[str, Any] = {
        "name": slug,
        "source": Source.RESULT,
        "condition": "row_count",
        "condition_params": {"operator": ">", "threshold": "0"},
        "severity": Severity.WARNING,
        "enabled_at": NOW - timedelta(days=60),
        "job": of,
        **fields,
    }
    return AlertRule.objects.create(tenant=of.tenant, slug=slug, **values)


ALL = ["firing", "still_firing", "recovered", "error", "stale", "no_data"]


def notice(to: Channel, triggers: list[str] | None = None, **fields: Any) -> NotificationRule:
    made = NotificationRule.objects.create(
        tenant=to.tenant, name=fields.pop("name", "tell"), triggers=ALL if triggers is None else triggers, **fields
    )
    made.channels.add(to)
    NotificationRule.objects.filter(pk=made.pk).update(created_at=NOW - timedelta(days=60))
    return made


def ended(of: Job, minute: float = 0, status: str = RunStatus.SUCCEEDED, **fields: Any) -> Run:
    """A run that ended that many minutes after NOW, with its event, which nobody has looked at."""
    at = NOW + minute * MINUTE
    values: dict[str, Any] = {"origin": Origin.SCHEDULE, "ended_at": at, **fields}
    run = rows.run(of, status, at=at - timedelta(seconds=2), **values)
    RunEvent.objects.create(run=run, old=RunStatus.RUNNING, new=status, at=at)
    return run


def result(of: Job, minute: float, *values: Any, columns: tuple[str, ...] = ("n",)) -> Run:
    """A successful check with these rows, looked at."""
    run = ended(of, minute, result=table(*values, columns=columns))
    drain()
    return run


def failed(of: Job, minute: float, **fields: Any) -> Run:
    """A check that failed, looked at."""
    run = ended(of, minute, RunStatus.TECHNICAL_FAILURE, **fields)
    drain()
    return run


def drain() -> None:
    while consume.consume_once():
        pass


def told() -> list[str]:
    """The triggers of all messages, in their order."""
    return list(Notification.objects.order_by("pk").values_list("trigger", flat=True))
