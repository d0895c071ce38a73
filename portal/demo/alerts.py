"""The demo's alerts: what is watched over the shop's database, who is told, and who is on call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from alerts import books, channelsettings, clockwork
from alerts.models import (
    AlertRule,
    Channel,
    EscalationPolicy,
    EscalationStep,
    NotificationRule,
    OnCallRota,
    Silence,
)
from alerts.states import Severity, Source, Trigger
from alerts.subjects import Part
from jobs.models import Job

PAST = timedelta(days=3)  # how long the rules have been there
WAITING_LIMIT, REFUND_LIMIT = 300, 8
TOLD = [Trigger.FIRING, Trigger.RECOVERED, Trigger.ERROR, Trigger.STALE, Trigger.NO_DATA, Trigger.ESCALATED]
Words = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Made:
    """What the history of the demo goes on with."""

    tenant: Tenant
    rules: Mapping[str, AlertRule]
    people: Mapping[str, User]


def make_alerts(tenant: Tenant, now: datetime) -> Made:
    """Channels, rules, a silence, a rota and an escalation policy of the team. Its jobs and people are there."""
    roles = ("viewer", "operator", "editor", "admin")
    people = {role: User.objects.get(username=f"{tenant.slug}-{role}") for role in roles}
    mail, hook, inbox = _channels(tenant)
    escalation = _escalation(tenant, people, mail, now)
    made = [_rule(tenant, escalation, now - PAST, **each) for each in _rules()]
    _notices(tenant, mail=mail, hook=hook, inbox=inbox)
    _silence(tenant, now)
    return Made(tenant=tenant, rules={rule.slug: rule for rule in made}, people=people)


def _channels(tenant: Tenant) -> tuple[Channel, Channel, Channel]:
    def channel(slug: str, kind: str, name: str, params: Words, **more: Any) -> Channel:
        row = Channel(tenant=tenant, slug=slug, kind=kind, name=name, language=get_language() or "en", **more)
        return channelsettings.save_channel(row, actor=None, params=params, secrets={})

    mail = channel(
        "team-mail", "email", _("Mail to the team"), {"recipients": ["team@shop.example"]},
        description=_("Kept by the mail sink of this machine while no mail server is set."),
    )  # fmt: skip
    hook = channel(
        "chat-hook", "webhook", _("Chat room (unreachable)"), {"url": "https://chat.shop.invalid/hooks/alerts"},
        fallback=mail, description=_("Nobody answers there: its messages go to the mail channel instead."),
    )  # fmt: skip
    people = {"roles": ["operator", "editor", "admin"]}
    inbox = channel("team-inbox", "inbox", _("Inbox of the team"), people)
    return mail, hook, inbox


def _escalation(tenant: Tenant, people: Mapping[str, User], mail: Channel, now: datetime) -> EscalationPolicy:
    """A rota of two, and a policy that asks whoever is on call before it asks the whole team."""
    zone = ZoneInfo(settings.TIME_ZONE)
    today = timezone.localtime(now, zone).date()
    monday = datetime.combine(today - timedelta(days=today.weekday() + 7), time(9), zone)
    members = [people["operator"].pk, people["editor"].pk]
    rota = OnCallRota(
        tenant=tenant, slug="shop", name=_("Shop on call"), members=members, starts=monday,
        timezone=settings.TIME_ZONE,
    )  # fmt: skip
    books.save(rota, actor=None)
    policy = EscalationPolicy(tenant=tenant, slug="shop", name=_("Whoever is on call, then everybody"))
    books.save(policy, actor=None)
    EscalationStep.objects.create(policy=policy, number=1, wait=timedelta(minutes=15), rota=rota)
    everybody = EscalationStep.objects.create(policy=policy, number=2, wait=timedelta(minutes=30))
    everybody.channels.set([mail])
    return policy


def _rules() -> Sequence[dict[str, Any]]:
    result = {"source": Source.RESULT}
    return [
        {
            **result, "slug": "orders-waiting", "name": _("Too many orders wait"), "severity": Severity.CRITICAL,
            "description": _("Ask the warehouse who packs today."), "condition": "column_value",
            "condition_params": {"column": "waiting", "quantifier": "first", "operator": ">",
                                 "threshold": str(WAITING_LIMIT)},
        },
        {
            **result, "slug": "refunds-today", "name": _("Many refunds"), "severity": Severity.WARNING,
            "description": _("A bad batch, or a wrong price."), "condition": "column_value",
            "condition_params": {"column": "refunds", "quantifier": "first", "operator": ">",
                                 "threshold": str(REFUND_LIMIT)},
        },
        {
            **result, "slug": "late-deliveries", "name": _("Late deliveries"), "severity": Severity.WARNING,
            "description": _("The check itself is broken: its table is gone."), "condition": "not_empty",
        },
        {
            **result, "slug": "unusual-refunds", "name": _("Unusual refunds"), "severity": Severity.INFO,
            "description": _("Look at each refund, and acknowledge it when it is right."), "is_row_level": True,
            "key_columns": ["order_id"],
        },
        {
            "source": Source.OUTCOME, "slug": "supplier-prices", "name": _("Prices of suppliers can't be read"),
            "severity": Severity.WARNING, "outcomes": [Trigger.TECHNICAL_FAILURE, Trigger.TIMEOUT, Trigger.LOST],
            "description": _("Ask the supplier for a new file."),
        },
        {
            "source": Source.PORTAL, "slug": "portal", "name": _("The portal itself"), "severity": Severity.CRITICAL,
            "subjects": list(Part.values), "description": _("Beat, workers, broker, database or queues are silent."),
        },
    ]  # fmt: skip


def _rule(tenant: Tenant, escalation: EscalationPolicy, since: datetime, **columns: Any) -> AlertRule:
    job = Job.objects.filter(tenant=tenant, slug=columns["slug"]).first()
    labels = {"team": "shop"} if job is None else {}
    rule = AlertRule(tenant=tenant, job=job, labels=labels, enabled_at=since, **columns)
    rule.escalation = escalation if rule.severity == Severity.CRITICAL else None
    books.save(rule, actor=None)
    clockwork.begin(rule, since)
    return rule


def _notices(tenant: Tenant, *, mail: Channel, hook: Channel, inbox: Channel) -> None:
    told = [one.value for one in TOLD]
    outages = [Trigger.OUTAGE.value, Trigger.OUTAGE_OVER.value]

    def notice(name: str, channels: Sequence[Channel], **columns: Any) -> None:
        rule = NotificationRule(tenant=tenant, name=name, **columns)
        books.save(rule, actor=None)
        rule.channels.set(channels)

    notice(_("All alerts of the shop"), [mail, inbox], triggers=[*told, *outages])
    notice(_("Urgent: into the chat room"), [hook], triggers=told, severity_floor=Severity.CRITICAL)
    job = Job.objects.filter(tenant=tenant, slug="slow-export").first()
    failures = [Trigger.TIMEOUT.value, Trigger.TECHNICAL_FAILURE.value, Trigger.RECOVERED.value]
    notice(_("Failures of the export"), [mail], triggers=failures, job=job, policy={"repeat": "once"})


def _silence(tenant: Tenant, now: datetime) -> None:
    reason = _("The export is known to be slow until it is rebuilt.")
    selector = {"jobs": ["slow-export"]}
    row = Silence(tenant=tenant, reason=reason, selector=selector, starts_at=now, ends_at=now + timedelta(days=1))
    books.save(row, actor=None)
