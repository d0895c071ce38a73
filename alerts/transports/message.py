"""What is sent: one message, in one language. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from portal.lib.text import cleaned


@dataclass(frozen=True, kw_only=True)
class Action:
    """A link the reader may follow, such as a signed one that acknowledges the incident."""

    label: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message, in one language. `delivery_id` is the same in every try; `facts` is plain JSON for programs.

    `body` is plain text.
    """

    delivery_id: str
    subject: str
    body: str
    at: datetime
    severity: str = "info"
    trigger: str = ""
    url: str = ""
    actions: tuple[Action, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    language: str = "en"

    def cleaned(self) -> Message:
        """Without control characters and halves of letters; the subject is one line."""
        return replace(
            self,
            subject=" ".join(cleaned(self.subject).split()),
            body=cleaned(self.body),
            facts=cleaned(self.facts),
        )
