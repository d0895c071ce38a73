"""One signal for one alert: the fold, what it remembers, and everything that follows from it, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from alerts import fold, incidents, outbox
from alerts.effects import Effect, Flapping, Joined, Opened, Reminded, Resolved, Settled, about, trigger_of
from alerts.findings import NOTHING, Finding
from alerts.incidents import Part
from alerts.letters import Event
from alerts.memory import Memory, Problem
from alerts.models import AlertCheck, AlertRule, AlertStatus, Incident
from alerts.policies import Policy
from alerts.rows import keep_found
from alerts.shelf import Book, target_of
from alerts.signals import Signal
from alerts.states import OUTAGES, AlertState, Happened, IncidentStatus, NotificationStatus, Severity, Source, Trigger
from alerts.wording import Sentence, say
from jobs.models import Job, Run

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Case:
    """A rule about one subject, at work. `job` is None for a part of the portal."""

    rule: AlertRule
    status: AlertStatus
    book: Book
    job: Job | None = None
    run: Run | None = None
    finding: Finding = NOTHING
    messages: int = field(default=0, init=False)

    @property
    def key(self) -> str:
        """The subject of its signals."""
        return subject_of(self.rule, self.status.subject)

    def part(self, at: datetime, cause: str, state: AlertState) -> Part:
        return Part(
            rule=self.rule,
            status=self.status,
            cause=cause,
            state=state,
            at=at,
            sentence=dict(self.status.sentence),
            evidence=dict(self.finding.evidence),
        )


def subject_of(rule: AlertRule, subject: str) -> str:
    return f"rule:{rule.pk}/{subject}"


def policy_of(rule: AlertRule) -> Policy:
    """One that can't be used any more is the plain one: an alert must not die of its settings."""
    try:
        return Policy.model_validate(rule.policy or {})
    except ValidationError:
        log.warning("The policy of an alert rule can't be used; the plain one is.", extra={"alert_rule": rule.pk})
        return Policy()


def feed(
    case: Case, signal: Signal, *, due_at: datetime | None = None, changed: Mapping[str, Any] | None = None
) -> int:
    """Fold the signal, store what is remembered, carry out what follows. Returns how many messages were written.

    `changed` replaces parts of the memory first (`due_at`, when a schedule has moved).
    """
    memory = Memory.from_json(case.status.memory)
    if signal.id and memory.seen.knows(signal):
        return 0  # nothing follows from it, and no row is written for that
    policy = policy_of(case.rule)
    if changed:
        memory = replace(memory, **changed)
    if due_at is not None:
        signal = replace(signal, facts={**signal.facts, "due_at": due_at.isoformat()})
    memory, effects = fold.step(policy, memory, signal)
    _remember(case, policy, memory, signal)
    opened = [_carry_out(case, effect, memory) for effect in effects]
    if not any(opened):
        _tell_of_new_rows(case, signal, effects)
    if case.messages:
        AlertStatus.objects.filter(pk=case.status.pk).update(notified_at=signal.at)
    return case.messages


# --- what is remembered -----------------------------------------------------------------------------------------------


def _remember(case: Case, policy: Policy, memory: Memory, signal: Signal) -> None:
    status, finding = case.status, case.finding
    status.memory = memory.to_json()
    status.state, status.state_at = memory.state, memory.state_at
    status.wakes_at = fold.wakes_at(policy, memory)
    if finding.verdict is not None:
        status.checked_at = signal.at
        status.run = case.run
        status.value = finding.value
        status.sentence = finding.sentence.stored if finding.sentence else {}
    status.save()
    if finding.verdict is None:
        return
    AlertCheck.objects.create(
        status=status,
        at=signal.at,
        verdict=finding.verdict.value,
        state=memory.state,
        value=finding.value,
        sentence=status.sentence,
        summary=finding.summary.to_json() if finding.summary else None,
        run=case.run,
        took_ms=_milliseconds(case.run),
    )
    if finding.rows is not None and finding.rows.problem is None:
        status.row_identities = sorted(finding.rows.identities)
        status.save(update_fields=["row_identities"])
        keep_found(status, finding.rows, finding.evidence.get("columns") or [], signal.at)


def _milliseconds(run: Run | None) -> int:
    """How long the run took whose result was looked at, waiting left out."""
    if run is None or run.started_at is None or run.ended_at is None:
        return 0
    return max(0, round((run.ended_at - run.started_at).total_seconds() * 1000))


# --- what follows -----------------------------------------------------------------------------------------------------


def _carry_out(case: Case, effect: Effect, memory: Memory) -> bool:
    """Whether it was told that something begins."""
    if isinstance(effect, Opened):
        incident, _is_new = incidents.join(case.part(effect.at, effect.cause, effect.state))
        _tell(case, effect, incident, key=f"{effect.state.value}:opened")
        return True
    if isinstance(effect, Joined):
        incident, is_new = incidents.one_more(case.part(effect.at, effect.cause, effect.state))
        if is_new:  # a person had resolved it, and it is not over
            opened = Opened(at=effect.at, signal_id=effect.signal_id, state=effect.state, cause=effect.cause)
            _tell(case, opened, incident, key=f"{effect.state.value}:opened")
        return is_new
    if isinstance(effect, Resolved):
        _resolve(case, effect)
    elif isinstance(effect, Reminded):
        _remind(case, effect)
    elif isinstance(effect, Flapping | Settled):
        _flap(case, effect, memory)
    return False


def _resolve(case: Case, effect: Resolved) -> None:
    """Whoever was told that it began is told that it is over, by whichever of its alerts."""
    incident, is_over = incidents.leave(case.part(effect.at, effect.cause, effect.state))
    if incident is None or not is_over:
        return
    members = incident.members.select_related("status__rule__tenant", "status__job").order_by("pk")
    for member in members:
        other = member.status if member.status_id != case.status.pk else None
        _tell(case, effect, incident, key="recovered", other=other)


def _remind(case: Case, effect: Reminded) -> None:
    incident = incidents.current(case.part(effect.at, effect.cause, effect.state))
    if incident is None:
        return
    is_snoozed = incident.snoozed_until is not None and incident.snoozed_until > effect.at
    if is_snoozed or incident.status == IncidentStatus.ACKNOWLEDGED:
        return
    key = reminder_key(policy_of(case.rule), incident.opened_at, effect.at)
    if _tell(case, effect, incident, key=key):
        incidents.note(incident, Happened.REMINDED, effect.at)


def reminder_key(policy: Policy, opened_at: datetime, at: datetime) -> str:
    """One for all alerts of the incident that remind as often; it never comes again, whatever happens in between."""
    every = policy.repeat_every
    if every is None:
        return f"reminded:{at.isoformat()}"
    return f"reminded:{every.total_seconds():g}:{(at - opened_at) // every}"


def _flap(case: Case, effect: Flapping | Settled, memory: Memory) -> None:
    is_flapping = isinstance(effect, Flapping)
    for problem in memory.incidents.values() or [Problem(AlertState.FIRING, case.key)]:
        incident = incidents.current(case.part(effect.at, problem.cause, problem.state))
        if incident is None:
            continue
        Incident.objects.filter(pk=incident.pk).update(is_flapping=is_flapping)
        count = effect.count if isinstance(effect, Flapping) else 0
        words = say("incident.flapping", count=count) if is_flapping else say("incident.settled")
        incidents.note(incident, Happened.FLAPPING if is_flapping else Happened.SETTLED, effect.at, words)
        key = f"{type(effect).__name__.lower()}:{effect.at.isoformat()}"
        _tell(case, about(effect, problem.state), incident, key=key, words=words)


def _tell_of_new_rows(case: Case, signal: Signal, effects: list[Effect]) -> None:
    """A row-level alert that fires already tells of new rows, and of nothing but them."""
    rows = case.finding.rows
    if rows is None or not rows.new or case.status.state != AlertState.FIRING:
        return
    for effect in effects:
        if isinstance(effect, Joined) and not effect.is_quiet:
            incident = incidents.current(case.part(effect.at, effect.cause, effect.state))
            if incident is not None:
                opened = Opened(at=effect.at, signal_id=signal.id, state=effect.state, cause=effect.cause)
                _tell(case, opened, incident, key=f"rows:{signal.id}")


@dataclass(frozen=True, kw_only=True)
class News:
    """What is told, of which alert (`other`: another one of the incident; else the case's own), in which words."""

    trigger: Trigger
    at: datetime
    key: str
    other: AlertStatus | None = None
    words: Sentence | None = None


def _tell(case: Case, effect: Effect, incident: Incident, **more: Any) -> int:
    """How many messages are to go out."""
    trigger = trigger_of(effect)
    if trigger is None:
        return 0
    news = News(trigger=trigger, at=effect.at, **more)
    event = event_of(case, incident, news)
    rules = list(outbox.rules_for_alert(news.other.rule if news.other else case.rule, event.target, case.book))
    names = [trigger]
    if event.alert_rule and event.alert_rule.source == Source.PORTAL and trigger in OUTAGES:
        names.insert(0, OUTAGES[trigger])  # the same message, for who named it by this: a channel has it once
    made = [one for name in names for one in outbox.post(replace(event, trigger=name), rules, case.book)]
    told = sum(each.status != NotificationStatus.SUPPRESSED for each in made)
    case.messages += told
    if not told and trigger in NEWS:
        _note_that_nobody_is_told(incident, effect.at)
    return told


NEWS = frozenset({Trigger.FIRING, Trigger.ERROR, Trigger.STALE, Trigger.NO_DATA})


def _note_that_nobody_is_told(incident: Incident, at: datetime) -> None:
    """On the incident's page, so that it is no secret that it stays one."""
    messages = incident.notifications.order_by().values_list("status", flat=True)
    if messages.exclude(status=NotificationStatus.SUPPRESSED).exists():
        return
    words = say("incident.kept_back" if messages.exists() else "incident.nobody")
    if not incident.events.filter(what=Happened.NOTIFIED, said__key=words.key).exists():
        incidents.note(incident, Happened.NOTIFIED, at, words)


def event_of(case: Case, incident: Incident, news: News) -> Event:
    """As the outbox takes it."""
    status, rule, job, run, finding = case.status, case.rule, case.job, case.run, case.finding
    if news.other is not None:  # what was found now was found by the case's own
        status, rule, job, run, finding = news.other, news.other.rule, news.other.job, None, NOTHING
    rows = finding.rows
    return Event(
        tenant=rule.tenant,
        trigger=news.trigger,
        severity=Severity(incident.severity),
        at=news.at,
        key=news.key,
        target=target_of(job, rule),
        job=job,
        run=run,
        alert_rule=rule,
        status=status,
        incident=incident,
        sentence=news.words.stored if news.words else status.sentence,
        evidence=finding.evidence or incident.evidence,
        count=incident.count,
        new_rows=len(rows.new) if rows else None,
        resolved_rows=len(rows.resolved) if rows else None,
    )
