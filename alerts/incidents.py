"""Incidents: opened, joined and left by alerts; acknowledged, commented, snoozed and resolved by people.

Whatever changes one locks its row first. The functions of the first part are called by the engine in the transaction
that stores what an alert remembers; those of the second part are what people do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from accounts.permissions import permission_name, roles, visible_to
from alerts import announce, inbox
from alerts.models import AlertRule, AlertStatus, EscalationStep, Incident, IncidentEvent, IncidentMember
from alerts.states import INCIDENT_TRANSITIONS, UNRESOLVED, AlertState, Happened, IncidentStatus, Severity
from alerts.wording import Sentence, say

LONGEST_SNOOZE = timedelta(days=30)
LONGEST_COMMENT = 4000


class IncidentRefusedError(Exception):
    """It can't be done with this incident; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One alert's part in an incident: which alert, what it is about, and what it shows for it."""

    rule: AlertRule
    status: AlertStatus
    cause: str
    state: AlertState
    at: datetime
    sentence: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def open_key(self) -> str:
        return open_key(self.rule.tenant_id, self.cause)


def open_key(tenant_id: int, cause: str) -> str:
    """What only one open incident has."""
    return f"{tenant_id}:{cause}" if len(cause) <= 150 else f"{tenant_id}:{hashlib.sha256(cause.encode()).hexdigest()}"


# --- what alerts do ---------------------------------------------------------------------------------------------------


def join(part: Part) -> tuple[Incident, bool]:
    """The open incident of this cause with the alert as a part of it; and whether it was opened just now."""
    found = Incident.objects.select_for_update().filter(open_key=part.open_key).first()
    if found is None:
        try:
            with transaction.atomic():
                incident = _open(part)
        except IntegrityError:  # another alert has opened it a moment ago
            return join(part)
        _take_in(incident, part)
        return incident, True
    if _take_in(found, part):
        note(found, Happened.JOINED, part.at, say("incident.joined", rule=part.rule.name, found=dict(part.sentence)))
        if Severity(part.rule.severity).rank > Severity(found.severity).rank:
            found.severity = part.rule.severity
        if found.escalation_id is None and part.rule.escalation_id is not None:
            _arm(found, part.rule, part.at)
        found.title = title_of(part, others=found.members.filter(left_at=None).count() - 1)
        found.save(update_fields=["severity", "escalation", "step_number", "next_step_at", "title", "updated_at"])
    return found, False


def one_more(part: Part) -> tuple[Incident, bool]:
    """One more bad result. When a person has resolved the incident meanwhile, a new one opens (True)."""
    incident, is_new = join(part)
    if not is_new:
        changes: dict[str, Any] = {"count": F("count") + 1, "last_at": part.at}
        if part.evidence:
            changes["evidence"] = {**part.evidence, "sentence": dict(part.sentence)}
        Incident.objects.filter(pk=incident.pk).update(**changes)
    return incident, is_new


def leave(part: Part) -> tuple[Incident | None, bool]:
    """The alert has no part in it any more; and whether that has resolved it. None: it was resolved before."""
    incident = Incident.objects.select_for_update().filter(open_key=part.open_key).first()
    if incident is None:
        return None, False
    IncidentMember.objects.filter(incident=incident, status=part.status, left_at=None).update(left_at=part.at)
    if incident.members.filter(left_at=None).exists():
        note(incident, Happened.LEFT, part.at, say("incident.left", rule=part.rule.name))
        return incident, False
    _close(incident, part.at)
    note(incident, Happened.RESOLVED, part.at, say("incident.recovered", rule=part.rule.name))
    return incident, True


def forget(status: AlertStatus, at: datetime, why: Sentence | None = None) -> None:
    """The alert takes no part in anything any more: its rule was changed or enabled anew, unless `why` says else."""
    for member in IncidentMember.objects.filter(status=status, left_at=None).select_related("incident"):
        incident = Incident.objects.select_for_update().get(pk=member.incident_id)
        IncidentMember.objects.filter(pk=member.pk).update(left_at=at)
        if incident.status in UNRESOLVED and not incident.members.filter(left_at=None).exists():
            _close(incident, at)
            note(incident, Happened.RESOLVED, at, why or say("incident.renewed", rule=status.rule.name))


def current(part: Part) -> Incident | None:
    """The open incident the alert is part of."""
    return Incident.objects.filter(open_key=part.open_key).first()


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who did it: a user, or (by a signed link) a name; and what they said."""

    user: User | None = None
    name: str = ""
    text: str = ""

    @property
    def shown(self) -> str:
        return (self.name or (str(self.user) if self.user else ""))[:150]


NOBODY = Person()


def note(
    incident: Incident, what: Happened, at: datetime, said: Sentence | None = None, *, by: Person = NOBODY
) -> IncidentEvent:
    """A line of the timeline."""
    return IncidentEvent.objects.create(
        incident=incident,
        what=what,
        at=at,
        said=said.stored if said else {},
        text=by.text.strip()[:LONGEST_COMMENT],
        actor=by.user,
        actor_name=by.shown,
    )


def title_of(part: Part, *, others: int = 0) -> dict[str, Any]:
    """What the incident is called: the rule, or what they all wait for."""
    kind, _colon, name = part.cause.partition(":")
    if kind == "datasource" and others:
        return say("incident.datasource", name=name, count=others + 1).stored
    if kind == "portal":
        return say("incident.portal", subject=name, count=others + 1).stored
    return say(f"incident.{part.state.value}", rule=part.rule.name).stored


def _open(part: Part) -> Incident:
    rule = part.rule
    incident = Incident(
        tenant_id=rule.tenant_id,
        open_key=part.open_key,
        cause=part.cause[:180],
        kind=part.state,
        title=title_of(part),
        severity=rule.severity,
        status=IncidentStatus.OPEN,
        opened_at=part.at,
        last_at=part.at,
        evidence={**part.evidence, "sentence": dict(part.sentence)},
    )
    _arm(incident, rule, part.at)
    incident.save()
    note(incident, Happened.OPENED, part.at, say("incident.opened", rule=rule.name, found=dict(part.sentence)))
    return incident


def _arm(incident: Incident, rule: AlertRule, at: datetime) -> None:
    """The first step of its escalation policy waits from now on."""
    if rule.escalation_id is None:
        return
    first = EscalationStep.objects.filter(policy=rule.escalation_id).order_by("number").first()
    incident.escalation_id = rule.escalation_id
    incident.step_number = 0
    incident.next_step_at = at + first.wait if first else None


def _take_in(incident: Incident, part: Part) -> bool:
    """Whether the alert was no part of it before."""
    member, is_new = IncidentMember.objects.get_or_create(
        incident=incident, status=part.status, defaults={"joined_at": part.at}
    )
    if not is_new and member.left_at is not None:
        IncidentMember.objects.filter(pk=member.pk).update(left_at=None)
    return is_new


def _close(incident: Incident, at: datetime) -> None:
    incident.status = _moved(incident, IncidentStatus.RESOLVED)
    incident.resolved_at = at
    incident.open_key = None
    incident.next_step_at = incident.snoozed_until = None
    incident.save(update_fields=["status", "resolved_at", "open_key", "next_step_at", "snoozed_until", "updated_at"])


def _moved(incident: Incident, new: IncidentStatus) -> IncidentStatus:
    if new not in INCIDENT_TRANSITIONS[IncidentStatus(incident.status)]:
        raise IncidentRefusedError(_("The incident is resolved: what comes back is a new one."))
    return new


# --- what people do ---------------------------------------------------------------------------------------------------


@transaction.atomic
def acknowledge(incident: Incident, *, at: datetime, by: Person) -> bool:
    """Somebody looks after it: escalation and reminders stop. False: somebody does already."""
    found = _locked(incident)
    if found.status == IncidentStatus.ACKNOWLEDGED:
        return False
    found.status = _moved(found, IncidentStatus.ACKNOWLEDGED)
    found.acknowledged_at, found.acknowledged_by = at, by.shown
    found.owner = found.owner or by.user
    policy = found.escalation
    found.next_step_at = at + policy.ack_timeout if policy and policy.ack_timeout else None
    found.save()
    note(found, Happened.ACKNOWLEDGED, at, by=by)
    announce.acknowledged(found, at)
    _audit(found, "alerts.incident.acknowledged", by)
    return True


@transaction.atomic
def take_back(incident: Incident, *, at: datetime, by: Person = NOBODY) -> None:
    """The acknowledgement does not hold any more; the escalation begins anew."""
    found = _locked(incident)
    if found.status != IncidentStatus.ACKNOWLEDGED:
        return
    found.status = _moved(found, IncidentStatus.OPEN)
    found.acknowledged_at, found.acknowledged_by = None, ""
    found.step_number = 0
    first = found.escalation.steps.order_by("number").first() if found.escalation else None
    found.next_step_at = at + first.wait if first else None
    found.save()
    note(found, Happened.REOPENED, at, by=by)


@transaction.atomic
def resolve(incident: Incident, *, at: datetime, by: Person) -> None:
    """A person says it is over. If the next result is bad again, a new incident opens."""
    found = _locked(incident)
    found.members.filter(left_at=None).update(left_at=at)
    _close(found, at)
    note(found, Happened.RESOLVED, at, by=by)
    _audit(found, "alerts.incident.resolved", by)


@transaction.atomic
def snooze(incident: Incident, *, until: datetime, at: datetime, by: Person) -> None:
    """No reminders and no escalation until then."""
    if not at < until <= at + LONGEST_SNOOZE:
        raise IncidentRefusedError(_("Choose a time that is to come, at most 30 days from now."))
    found = _locked(incident)
    found.snoozed_until = until
    found.save(update_fields=["snoozed_until", "updated_at"])
    note(found, Happened.SNOOZED, at, say("incident.snoozed", until_at=until), by=by)


@transaction.atomic
def wake(incident: Incident, *, at: datetime) -> bool:
    """The snooze is over. False: it was over already."""
    found = Incident.objects.select_for_update().get(pk=incident.pk)
    if found.snoozed_until is None or found.snoozed_until > at:
        return False
    found.snoozed_until = None
    found.save(update_fields=["snoozed_until", "updated_at"])
    note(found, Happened.WOKEN, at)
    return True


@transaction.atomic
def end_snooze(incident: Incident, *, at: datetime, by: Person) -> bool:
    """Reminders and escalation go on at once. False: it was not snoozed."""
    found = _locked(incident)
    if found.snoozed_until is None:
        return False
    if found.next_step_at is not None and found.next_step_at == found.snoozed_until:
        found.next_step_at = at
    found.snoozed_until = None
    found.save(update_fields=["snoozed_until", "next_step_at", "updated_at"])
    note(found, Happened.WOKEN, at, by=by)
    return True


@transaction.atomic
def comment(incident: Incident, *, at: datetime, by: Person) -> IncidentEvent:
    """Words of a person; also on an incident that is over."""
    if not by.text.strip():
        raise IncidentRefusedError(_("Write what you want to say."))
    return note(incident, Happened.COMMENTED, at, by=by)


@transaction.atomic
def assign(incident: Incident, *, owner: User | None, at: datetime, by: Person) -> None:
    """`owner` looks after it; None: nobody does any more."""
    found = _locked(incident)
    if owner is not None and not visible_to(owner, Incident.objects.filter(pk=found.pk)).exists():
        raise IncidentRefusedError(_("This person may not see the incident: choose another one."))
    found.owner = owner
    found.save(update_fields=["owner", "updated_at"])
    note(found, Happened.OWNED, at, say("incident.owner", name=str(owner) if owner else "–"), by=by)


def possible_owners(incident: Incident) -> list[User]:
    """The tenant's members who may see it, and whoever looks after it now."""
    needed = permission_name("view", Incident)
    may_see = [name for name, permissions in roles().items() if needed in permissions]
    people = {user.pk: user for user in inbox.members(incident.tenant_id, role_names=may_see)}
    if incident.owner is not None:
        people.setdefault(incident.owner.pk, incident.owner)
    return sorted(people.values(), key=str)


def _locked(incident: Incident) -> Incident:
    found = Incident.objects.select_for_update().get(pk=incident.pk)
    if found.status not in UNRESOLVED:
        raise IncidentRefusedError(_("The incident is resolved: what comes back is a new one."))
    return found


def _audit(incident: Incident, verb: str, by: Person) -> None:
    audit.record(verb, actor=by.user, target=incident, details={"by": by.shown})
