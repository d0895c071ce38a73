"""The screens of alerts."""

from alerts.admin.channel_admin import ChannelAdmin
from alerts.admin.escalation_admin import EscalationPolicyAdmin
from alerts.admin.hook_admin import IncomingHookAdmin
from alerts.admin.inbox_admin import InboxMessageAdmin
from alerts.admin.incident_admin import IncidentAdmin
from alerts.admin.job_admin import JobWithAlerts
from alerts.admin.notice_admin import NotificationRuleAdmin
from alerts.admin.notification_admin import NotificationAdmin
from alerts.admin.rota_admin import OnCallRotaAdmin
from alerts.admin.rule_admin import AlertRuleAdmin
from alerts.admin.silence_admin import SilenceAdmin

__all__ = [
    "AlertRuleAdmin",
    "ChannelAdmin",
    "EscalationPolicyAdmin",
    "InboxMessageAdmin",
    "IncidentAdmin",
    "IncomingHookAdmin",
    "JobWithAlerts",
    "NotificationAdmin",
    "NotificationRuleAdmin",
    "OnCallRotaAdmin",
    "SilenceAdmin",
]
