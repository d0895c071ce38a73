"""What notification rules make of the ends of runs: the fold of each rule and job, and its messages."""

from __future__ import annotations

import logging

from pydantic import ValidationError

from alerts import noticefold, outbox
from alerts.happenings import Happening
from alerts.letters import Event
from alerts.models import NoticeMemory, NotificationRule
from alerts.noticefold import NoticePolicy, Tell
from alerts.shelf import Book, target_of
from alerts.signals import Signal, SignalKind
from alerts.states import OF_A_JOB, Severity, Trigger
from jobs import reasons

log = logging.getLogger(__name__)
# How urgent a message about a run is; an alert's has its rule's own.
CRITICAL = frozenset({Trigger.LOST, Trigger.MISSED})
FINE = frozenset({Trigger.SUCCESS, Trigger.RECOVERED, Trigger.SKIPPED})


def signal_of(happening: Happening) -> Signal:
    """The same live and in a back-test."""
    return Signal(
        kind=SignalKind.RUN,
        subject=f"job:{happening.run.job_id}",
        at=happening.at,
        id=happening.id,
        triggers=happening.triggers,
        will_retry=happening.will_retry,
    )


def policy_of(rule: NotificationRule) -> NoticePolicy | None:
    """None when it names nothing that runs do."""
    triggers = [name for name in rule.triggers if name in OF_A_JOB]
    if not triggers or triggers == [Trigger.RECOVERED.value]:
        return None
    try:
        return NoticePolicy.model_validate({**(rule.policy or {}), "triggers": triggers})
    except ValidationError:
        log.warning("The policy of a notification rule can't be used.", extra={"notification_rule": rule.pk})
        return NoticePolicy.model_validate({"triggers": triggers})


def feed(rule: NotificationRule, happening: Happening, book: Book) -> int:
    """Fold one event for one rule. Returns how many messages were written."""
    policy = policy_of(rule)
    if policy is None:
        return 0
    row, _is_new = NoticeMemory.objects.select_for_update().get_or_create(rule=rule, job=happening.run.job)
    before = noticefold.NoticeMemory.from_json(row.memory)
    memory, tells = noticefold.step(policy, before, signal_of(happening))
    if memory == before:
        return 0  # a run that takes too long is seen every few seconds
    NoticeMemory.objects.filter(pk=row.pk).update(memory=memory.to_json())
    return sum(len(outbox.post(event_of(tell, happening), [rule], book)) for tell in tells)


def severity_of(trigger: Trigger) -> Severity:
    if trigger in FINE:
        return Severity.INFO
    return Severity.CRITICAL if trigger in CRITICAL else Severity.WARNING


def event_of(tell: Tell, happening: Happening) -> Event:
    run = happening.run
    odd = happening.suspicion if tell.trigger == Trigger.SUSPICIOUS else None
    return Event(
        tenant=run.tenant,
        trigger=tell.trigger,
        severity=severity_of(tell.trigger),
        at=tell.at,
        key=tell.key,
        target=target_of(run.job),
        job=run.job,
        run=run,
        sentence=odd.stored if odd else dict(run.reason_args) or {"text": reasons.render(run.reason, run.reason_args)},
        count=tell.count,
    )
