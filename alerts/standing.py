"""What is remembered of a rule about one subject, and the rule itself, as they are under the lock."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from alerts.memory import Memory
from alerts.models import AlertRule, AlertStatus
from alerts.shelf import selector_of, target_of
from jobs.models import Job


def status_of(rule: AlertRule, subject: str, *, job: Job | None, now: datetime) -> AlertStatus:
    """The row of this rule and subject; a new one remembers nothing and awaits its first result from now on.

    It is locked until the transaction ends: two passes fold into it, and neither may forget what the other stored.
    """
    found = _locked(rule, subject)
    if found is not None:
        return found
    try:
        with transaction.atomic():
            memory = Memory.new(now).to_json()
            return AlertStatus.objects.create(rule=rule, subject=subject, job=job, state_at=now, memory=memory)
    except IntegrityError:  # the other pass was quicker
        return AlertStatus.objects.select_for_update().get(rule=rule, subject=subject)


def take(rule: AlertRule, subject: str, *, job: Job | None, now: datetime) -> tuple[AlertRule, AlertStatus] | None:
    """The rule as it is now, and its row for the subject, locked; None when it doesn't look at that any more."""
    status = _locked(rule, subject)
    if status is not None:
        fresh = as_it_is(rule, job)
        return (fresh, status) if fresh else None
    # Who switches it off meanwhile has no row to wait for, so they wait for the rule.
    if not AlertRule.objects.select_for_update().filter(pk=rule.pk).order_by().values_list("pk"):
        return None
    fresh = as_it_is(rule, job)
    return (fresh, status_of(fresh, subject, job=job, now=now)) if fresh else None


def as_it_is(rule: AlertRule, job: Job | None) -> AlertRule | None:
    """A rule that was read a while ago as it is now; None when it was deleted, switched off or looks at other jobs.

    Ask when its row is locked: whoever switches a rule off, or changes what it looks at, waits for that lock too.
    """
    found = AlertRule.objects.filter(pk=rule.pk).order_by().values_list("is_enabled", "updated_at").first()
    if found is None or not found[0]:
        return None
    if found[1] == rule.updated_at:
        return rule
    fresh = AlertRule.objects.select_related("tenant", "escalation").get(pk=rule.pk)
    return fresh if job is None or is_about(fresh, job) else None


def is_about(rule: AlertRule, job: Job) -> bool:
    """Whether the rule concerns the job as both are now."""
    if rule.job_id is not None:
        return rule.job_id == job.pk
    selector = selector_of(rule.selector)
    return selector is not None and selector.fits(target_of(job))


def _locked(rule: AlertRule, subject: str) -> AlertStatus | None:
    return AlertStatus.objects.select_for_update().filter(rule=rule, subject=subject).order_by().first()
