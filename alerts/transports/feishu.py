"""Feishu and Lark: a custom bot of a group.

Source: https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot. It answers 200 also when it refuses; `code`
decides. A card of plain-text parts: no value can mention anybody or become a link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from alerts.transports.base import TRANSPORTS, Receipt, Recipients, Transport
from alerts.transports.codes import check_code, for_good, later
from alerts.transports.hooks import HookParams, SignedHookSecrets
from alerts.transports.message import Message
from alerts.transports.texts import links_of
from alerts.transports.web import check_status, json_or_status, post_json
from portal.lib.text import cut, one_line

COLOURS = {"critical": "red", "warning": "orange", "info": "blue"}
LONGEST_TITLE = 200

_GUARDED = gettext_noop("Compare key words, signing secret and allowed addresses with the bot's security settings.")
_GONE = gettext_noop("The bot is gone or its address is wrong: copy the address again.")
_SLOWER = gettext_noop("The bot takes 100 messages a minute; it is sent later.")
_REPORT = gettext_noop("The message itself is not accepted: shorten it or change its template.")

FAULTS = {
    **for_good(_GONE, "19001 10208"),
    **for_good(_GUARDED, "19021 19022 19024"),
    **for_good(_REPORT, "19002 9499 11246 230025"),
    **later(_SLOWER, "11232 11233"),
}


def signature(secret: str, timestamp: str) -> str:
    """`timestamp` in seconds. The secret is part of the key, and the message is empty."""
    made = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(made).decode()


@TRANSPORTS.register
class Feishu(Transport):
    kind = "feishu"
    label = _("Feishu / Lark")
    icon = "forum"
    Params = HookParams
    SECRETS = SignedHookSecrets
    per_minute = 100
    longest_body = 16_000  # of 20 KB for the whole
    unit = "json"

    def send(self, params: HookParams, secrets: SignedHookSecrets, message: Message, to: Recipients | None) -> Receipt:
        body = cut(message.body, self.longest_body, unit=self.unit, language=message.language)
        content = {"msg_type": "interactive", "card": card(message, body.text)}
        if secrets.signing_secret:
            timestamp = str(int(time.time()))
            content |= {"timestamp": timestamp, "sign": signature(secrets.signing_secret, timestamp)}
        response = post_json(secrets.webhook_url, content, timeout=params.timeout)
        answer = json_or_status(response)
        code = answer.get("code", answer.get("StatusCode"))
        if code != 0:
            check_code("Feishu", response, code, answer.get("msg", ""), FAULTS)
        check_status(response)
        return Receipt(is_cut=body.is_cut)


def card(message: Message, body: str) -> dict[str, Any]:
    """A card with the subject as its head and a button for each link."""
    title = one_line(message.subject, LONGEST_TITLE)
    elements: list[dict[str, Any]] = [{"tag": "div", "text": {"tag": "plain_text", "content": body or title}}]
    buttons = [
        {"tag": "button", "text": {"tag": "plain_text", "content": label}, "type": "default", "url": url}
        for label, url in links_of(message)
    ]
    if buttons:
        elements.append({"tag": "action", "actions": buttons})
    return {
        "config": {"wide_screen_mode": True},
        "header": {
            "title": {"tag": "plain_text", "content": title},
            "template": COLOURS.get(message.severity, "blue"),
        },
        "elements": elements,
    }
