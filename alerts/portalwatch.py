"""Outages of the portal itself: told to the platform's admins always, and to every rule that watches its parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.utils.translation import override

from accounts.models import User
from alerts import evaluate, inbox, standing
from alerts.consume import guarded
from alerts.evaluate import Case, subject_of
from alerts.findings import Finding
from alerts.inbox import Letter
from alerts.models import AlertRule
from alerts.shelf import Book, shelf
from alerts.signals import Signal, SignalKind, Verdict
from alerts.states import Severity, Source
from alerts.wording import Sentence, say
from jobs.models import Outage
from jobs.outages import DISK_PREFIX, QUEUE_PREFIX

BATCH = 50
ANY_QUEUE, ANY_DISK = "queues", "disk"


def consume(now: datetime) -> int:
    """Tell of outages that nobody was told of, and of ends."""
    begun = list(Outage.objects.filter(notified_at=None).order_by("pk")[:BATCH])
    over = list(Outage.objects.filter(over_notified_at=None, ended_at__isnull=False).order_by("pk")[:BATCH])
    for outage in begun:
        _tell(outage, is_over=False, now=now)
        Outage.objects.filter(pk=outage.pk).update(notified_at=now)
    for outage in over:
        _tell(outage, is_over=True, now=now)
        Outage.objects.filter(pk=outage.pk).update(over_notified_at=now)
    return len(begun) + len(over)


def rules_about(subject: str) -> list[AlertRule]:
    """The rules of all tenants that watch this part; "queues" stands for every queue, "disk" for every machine's."""
    names = {subject}
    names |= {ANY_QUEUE} if subject.startswith(QUEUE_PREFIX) else set()
    names |= {ANY_DISK} if subject.startswith(DISK_PREFIX) else set()
    rules = AlertRule.objects.filter(source=Source.PORTAL, is_enabled=True).select_related("tenant", "escalation")
    return [rule for rule in rules.order_by("pk") if names & set(rule.subjects)]


def signal_of(key: str, outage: Outage, *, is_over: bool) -> Signal:
    """Bad from when it was noticed, good when it ended."""
    at = (outage.ended_at if is_over else None) or outage.noticed_at
    return Signal(
        kind=SignalKind.OUTAGE,
        subject=key,
        at=max(at, outage.noticed_at),
        id=f"outage:{outage.pk}:{'over' if is_over else 'began'}",
        verdict=Verdict.GOOD if is_over else Verdict.BAD,
    )


def _tell(outage: Outage, *, is_over: bool, now: datetime) -> None:
    rules = rules_about(outage.subject)
    books = shelf.take({rule.tenant_id for rule in rules})
    key = "outage.over" if is_over else "outage.began"
    if outage.subject.startswith(DISK_PREFIX):
        key = "outage.room" if is_over else "outage.full"
    words = say(key, subject=outage.subject, began_at=outage.began_at, ended_at=outage.ended_at or now)
    verdict = Verdict.GOOD if is_over else Verdict.BAD
    finding = Finding(verdict=verdict, sentence=words, value=float(not is_over))
    for rule in rules:
        about = {"alert_rule": rule.pk, "outage": outage.pk}
        crashed = guarded(partial(_feed, rule, outage, books[rule.tenant_id], finding, is_over=is_over), about=about)
        if crashed is not None:
            broken = Finding(verdict=Verdict.BROKEN, sentence=say("any.crashed", kind=rule.source, cause=crashed))
            guarded(partial(_feed, rule, outage, books[rule.tenant_id], broken, is_over=is_over), about=about)
    _tell_the_platform(outage, words, is_over=is_over, now=now)


def _feed(rule: AlertRule, outage: Outage, book: Book, finding: Finding, *, is_over: bool) -> int:
    found = standing.take(rule, outage.subject, job=None, now=outage.noticed_at)
    if found is None:
        return 0
    rule, status = found
    case = Case(rule=rule, status=status, book=book, finding=finding)
    signal = signal_of(subject_of(rule, outage.subject), outage, is_over=is_over)
    return evaluate.feed(case, replace(signal, verdict=finding.verdict))


def _tell_the_platform(outage: Outage, words: Sentence, *, is_over: bool, now: datetime) -> None:
    """Each in their own language; told once, however often this is tried."""
    severity = Severity.INFO if is_over else Severity.CRITICAL
    name = uuid5(NAMESPACE_URL, f"outage:{outage.pk}:{'over' if is_over else 'began'}")
    for admin in User.objects.filter(is_superuser=True, is_active=True):
        with override(admin.language or settings.LANGUAGE_CODE):
            letter = Letter(subject=words.text, severity=severity, link=inbox.link_to(outage), delivery_id=name)
        inbox.tell_people([admin], letter, now=now)
