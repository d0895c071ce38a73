"""A back-test as a page asks for it: of a rule that need not be saved, over the jobs it concerns, bounded in time."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.utils import timezone

from accounts.models import User
from accounts.permissions import visible_to
from alerts import backtest, outbox
from alerts.backtest import Question, Report, Sent
from alerts.conditions import Summary
from alerts.models import AlertRule, NotificationRule
from alerts.rulechecks import TABLE_KINDS
from alerts.shelf import Book, selector_of, shelf, target_of
from alerts.states import ALERT_TRIGGERS, INCIDENT_TRIGGERS, PORTAL_TRIGGERS, RUN_TRIGGERS, Source, Trigger
from jobs import dbclock
from jobs.models import Job
from jobs.retention.policy import keep_for

DAYS = (7, 30, 90)
USUAL = 30
MOST_JOBS = 20
MOST_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class JobTrial:
    """What would have been sent about one job, by one alert rule where it is about alerts."""

    job: Job
    report: Report
    rule: AlertRule | None = None


@dataclass(kw_only=True)
class Trial:
    """`left_out` jobs were not looked at; `kept_days` is said where less history is kept than was asked for."""

    days: int
    since: datetime
    until: datetime
    parts: list[JobTrial] = field(default_factory=list)
    left_out: int = 0
    kept_days: int | None = None
    is_of_alert: bool = True
    is_refused: bool = False  # a part of the portal has no runs
    leaves_out: bool = False  # what people and outages bring about is told too, and not tried

    def total(self, name: str) -> int:
        return sum(getattr(part.report, name) for part in self.parts)

    @property
    def sent(self) -> list[Sent]:
        return sorted((one for part in self.parts for one in part.report.sent), key=lambda one: one.at)

    @property
    def written(self) -> list[Sent]:
        """With what would have been suppressed or gathered."""
        return sorted((one for part in self.parts for one in part.report.written), key=lambda one: one.at)

    @property
    def is_cut(self) -> bool:
        return any(part.report.is_cut for part in self.parts)

    @property
    def is_stopped(self) -> bool:
        return any(part.report.is_stopped for part in self.parts)

    def by_day(self) -> list[tuple[date, int, int]]:
        """Of each day, how many results were bad and how many messages were sent."""
        bad = Counter(_day(at) for part in self.parts for at in part.report.bad_times)
        sent = Counter(_day(one.fate.at) for one in self.sent)
        first, last = _day(self.since), _day(self.until)
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return [(day, bad[day], sent[day]) for day in days]


def _day(at: datetime) -> date:
    return timezone.localtime(at).date()


def of_alert(rule: AlertRule, *, days: int, viewer: User, notices: Sequence[NotificationRule] | None = None) -> Trial:
    """What the alert rule, as it is filled in, would have sent; `notices` None: by the notification rules there are."""
    tried = copy.copy(rule)
    tried.enabled_at = None  # as if it had been there all the time
    trial, book, stop_at = _begin(rule.tenant_id, days)
    trial.is_refused = rule.source == Source.PORTAL
    for job in _bounded(trial, [] if trial.is_refused else _jobs_of(rule, viewer)):
        target = target_of(job, rule)
        told = notices if notices is not None else _notices(tried, job, book)
        asked = Question(
            rule=tried, job=job, notices=told, book=book, target=target,
            since=trial.since, until=trial.until, stop_at=stop_at,
        )  # fmt: skip
        trial.parts.append(JobTrial(job=job, report=backtest.of_alert(asked)))
    return trial


def of_notice(rule: NotificationRule, *, days: int, viewer: User) -> Trial:
    """What the notification rule, as it is filled in, would have sent: of runs, and of the alerts it is about."""
    if rule.alert_rule is not None:
        return of_alert(rule.alert_rule, days=days, viewer=viewer, notices=[rule])
    trial, book, stop_at = _begin(rule.tenant_id, days)
    triggers = {Trigger(one) for one in rule.triggers}
    trial.is_of_alert, trial.leaves_out = False, bool(triggers & (INCIDENT_TRIGGERS | PORTAL_TRIGGERS))
    if triggers & RUN_TRIGGERS:
        for job in _bounded(trial, _jobs_of(rule, viewer)):
            report = backtest.of_notice(
                rule, [job], book=book, since=trial.since, until=trial.until, stop_at=stop_at
            )  # fmt: skip
            trial.parts.append(JobTrial(job=job, report=report))
    about = dict(_alerts_told(rule, viewer)) if triggers & ALERT_TRIGGERS else {}
    for (alert, _pk), job in zip(about, _bounded(trial, list(about.values())), strict=False):
        asked = Question(
            rule=alert, job=job, notices=[rule], book=book, target=target_of(job, alert),
            since=trial.since, until=trial.until, stop_at=stop_at,
        )  # fmt: skip
        trial.parts.append(JobTrial(job=job, report=backtest.of_alert(asked), rule=alert))
    return trial


def _jobs_of(rule: AlertRule | NotificationRule, viewer: User) -> list[Job]:
    return [rule.job] if rule.job is not None else _chosen(rule, viewer)


def _alerts_told(notice: NotificationRule, viewer: User) -> Iterable[tuple[tuple[AlertRule, int], Job]]:
    """The alerts that the notification rule is told of, each with a job, as if they had been there all the time."""
    selector = selector_of(notice.selector)
    rules = AlertRule.objects.filter(tenant=notice.tenant_id, is_enabled=True).exclude(source=Source.PORTAL)
    for alert in visible_to(viewer, rules).select_related("job__tenant").order_by("pk"):
        alert.enabled_at = None
        for job in _jobs_of(alert, viewer):
            is_of_job = alert.job_id is not None and notice.job_id == alert.job_id
            fits = selector is not None and selector.fits(target_of(job, alert))
            if is_of_job if notice.job_id else fits:
                yield (alert, job.pk), job


def told_besides(rule: AlertRule, notice: NotificationRule | None) -> list[NotificationRule]:
    """Who else is told of a saved rule today."""
    if rule.job is None or rule.pk is None:
        return []
    found = _notices(rule, rule.job, shelf.take([rule.tenant_id])[rule.tenant_id])
    return [one for one in found if notice is None or one.pk != notice.pk]


def _begin(tenant_id: int, days: int) -> tuple[Trial, Book, float]:
    now = dbclock.now()
    trial = Trial(days=days, since=now - timedelta(days=days), until=now)
    return trial, shelf.take([tenant_id])[tenant_id], time.monotonic() + MOST_SECONDS


def _notices(rule: AlertRule, job: Job, book: Book) -> list[NotificationRule]:
    """Who is told today. A rule that is not saved is named by no notification rule yet."""
    if rule.pk is not None:
        return list(outbox.rules_for_alert(rule, target_of(job, rule), book))
    chosen = NotificationRule.objects.filter(pk__in=book.notification_rules.route(target_of(job, rule)))
    of_job = NotificationRule.objects.filter(job=job, is_enabled=True, tenant=rule.tenant_id)
    return list((chosen | of_job).distinct().order_by("pk").prefetch_related("channels"))


def _chosen(rule: AlertRule | NotificationRule, viewer: User) -> list[Job]:
    """The jobs that the selector fits and the viewer may see."""
    selector = selector_of(rule.selector)
    rows = visible_to(viewer, Job.objects.filter(tenant=rule.tenant_id, archived_at=None)).order_by("name", "pk")
    if isinstance(rule, AlertRule) and rule.source == Source.RESULT:
        rows = rows.filter(kind__in=TABLE_KINDS)
    about = rule if isinstance(rule, AlertRule) else None
    return [job for job in rows.select_related("tenant") if selector and selector.fits(target_of(job, about))]


def _bounded(trial: Trial, jobs: Sequence[Job]) -> Iterable[Job]:
    trial.left_out = max(len(jobs) - MOST_JOBS, 0)
    for job in jobs[:MOST_JOBS]:
        if trial.is_stopped:
            trial.left_out += 1
            continue
        kept = keep_for(job).run_days
        if kept < trial.days:
            trial.kept_days = min(kept, trial.kept_days or kept)
        yield job


class NoPast:
    """What a rule remembers that has seen nothing yet (`alerts.findings.Past`)."""

    def summaries(self, at: datetime) -> list[Summary]:
        return []

    def times(self) -> list[datetime]:
        return []

    def identities(self) -> list[str]:
        return []

    def acknowledged(self) -> list[str]:
        return []
