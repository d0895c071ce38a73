"""WeCom: a robot of a group.

Source: https://developer.work.weixin.qq.com/document/path/91770. It answers 200 also when it refuses: `errcode`
decides. Plain text rather than Markdown: there only text can mention by number, and no value can mention anybody.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from alerts.transports.addresses import mainland
from alerts.transports.base import TRANSPORTS, Receipt, Recipients, Transport
from alerts.transports.codes import for_good, later, refusal
from alerts.transports.hooks import GroupParams, HookSecrets
from alerts.transports.message import Message
from alerts.transports.texts import laid_out
from alerts.transports.web import check_status, json_object, post_json

_GONE = gettext_noop("The robot is gone or its address is wrong: copy the address again.")
_SLOWER = gettext_noop("The robot takes 20 messages a minute; it is sent later.")
_REPORT = gettext_noop("The message itself is not accepted: shorten it or change its template.")

FAULTS = {
    **for_good(_GONE, "93000 93008 93017 40014"),
    **for_good(_REPORT, "40008 40058 44004 45002"),
    **later(_SLOWER, "45009 45033"),
}


@TRANSPORTS.register
class WeCom(Transport):
    kind = "wecom"
    label = _("WeCom")
    icon = "forum"
    Params = GroupParams
    SECRETS = HookSecrets
    addresses = "phone"
    per_minute = 20
    longest_body = 2048
    unit = "bytes"

    def send(self, params: GroupParams, secrets: HookSecrets, message: Message, to: Recipients | None) -> Receipt:
        mobiles = [mainland(number) for number in (params.mobiles if to is None else to)]
        fitted = laid_out(message, self.longest_body, unit=self.unit)
        text = {
            "content": fitted.text,
            "mentioned_mobile_list": [*mobiles, *(["@all"] if params.mention_all else [])],
        }
        response = post_json(secrets.webhook_url, {"msgtype": "text", "text": text}, timeout=params.timeout)
        check_status(response)
        answer = json_object(response)
        if answer.get("errcode") != 0:
            raise refusal("WeCom", answer.get("errcode"), answer.get("errmsg", ""), FAULTS)
        return Receipt(is_cut=fitted.is_cut)
