"""SQL alerts for a stack of real processes; runs inside its shell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from accounts.models import Tenant
from alerts import books, clockwork
from alerts.models import AlertRule, Channel, NotificationRule
from datasources.models import DataSource
from jobs import dbclock
from jobs.models import Job
from tests.stackrows import add_jobs


def add_alerts(count: int, source: dict[str, Any], *, every: str = "2s", grace: float = 300) -> None:
    """So many alerts of tenant demo, each a SQL job of its own on one datasource: bad while `orders` has rows."""
    tenant = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})[0]
    DataSource.objects.create(tenant=tenant, slug="shop", name="Shop", **source)
    channel = Channel.objects.create(tenant=tenant, slug="ops", name="Ops", kind="webhook", params={}, language="en")
    names = [f"check-{number}" for number in range(count)]
    params = {"datasource": "shop", "sql": "SELECT id FROM orders"}
    add_jobs([{"slug": name, "kind": "sql", "params": params, "retry": {"max": 0}, "every": every} for name in names])
    for name in names:
        rule = AlertRule.objects.create(
            tenant=tenant,
            slug=name,
            name=name,
            job=Job.objects.get(tenant=tenant, slug=name),
            condition="not_empty",
            result_grace=timedelta(seconds=grace),
            enabled_at=dbclock.now(),
        )
        notice = NotificationRule.objects.create(
            tenant=tenant, name=name, alert_rule=rule, triggers=["firing", "error", "stale", "recovered"]
        )
        notice.channels.add(channel)
        clockwork.begin(rule, dbclock.now())
    books.changed(tenant.pk)
