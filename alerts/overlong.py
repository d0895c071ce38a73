"""Runs that take unusually long while they run (M4): told when they pass what is usual, not when they end at last."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from alerts.baseline import Figures, is_too_long
from alerts.happenings import KNOWN_FROM, Happening, history_before
from alerts.models import AlertRule, NotificationRule
from alerts.states import Source, Trigger
from jobs.models import Run
from jobs.states import RunStatus

log = logging.getLogger(__name__)
LONGEST = 30 * 86400.0  # seconds
YOUNGEST = timedelta(seconds=5)  # nothing is unusually long before that
MOST = 500


def too_long_after(history: Sequence[Figures]) -> timedelta | None:
    """From when on a run of such a history is unusually long; None when it never is. PURE."""
    if not is_too_long(history, LONGEST):
        return None
    low, high = YOUNGEST.total_seconds(), LONGEST
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if is_too_long(history, middle) else (middle, high)
    return timedelta(seconds=round(high))


def too_long(run: Run, history: Sequence[Figures], until: datetime) -> Happening | None:
    """The same happening whenever it is looked for: its moment is when the run passed what is usual."""
    if run.started_at is None or not is_too_long(history, (until - run.started_at).total_seconds()):
        return None
    after = too_long_after(history)
    if after is None or run.started_at + after > until:
        return None
    at = run.started_at + after
    return Happening(id=f"run:{run.pk}:too_long", run=run, at=at, triggers=frozenset({Trigger.TOO_LONG}))


def running_too_long(now: datetime) -> list[Happening]:
    """The running runs of jobs that some rule watches for that."""
    runs = Run.objects.filter(status=RunStatus.RUNNING, parent=None, started_at__lte=now - YOUNGEST)
    concerned = runs.filter(_watched()).select_related(*KNOWN_FROM).order_by("pk")[:MOST]
    found = (_looked_at(run, now) for run in concerned)
    return [each for each in found if each is not None]


def _looked_at(run: Run, now: datetime) -> Happening | None:
    """One whose history can't be weighed harms no other."""
    try:
        with transaction.atomic():
            return too_long(run, history_before(run), now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("Whether a run takes too long is not known.", extra={"run": run.pk})
        return None


def _watched() -> Q:
    """Jobs with a rule of their own that names it, and all jobs of tenants with such a rule for many."""
    alerts = AlertRule.objects.filter(source=Source.OUTCOME, is_enabled=True).only("job_id", "tenant_id", "outcomes")
    notices = NotificationRule.objects.filter(is_enabled=True, alert_rule=None).only("job_id", "tenant_id", "triggers")
    jobs, tenants = _places((rule.job_id, rule.tenant_id, rule.outcomes) for rule in alerts.iterator())
    more_jobs, more_tenants = _places((rule.job_id, rule.tenant_id, rule.triggers) for rule in notices.iterator())
    return Q(job__in=jobs | more_jobs) | Q(tenant__in=tenants | more_tenants)


def _places(rules: Iterable[tuple[int | None, int, list[str]]]) -> tuple[set[int], set[int]]:
    jobs: set[int] = set()
    tenants: set[int] = set()
    for job, tenant, names in rules:
        if Trigger.TOO_LONG.value in names:
            if job is None:
                tenants.add(tenant)
            else:
                jobs.add(job)
    return jobs, tenants
