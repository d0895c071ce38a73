"""How incidents and messages look. Colour is never the only sign: each has an icon and a word."""

from __future__ import annotations

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from alerts.look import STATES, badge
from alerts.states import AlertState, Happened, IncidentStatus, NotificationStatus, Severity, Trigger

STATUSES = {
    IncidentStatus.OPEN: ("bad", "crisis_alert"),
    IncidentStatus.ACKNOWLEDGED: ("info", "engineering"),
    IncidentStatus.RESOLVED: ("good", "task_alt"),
}
SEVERITIES = {
    Severity.INFO: ("info", "info"),
    Severity.WARNING: ("warn", "warning"),
    Severity.CRITICAL: ("bad", "emergency_home"),
}
MESSAGES = {
    NotificationStatus.PENDING: ("info", "schedule_send"),
    NotificationStatus.HELD: ("plain", "pause_circle"),
    NotificationStatus.SENDING: ("live", "outgoing_mail"),
    NotificationStatus.SENT: ("good", "mark_email_read"),
    NotificationStatus.DEAD: ("bad", "unsubscribe"),
    NotificationStatus.SUPPRESSED: ("plain", "notifications_off"),
}
HAPPENED = {
    Happened.OPENED: "bad",
    Happened.JOINED: "bad",
    Happened.BAD_RESULT: "bad",
    Happened.REMINDED: "warn",
    Happened.FLAPPING: "warn",
    Happened.ESCALATED: "warn",
    Happened.REOPENED: "warn",
    Happened.ACKNOWLEDGED: "info",
    Happened.OWNED: "info",
    Happened.RESOLVED: "good",
    Happened.LEFT: "good",
    Happened.SETTLED: "good",
}


def status_badge(status: str) -> SafeString:
    if status not in IncidentStatus.values:
        return badge("plain", "help", status or "?")
    found = IncidentStatus(status)
    return badge(*STATUSES[found], found.label)


def severity_badge(severity: str) -> SafeString:
    if severity not in Severity.values:
        return badge("plain", "help", severity or "?")
    found = Severity(severity)
    return badge(*SEVERITIES[found], found.label)


def kind_label(kind: str) -> str:
    """What is wrong: the state of the alert that opened it."""
    return str(AlertState(kind).label) if kind in AlertState.values else kind


def kind_badge(kind: str) -> SafeString:
    if kind not in AlertState.values:
        return badge("plain", "help", kind or "?")
    return badge(*STATES[AlertState(kind)], AlertState(kind).label)


def message_badge(status: str) -> SafeString:
    """Of a message of the outbox."""
    if status not in NotificationStatus.values:
        return badge("plain", "help", status or "?")
    found = NotificationStatus(status)
    return badge(*MESSAGES[found], found.label)


def trigger_label(trigger: str) -> str:
    return str(Trigger(trigger).label) if trigger in Trigger.values else trigger


def happened_label(what: str) -> str:
    return str(Happened(what).label) if what in Happened.values else what


def happened_tone(what: str) -> str:
    return HAPPENED.get(Happened(what), "plain") if what in Happened.values else "plain"


def told_badge(counts: dict[str, int]) -> SafeString:
    """Whether anybody was told of an incident; `counts` are its messages by their status."""
    if counts.get(NotificationStatus.SENT):
        return badge("good", "mark_email_read", _("Told"))
    if counts.get(NotificationStatus.PENDING) or counts.get(NotificationStatus.SENDING):
        return badge("info", "schedule_send", _("On its way"))
    if counts.get(NotificationStatus.HELD):
        return badge("plain", "pause_circle", _("Held back"))
    if counts.get(NotificationStatus.DEAD):
        return badge("bad", "unsubscribe", _("Not delivered"))
    if counts.get(NotificationStatus.SUPPRESSED):
        return badge("plain", "notifications_off", _("Suppressed"))
    return badge("warn", "voice_over_off", _("Nobody"))
