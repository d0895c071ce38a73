"""Messages to send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from alerts.transports import Action, Message

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ACK = "https://portal.example.com/alerts/acknowledge/token/"


def message(**changes: Any) -> Message:
    known: dict[str, Any] = {
        "delivery_id": "delivery-0001",
        "subject": "Unpaid orders fires",
        "body": "42 rows came back.",
        "at": AT,
        "severity": "critical",
        "trigger": "firing",
        "url": "https://portal.example.com/admin/alerts/incident/12/change/",
        "actions": (Action(label="Acknowledge", url=ACK),),
        "facts": {"rule_name": "Unpaid orders", "value": 42},
    }
    return Message(**{**known, **changes})
