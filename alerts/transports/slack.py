"""Slack, and what speaks as Slack does (Mattermost, Rocket.Chat): an incoming webhook.

Source: https://api.slack.com/messaging/webhooks. It has taken a message when it says "ok"; every other answer is a no.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_noop

from alerts.transports.base import TRANSPORTS, Receipt, Recipients, Transport
from alerts.transports.codes import check_code, for_good, later
from alerts.transports.hooks import HookParams, HookSecrets
from alerts.transports.message import Message
from alerts.transports.texts import links_of
from alerts.transports.web import check_status, post_json
from portal.lib.http import Response
from portal.lib.text import cut, one_line

LONGEST_SECTION = 3000
LONGEST_TITLE = 150
LONGEST_LINK = 3000
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # else <!channel> wakes everybody

_GONE = gettext_noop("The webhook is gone or its address is wrong: make a new one and enter its address.")
_CHANNEL = gettext_noop("The Slack channel is archived, gone or closed to the webhook: choose another in Slack.")
_REPORT = gettext_noop("The message itself is not accepted: shorten it or change its template.")
_SLOWER = gettext_noop("Slack wants fewer messages; it is sent later.")

FAULTS = {
    **for_good(_GONE, "invalid_token no_service no_service_id no_team team_disabled"),
    **for_good(_GONE, "invalid_auth account_inactive no_active_hooks"),
    **for_good(_CHANNEL, "channel_not_found channel_is_archived action_prohibited"),
    **for_good(_CHANNEL, "posting_to_general_channel_denied user_not_found"),
    **for_good(_REPORT, "invalid_payload no_text invalid_blocks too_many_attachments"),
    **later(_SLOWER, "rate_limited ratelimited"),
}


@TRANSPORTS.register
class Slack(Transport):
    kind = "slack"
    label = "Slack"
    icon = "tag"
    Params = HookParams
    SECRETS = HookSecrets
    per_minute = 60
    longest_body = 12_000

    def send(self, params: HookParams, secrets: HookSecrets, message: Message, to: Recipients | None) -> Receipt:
        body = cut(message.body, self.longest_body, unit=self.unit, language=message.language)
        content = {"text": message.subject.translate(ESCAPES)[:LONGEST_SECTION], "blocks": blocks(message, body.text)}
        response = post_json(secrets.webhook_url, content, timeout=params.timeout)
        word = _word(response)
        if response.status == 429:  # it has its own Retry-After
            check_status(response)
        if word != "ok":
            check_code("Slack", response, word, response.status, FAULTS)
        check_status(response)
        return Receipt(is_cut=body.is_cut)


def _word(response: Response) -> str:
    """ "ok", or what is wrong; also from the JSON of those who speak as Slack does."""
    text = response.text.strip()
    if text.startswith("<"):  # a page of HTML says nothing to people
        return response.reason or "HTML"
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(answer, dict):
        return text
    is_taken = answer.get("ok") is True or answer.get("success") is True
    return "ok" if is_taken else str(answer.get("error") or text)


def blocks(message: Message, body: str) -> list[dict[str, Any]]:
    """Head, text and buttons. Plain text everywhere: no value can mention anybody."""
    title = one_line(message.subject, LONGEST_TITLE)
    found: list[dict[str, Any]] = [{"type": "header", "text": _plain(title or "·")}]
    found += [{"type": "section", "text": _plain(part)} for part in _parts(body)]
    buttons = [
        {"type": "button", "text": _plain(label[:75]), "url": url}
        for label, url in links_of(message)
        if len(url) <= LONGEST_LINK
    ]
    return [*found, {"type": "actions", "elements": buttons}] if buttons else found


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _parts(body: str) -> Iterator[str]:
    """The text in sections that fit, broken at a line's end where there is one."""
    while body.strip():
        end = len(body) if len(body) <= LONGEST_SECTION else body.rfind("\n", 1, LONGEST_SECTION)
        end = end if end > 0 else LONGEST_SECTION
        if body[:end].strip():
            yield body[:end]
        body = body[end:].lstrip("\n")
