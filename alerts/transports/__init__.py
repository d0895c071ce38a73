"""How messages get out: `deliver(kind, params, secrets, message)`, a kind per file."""

from alerts.transports import (
    aliyun_sms,
    dingtalk,
    email,
    feishu,
    slack,
    teams,
    tencent_sms,
    twilio,
    webhook,
    wecom,
)
from alerts.transports.base import TRANSPORTS, DeliveryError, Receipt, Refusal, Transport, deliver
from alerts.transports.message import Action, Message

__all__ = [
    "TRANSPORTS",
    "Action",
    "DeliveryError",
    "Message",
    "Receipt",
    "Refusal",
    "Transport",
    "aliyun_sms",
    "deliver",
    "dingtalk",
    "email",
    "feishu",
    "slack",
    "teams",
    "tencent_sms",
    "twilio",
    "webhook",
    "wecom",
]
