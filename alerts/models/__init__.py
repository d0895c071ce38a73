"""WHO IS TOLD: rules, what they remember, incidents, channels and the outbox."""

from alerts.models.book import OfficeTurn, RuleBook
from alerts.models.channel import Channel
from alerts.models.escalation import EscalationPolicy, EscalationStep, OnCallOverride, OnCallRota
from alerts.models.hook import HookCall, IncomingHook
from alerts.models.incident import Incident, IncidentEvent, IncidentMember
from alerts.models.notice import NoticeMemory, NotificationRule
from alerts.models.notification import DeliveryAttempt, InboxMessage, Notification
from alerts.models.rule import AlertCheck, AlertRow, AlertRule, AlertStatus
from alerts.models.silence import Silence

__all__ = [
    "AlertCheck",
    "AlertRow",
    "AlertRule",
    "AlertStatus",
    "Channel",
    "DeliveryAttempt",
    "EscalationPolicy",
    "EscalationStep",
    "HookCall",
    "InboxMessage",
    "Incident",
    "IncidentEvent",
    "IncidentMember",
    "IncomingHook",
    "NoticeMemory",
    "Notification",
    "NotificationRule",
    "OfficeTurn",
    "OnCallOverride",
    "OnCallRota",
    "RuleBook",
    "Silence",
]
