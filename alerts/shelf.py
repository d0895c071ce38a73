"""A process's copy of the rules that concern many jobs, and of the silences: read again when `alerts.books` says so."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from alerts.models import AlertRule, NotificationRule, RuleBook
from alerts.models import Silence as SilenceRow
from alerts.routing import Router, Selector, Silence, Target, silence_of
from alerts.states import Source
from jobs import dbclock
from jobs.models import Job

MOST_LATE = timedelta(days=8)  # events from before it are passed over, so no silence is wanted for them


@dataclass(frozen=True, kw_only=True)
class Book:
    """One tenant's. The routers give ids of rules that no single job or alert rule has for itself."""

    version: int
    alert_rules: Router[int]
    notification_rules: Router[int]
    silences: tuple[Silence, ...]

    def silence(self, target: Target, at: datetime) -> Silence | None:
        return silence_of(self.silences, target, at)


class Shelf:
    """Thread-safe: the books of a process."""

    def __init__(self) -> None:
        self._books: dict[int, Book] = {}
        self._lock = threading.Lock()

    def take(self, tenants: Iterable[int]) -> dict[int, Book]:
        """The current books of these tenants: one statement when nothing has changed."""
        wanted = set(tenants)
        versions = dict(RuleBook.objects.filter(tenant__in=wanted).values_list("tenant_id", "version"))
        found = {}
        for tenant in wanted:
            version = versions.get(tenant, 0)
            with self._lock:
                book = self._books.get(tenant)
            if book is None or book.version != version:
                book = read(tenant, version)
                with self._lock:
                    self._books[tenant] = book
            found[tenant] = book
        return found

    def clear(self) -> None:
        with self._lock:
            self._books.clear()


shelf = Shelf()


def read(tenant_id: int, version: int) -> Book:
    """From the tables. A selector that can't be used any more selects nothing."""
    alert_rules = AlertRule.objects.filter(tenant=tenant_id, is_enabled=True, job=None).exclude(source=Source.PORTAL)
    notices = NotificationRule.objects.filter(tenant=tenant_id, is_enabled=True, job=None, alert_rule=None)
    long_over = dbclock.now() - MOST_LATE
    silences = SilenceRow.objects.filter(tenant=tenant_id, ended_at=None, ends_at__gt=long_over).order_by("pk")
    return Book(
        version=version,
        alert_rules=_router(alert_rules.order_by("pk").values_list("pk", "selector")),
        notification_rules=_router(notices.order_by("pk").values_list("pk", "selector")),
        silences=tuple(
            Silence(id=row.pk, selector=selector, starts_at=row.starts_at, ends_at=row.ends_at)
            for row in silences
            if (selector := selector_of(row.selector)) is not None
        ),
    )


def selector_of(stored: object) -> Selector | None:
    try:
        return Selector.model_validate(stored or {})
    except ValidationError:
        return None


def target_of(job: Job | None, rule: AlertRule | None = None) -> Target:
    """What an event is about, as selectors see it; a rule's labels go before the job's."""
    labels = {**(getattr(job, "labels", None) or {}), **(rule.labels if rule else {})}
    return Target(
        job=job.slug if job else "",
        category=job.category if job else "",
        rule=rule.slug if rule else "",
        labels={str(name): str(value) for name, value in labels.items()},
    )


def _router(rows: Iterable[tuple[int, object]]) -> Router[int]:
    return Router((selector, pk) for pk, stored in rows if (selector := selector_of(stored)) is not None)
