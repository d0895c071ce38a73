"""DingTalk: a custom robot of a group.

Source: https://open.dingtalk.com/document/orgapp/custom-robot-access. It answers 200 also when it refuses; `errcode`
decides. Plain text rather than Markdown: nothing in a value can become a link, an image or a mention.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from alerts.transports.addresses import mainland
from alerts.transports.base import TRANSPORTS, Receipt, Recipients, Transport
from alerts.transports.codes import for_good, later, refusal
from alerts.transports.hooks import GroupParams, SignedHookSecrets, with_query
from alerts.transports.message import Message
from alerts.transports.texts import laid_out
from alerts.transports.web import check_status, json_object, post_json

_GUARDED = gettext_noop("Compare key words, signing secret and allowed addresses with the robot's security settings.")
_GONE = gettext_noop("The robot is gone or was switched off: make a new one and enter its address.")
_SLOWER = gettext_noop("The robot takes 20 messages a minute; it is sent later.")
_REPORT = gettext_noop("The message itself is not accepted: shorten it or change its template.")

FAULTS = {
    **for_good(_GUARDED, "310000"),
    **for_good(_GONE, "300001 300005 400013 400101 400102 400106"),
    **for_good(_REPORT, "40035 400105 430101 430102 430103 430104 460101"),
    **later(_SLOWER, "130101 130102 410100 660026"),
}


def signature(secret: str, timestamp: str) -> str:
    """`timestamp` in milliseconds."""
    made = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(made).decode()


@TRANSPORTS.register
class DingTalk(Transport):
    kind = "dingtalk"
    label = _("DingTalk")
    icon = "forum"
    Params = GroupParams
    SECRETS = SignedHookSecrets
    addresses = "phone"
    per_minute = 20
    longest_body = 18_000  # of 20,000 bytes for the whole
    unit = "json"

    def send(self, params: GroupParams, secrets: SignedHookSecrets, message: Message, to: Recipients | None) -> Receipt:
        mobiles = [mainland(number) for number in (params.mobiles if to is None else to)]
        fitted = laid_out(message, self.longest_body, unit=self.unit)
        content: dict[str, Any] = {
            "msgtype": "text",
            "text": {"content": "".join([fitted.text, *(f" @{number}" for number in mobiles)])},
            "at": {"atMobiles": mobiles, "isAtAll": params.mention_all},
        }
        response = post_json(self._address(secrets), content, timeout=params.timeout)
        check_status(response)
        answer = json_object(response)
        if answer.get("errcode") != 0:
            raise refusal("DingTalk", answer.get("errcode"), answer.get("errmsg", ""), FAULTS)
        return Receipt(is_cut=fitted.is_cut)

    def _address(self, secrets: SignedHookSecrets) -> str:
        if not secrets.signing_secret:
            return secrets.webhook_url
        timestamp = str(round(time.time() * 1000))
        return with_query(secrets.webhook_url, timestamp=timestamp, sign=signature(secrets.signing_secret, timestamp))
