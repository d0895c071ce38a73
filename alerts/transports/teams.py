"""Microsoft Teams: a workflow "when a Teams webhook request is received", or an incoming webhook.

Source: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors. A workflow answers 202; the older
webhook answers 200 and says 1, and also 200 with the words of an error.
"""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext_noop

from alerts.transports.base import TRANSPORTS, Receipt, Recipients, Transport
from alerts.transports.codes import for_good, later, refusal
from alerts.transports.hooks import HookParams, HookSecrets
from alerts.transports.message import Message
from alerts.transports.texts import links_of
from alerts.transports.web import check_status, post_json
from portal.lib.text import cut, one_line

MOST_LINES = 80
COLOURS = {"critical": "Attention", "warning": "Warning", "info": "Accent"}
_STATUS = re.compile(r"HTTP error (\d{3})")
_SLOWER = gettext_noop("Teams wants fewer messages; it is sent later.")
_REPORT = gettext_noop("The message itself is not accepted: shorten it or change its template.")
_GONE = gettext_noop("The webhook is gone or its address is wrong: make a new one and enter its address.")

FAULTS = {
    **for_good(_REPORT, "400 413"),
    **for_good(_GONE, "403 404 410"),
    **later(_SLOWER, "412 429"),
}


@TRANSPORTS.register
class Teams(Transport):
    kind = "teams"
    label = "Microsoft Teams"
    icon = "groups"
    Params = HookParams
    SECRETS = HookSecrets
    per_minute = 60
    longest_body = 14_000  # of 28 KB for the whole, in which each line is wrapped
    unit = "json"

    def send(self, params: HookParams, secrets: HookSecrets, message: Message, to: Recipients | None) -> Receipt:
        body = cut(message.body, self.longest_body, unit=self.unit, language=message.language)
        lines = body.text.split("\n")
        card = card_of(message, lines[:MOST_LINES] + (["…"] if len(lines) > MOST_LINES else []))
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        content = {"type": "message", "attachments": [attachment]}
        response = post_json(secrets.webhook_url, content, timeout=params.timeout)
        check_status(response)
        words = response.text.strip()
        if response.status == 200 and words not in ("", "1"):
            found = _STATUS.search(words)
            raise refusal("Teams", found[1] if found else response.status, words, FAULTS)
        return Receipt(is_cut=body.is_cut or len(lines) > MOST_LINES)


def card_of(message: Message, lines: list[str]) -> dict[str, Any]:
    """An adaptive card. Rich text without marks: there no value is read as Markdown; a block for each line."""
    title = one_line(message.subject, 500)
    colour = COLOURS.get(message.severity, "Default")
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            _line(title, "Default", weight="Bolder", size="Large", color=colour),
            *(_line(line or " ", "None" if number else "Default") for number, line in enumerate(lines)),
        ],
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in links_of(message)],
    }


def _line(text: str, spacing: str, **look: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [{"type": "TextRun", "text": text, **look}]}
