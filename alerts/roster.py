"""The rules that a batch of events concerns, read at once: an event costs the same however many rules there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from alerts.models import AlertRule, NotificationRule
from alerts.shelf import Book, shelf, target_of
from alerts.states import Source, Trigger
from jobs.models import Job


@dataclass(frozen=True)
class Roster:
    """By job: its own enabled rules, and those whose selector fits it."""

    books: dict[int, Book]
    alert_rules: dict[int, list[AlertRule]]
    notification_rules: dict[int, list[NotificationRule]]

    @classmethod
    def of(cls, jobs: Iterable[Job]) -> Roster:
        known = {job.pk: job for job in jobs}
        books = shelf.take({job.tenant_id for job in known.values()})
        alerts, notices = {}, {}
        for job in known.values():
            target, book = target_of(job), books[job.tenant_id]
            alerts[job.pk] = set(book.alert_rules.route(target))
            notices[job.pk] = set(book.notification_rules.route(target))
        return cls(books, _alert_rules(known, alerts), _notification_rules(known, notices))

    def names(self, job: Job, trigger: Trigger) -> bool:
        """Whether a rule about the job names this trigger: some are costly to find out."""
        return any(trigger.value in rule.outcomes for rule in self.alert_rules.get(job.pk, ())) or any(
            trigger.value in rule.triggers for rule in self.notification_rules.get(job.pk, ())
        )


def _fitting(jobs: Iterable[int], routed: dict[int, set[int]]) -> Q:
    many = set().union(*routed.values())
    return Q(job__in=list(jobs)) | Q(pk__in=many) if many else Q(job__in=list(jobs))


def _alert_rules(jobs: dict[int, Job], routed: dict[int, set[int]]) -> dict[int, list[AlertRule]]:
    rules = AlertRule.objects.filter(_fitting(jobs, routed), is_enabled=True).exclude(source=Source.PORTAL)
    return _by_job(rules.select_related("tenant", "escalation").order_by("pk"), jobs, routed)


def _notification_rules(jobs: dict[int, Job], routed: dict[int, set[int]]) -> dict[int, list[NotificationRule]]:
    rules = NotificationRule.objects.filter(_fitting(jobs, routed), is_enabled=True)
    return _by_job(rules.prefetch_related("channels").order_by("pk"), jobs, routed)


def _by_job(rules: QuerySet, jobs: dict[int, Job], routed: dict[int, set[int]]) -> dict[int, list]:  # type: ignore[type-arg]
    """A rule of another tenant never fits, whatever its columns say."""
    found: dict[int, list] = defaultdict(list)  # type: ignore[type-arg]
    for rule in rules:
        for key, job in jobs.items():
            is_meant = rule.pk in routed[key] if rule.job_id is None else rule.job_id == key
            if is_meant and rule.tenant_id == job.tenant_id:
                found[key].append(rule)
    return found
