"""Steps of an escalation policy: who is told next while nobody answers, and who is on call."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import User
from alerts import announce, inbox, incidents, outbox, wording
from alerts.announce import event_of
from alerts.inbox import Letter
from alerts.letters import Event
from alerts.models import EscalationPolicy, EscalationStep, Incident, OnCallRota
from alerts.outbox import Fate
from alerts.rota import Override, Rota
from alerts.shelf import Book, shelf
from alerts.states import Happened, IncidentStatus, NotificationStatus, Trigger
from alerts.transports import TRANSPORTS
from alerts.wording import say
from portal.lib.plugins import UnknownKindError
from portal.lib.said import said

log = logging.getLogger(__name__)
AGAIN = timedelta(minutes=1)  # after something went wrong
BATCH = 100


def step_due(now: datetime) -> int:
    """Take the next step of every incident whose time has come."""
    due = list(Incident.objects.filter(next_step_at__lte=now, resolved_at=None).order_by("next_step_at")[:BATCH])
    books = shelf.take({incident.tenant_id for incident in due})
    for incident in due:
        try:
            with transaction.atomic():
                _step(incident, books[incident.tenant_id], now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("An incident could not be escalated.", extra={"incident": incident.pk})
            Incident.objects.filter(pk=incident.pk, resolved_at=None).update(next_step_at=now + AGAIN)
    return len(due)


def _step(read: Incident, book: Book, now: datetime) -> None:
    """Of the incident as it is under its lock: somebody may have answered since it was read."""
    incident = Incident.objects.select_for_update().get(pk=read.pk)
    if incident.resolved_at is not None or incident.next_step_at is None or incident.next_step_at > now:
        return
    if incident.status == IncidentStatus.ACKNOWLEDGED:
        incidents.take_back(incident, at=now)  # its time is over
        return
    if incident.snoozed_until is not None and incident.snoozed_until > now:
        Incident.objects.filter(pk=incident.pk).update(next_step_at=incident.snoozed_until)
        return
    policy = incident.escalation
    steps = list(policy.steps.order_by("number").prefetch_related("channels")) if policy else []
    if policy is None or not steps:
        Incident.objects.filter(pk=incident.pk).update(next_step_at=None)
        return
    place = incident.step_number % len(steps)
    names = _tell(incident, steps[place], book, now)
    incidents.note(incident, Happened.ESCALATED, now, say("incident.escalated", step=place + 1, names=names))
    _arm_next(incident, policy, steps, now)


def _arm_next(incident: Incident, policy: EscalationPolicy, steps: list[EscalationStep], now: datetime) -> None:
    """The next step waits from now on, however late this one was."""
    following = incident.step_number + 1
    turn, place = divmod(following, len(steps))
    due = now + steps[place].wait if turn <= policy.repeat_count else None
    Incident.objects.filter(pk=incident.pk).update(step_number=following, next_step_at=due)


def _tell(incident: Incident, step: EscalationStep, book: Book, now: datetime) -> str:
    """Who was told, in short. A step is named by the moment it was planned for: after an interlude it comes again."""
    planned = incident.next_step_at or now
    member = incident.members.filter(left_at=None).select_related("status__rule__tenant", "status__job").first()
    name = f"step:{step.number}:{planned.isoformat()}"
    event = event_of(incident, member.status if member else None, Trigger.ESCALATED, key=name, at=now)
    on_call = user_on_call(step.rota, now) if step.rota else None
    silence = book.silence(event.target, now)
    fate = Fate(status=NotificationStatus.PENDING, at=now)
    if silence is not None:
        fate = outbox.suppressed(now, say("notice.silenced", until_at=silence.ends_at))
    names = []
    for channel in step.channels.all():
        recipients = _addresses(channel.kind, on_call)
        message = outbox.send_to(channel, event, rule=None, fate=fate, recipients=recipients)
        if message is not None and message.status != NotificationStatus.SUPPRESSED:
            names.append(f"{channel.name} ({on_call})" if recipients else channel.name)
    announce.escalated(incident, name, now)
    if step.rota is not None and on_call is None:
        _tell_that_nobody_is_on_call(step.rota, incident, now)
    if on_call is not None:
        _tell_person(on_call, incident, event)
        names.append(str(on_call))
    return ", ".join(names) or "–"


def _addresses(kind: str, person: User | None) -> tuple[str, ...]:
    """Where a channel that takes recipients reaches the person on call; (): the channel's own."""
    try:
        transport = TRANSPORTS.get(kind)
    except UnknownKindError:
        return ()
    if person is not None and transport.addresses == "email" and person.email:
        return (person.email,)
    return ()


def _tell_person(person: User, incident: Incident, event: Event) -> None:
    """Whatever the channels do, it is in the inbox of who is on call."""
    with override(person.language or settings.LANGUAGE_CODE):
        letter = Letter(
            subject=_("You are on call: %(title)s") % {"title": wording.render(incident.title)},
            body=wording.render(event.sentence),
            severity=incident.severity,
            link=inbox.link_to(incident),
            incident=incident.pk,
        )
    inbox.tell_people([person], letter, now=event.at, tenant=incident.tenant_id)


def _tell_that_nobody_is_on_call(rota: OnCallRota, incident: Incident, now: datetime) -> None:
    """On the incident's page and to the tenant's admins: only they can mend the rota."""
    incidents.note(incident, Happened.ESCALATED, now, say("incident.nobody_on_call", rota=rota.name))
    letter = Letter(
        subject=said("Nobody is on call by the rota “%(rota)s”: an incident waits for somebody.") % {"rota": rota.name},
        body=said("Open the rota and name members who still belong to the tenant."),
        severity=incident.severity,
        link=inbox.link_to(incident),
        incident=incident.pk,
    )
    inbox.tell_admins(incident.tenant_id, letter, now=now)


# --- who is on call ---------------------------------------------------------------------------------------------------


def rota_of(row: OnCallRota) -> Rota:
    """The row as the pure rota; members by the id of their user."""
    overrides = tuple(
        Override(member=str(one.user_id), starts_at=one.starts_at, ends_at=one.ends_at)
        for one in sorted(row.overrides.all(), key=lambda one: one.pk)
    )
    wall = row.starts.astimezone(ZoneInfo(row.timezone)).replace(tzinfo=None)
    return Rota(
        members=tuple(str(member) for member in row.members),
        starts=wall,
        timezone=row.timezone,
        shift_length=row.shift_length,
        overrides=overrides,
    )


def has_zone(row: OnCallRota) -> bool:
    """Whether this machine knows the rota's time zone: its data may be older, or the row may be damaged."""
    try:
        ZoneInfo(row.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def member_on_call(row: OnCallRota, now: datetime) -> int | None:
    """The id of who is on call; None when the rota is empty or has not begun, or its time zone is not known."""
    if not has_zone(row):
        log.warning("The time zone of a rota is not known: nobody is on call.", extra={"rota": row.pk})
        return None
    member = rota_of(row).on_call(now)
    return int(member) if member else None


def user_on_call(row: OnCallRota, now: datetime) -> User | None:
    """Who is on call; nobody, too, when it is somebody who has left the tenant."""
    member = member_on_call(row, now)
    return people_of(row.tenant_id).filter(pk=member).first() if member else None


def people_of(tenant_id: int) -> QuerySet[User]:
    """Who may be on call for the tenant: its active members."""
    return User.objects.filter(memberships__tenant=tenant_id, is_active=True).distinct()
