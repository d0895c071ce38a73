"""From an event to messages: which notification rules it concerns, and what becomes of it for each of their channels.

A message is a row, written in the transaction in which its event was seen; `dedupe_key` is unique, so that the same
event seen twice is one message. `alerts.dispatch` sends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from pydantic import ValidationError

from alerts import letters
from alerts.letters import Event
from alerts.models import AlertRule, Channel, Notification, NotificationRule
from alerts.quiethours import Action, Delivery, Digest, QuietHours, deliver
from alerts.routing import Silence, Target, is_above
from alerts.shelf import Book
from alerts.states import NotificationStatus, Severity
from alerts.wording import Sentence, say

LONGEST_KEY = 150
URGENCY = (NotificationStatus.PENDING, NotificationStatus.HELD, NotificationStatus.SUPPRESSED)
SILENCED, QUIET = "notice.silenced", "notice.quiet"  # why a message was never meant to go out


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of a message: its status, when it goes out, and why it does not go out at once."""

    status: NotificationStatus
    at: datetime
    why: Mapping[str, Any] = field(default_factory=dict)
    digest_key: str = ""

    def is_sooner_than(self, other: Fate) -> bool:
        """Whether people have it earlier: at once, then held (the shortest time first), then not at all."""
        mine, others = URGENCY.index(self.status), URGENCY.index(other.status)
        return mine < others or (mine == others and self.status == NotificationStatus.HELD and self.at < other.at)


def rules_for_alert(rule: AlertRule, target: Target, book: Book) -> QuerySet[NotificationRule]:
    """Who is told of what this alert does."""
    fitting = Q(alert_rule=rule) | Q(pk__in=book.notification_rules.route(target))
    if rule.job_id is not None:
        fitting |= Q(job=rule.job_id)
    rules = NotificationRule.objects.filter(fitting, tenant=rule.tenant_id, is_enabled=True)
    return rules.order_by("pk").prefetch_related("channels")


def post(event: Event, rules: Iterable[NotificationRule], book: Book) -> list[Notification]:
    """Write the messages of those rules that name the trigger, each as its most urgent rule wants it.

    Those that exist already are left alone, unless they wait, or were not meant to go out, and now shall sooner.
    """
    silence = book.silence(event.target, event.at)
    wanted: dict[str, tuple[Fate, NotificationRule, Channel]] = {}
    for rule in rules:
        if event.trigger.value not in rule.triggers or not is_above(event.severity, floor_of(rule)):
            continue
        for channel in rule.channels.all():
            fate, key = fate_of(event.at, event.severity, rule, channel, silence), dedupe_key(event, rule, channel)
            if key not in wanted or fate.is_sooner_than(wanted[key][0]):
                wanted[key] = (fate, rule, channel)
    made = [send_to(channel, event, rule=rule, fate=fate) for fate, rule, channel in wanted.values()]
    return [message for message in made if message is not None]


def send_to(
    channel: Channel,
    event: Event,
    *,
    rule: NotificationRule | None,
    fate: Fate,
    recipients: tuple[str, ...] = (),
) -> Notification | None:
    """One message for one channel; None when it exists already and can't go out sooner."""
    key = dedupe_key(event, rule, channel, recipients)
    found = Notification.objects.filter(dedupe_key=key).order_by().only("status", "not_before", "why").first()
    if found is not None:
        return _hasten(found, event, rule, fate)
    message = Notification.objects.create(
        tenant=event.tenant,
        dedupe_key=key,
        channel=channel,
        recipients=list(recipients),
        trigger=event.trigger,
        severity=event.severity,
        rule=rule,
        alert_rule=event.alert_rule,
        incident=event.incident,
        job=event.job,
        run=event.run,
        language=channel.language,
        status=fate.status,
        not_before=fate.at,
        digest_key=fate.digest_key,
        why=dict(fate.why),
        happened_at=event.at,
    )
    _write(message, event, rule, channel)
    return message


def _hasten(message: Notification, event: Event, rule: NotificationRule | None, fate: Fate) -> Notification | None:
    """What an earlier rule or alert held back goes out as this one wants it; None when it stays as it is."""
    if not _is_held_back(message):
        return None
    before = Fate(status=NotificationStatus(message.status), at=message.not_before)
    if not fate.is_sooner_than(before):
        return None
    held = Notification.objects.filter(pk=message.pk, status=before.status, not_before=before.at, sent_at=None)
    changed = held.update(
        trigger=event.trigger,
        severity=event.severity,
        rule=rule,
        alert_rule=event.alert_rule,
        job=event.job,
        run=event.run,
        status=fate.status,
        not_before=fate.at,
        digest_key=fate.digest_key,
        why=dict(fate.why),
        happened_at=event.at,
    )
    if not changed:
        return None  # it is on its way
    message = Notification.objects.select_related("channel").get(pk=message.pk)
    _write(message, event, rule, message.channel)
    return message


def _is_held_back(message: Notification) -> bool:
    """By a silence or by its rule's hours: not because it is told in another message, or nobody needs it any more."""
    if message.status == NotificationStatus.HELD:
        return True
    is_meant = isinstance(message.why, dict) and message.why.get("key") in (SILENCED, QUIET)
    return message.status == NotificationStatus.SUPPRESSED and is_meant


def _write(message: Notification, event: Event, rule: NotificationRule | None, channel: Channel) -> None:
    """Its texts: the signed link in them names the message."""
    link = ""
    if event.incident is not None and event.incident.resolved_at is None:
        recipient = ", ".join(message.recipients) or channel.name
        link = letters.acknowledge_address(event.incident, message.pk, recipient)
    written = letters.compose(event, rule, channel.language, ack_url=link)
    message.subject, message.body = written.subject[:300], written.body
    message.facts = {**letters.facts(event), "acknowledge_url": link}
    message.save(update_fields=["subject", "body", "facts", "updated_at"])


def dedupe_key(event: Event, rule: NotificationRule | None, channel: Channel, recipients: tuple[str, ...] = ()) -> str:
    """Of an incident, one message to a channel, whatever rules lead there; else one of each rule."""
    about = f"incident:{event.incident.pk}" if event.incident else f"rule:{rule.pk if rule else 0}"
    key = f"{about}:{event.key}:{channel.pk}:{','.join(recipients)}"
    return key if len(key) <= LONGEST_KEY else f"{about}:{hashlib.sha256(key.encode()).hexdigest()}"


def fate_of(
    at: datetime, severity: Severity, rule: NotificationRule, channel: Channel, silence: Silence | None
) -> Fate:
    """Silences go before quiet hours, quiet hours before digests."""
    if silence is not None:
        return suppressed(at, say(SILENCED, until_at=silence.ends_at))
    delivery, problem = delivery_of(at, severity, rule)
    if delivery.action == Action.DROP:
        return suppressed(at, say(QUIET))
    if delivery.action == Action.SEND:
        return Fate(status=NotificationStatus.PENDING, at=at, why=problem.stored if problem else {})
    key = f"{rule.pk}:{channel.pk}:{delivery.at.isoformat()}" if rule.digest else ""
    why = say("notice.held", until_at=delivery.at).stored
    return Fate(status=NotificationStatus.HELD, at=delivery.at, why=why, digest_key=key)


def suppressed(at: datetime, why: Sentence) -> Fate:
    """Meant not to be sent."""
    return Fate(status=NotificationStatus.SUPPRESSED, at=at, why=why.stored)


def delivery_of(at: datetime, severity: Severity, rule: NotificationRule) -> tuple[Delivery, Sentence | None]:
    """When it goes out; settings that can't be used any more hold nothing back, and that is said."""
    try:
        quiet = QuietHours.model_validate(rule.quiet_hours) if rule.quiet_hours else None
        digest = Digest.model_validate(rule.digest) if rule.digest else None
    except ValidationError:
        return Delivery(action=Action.SEND, at=at), say("notice.bad_hours")
    return deliver(at, severity, quiet=quiet, digest=digest), None


def floor_of(rule: NotificationRule) -> Severity | None:
    return Severity(rule.severity_floor) if rule.severity_floor else None
