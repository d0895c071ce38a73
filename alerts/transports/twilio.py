"""SMS through Twilio: one request a number, all of them within the time limit.

Source: https://www.twilio.com/docs/messaging/api/message-resource.
"""

from __future__ import annotations

import base64
import time
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from pydantic import Field, model_validator

from alerts.params import Params
from alerts.transports.base import TRANSPORTS, DeliveryError, Receipt, Recipients, Refusal, Transport, all_refused
from alerts.transports.codes import check_code, for_good, later
from alerts.transports.message import Message
from alerts.transports.sms import Numbers, numbers_of
from alerts.transports.texts import laid_out
from alerts.transports.web import TIME_LIMIT, BaseAddress, TimeLimit, check_status, json_or_status, post
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Shown

_NUMBER = gettext_noop("The number can't be reached: correct it.")
_ACCOUNT = gettext_noop("Check the account, its key and its balance at Twilio.")
_SENDER = gettext_noop("Check the sender at Twilio.")
_SLOWER = gettext_noop("Twilio wants fewer messages; it is sent later.")

FAULTS = {
    **for_good(_NUMBER, "21211 21217 21408 21610 21612 21614"),
    **for_good(_ACCOUNT, "20003 20005 20404 30002"),
    **for_good(_SENDER, "21212 21603 21606 21659 21703 21705"),
    **later(_SLOWER, "14107 20429 21611"),
}


class TwilioParams(Params):
    account_sid: Annotated[str, Shown(label=gettext_lazy("Account SID"))] = Field(pattern=r"^AC[0-9a-zA-Z]{10,64}$")
    sender: Annotated[str, Shown(label=gettext_lazy("From"), help=gettext_lazy("A number or a name."))] = Field(
        default="", max_length=40
    )
    messaging_service_sid: Annotated[
        str, Shown(label=gettext_lazy("Messaging service SID"), help=gettext_lazy("Instead of a sender."))
    ] = Field(default="", max_length=64)
    recipients: Numbers = Field(default=(), max_length=100)
    longest: Annotated[
        int,
        Shown(label=gettext_lazy("Longest message"), help=gettext_lazy("In characters; longer messages are cut.")),
    ] = Field(default=480, ge=70, le=1600)
    base_url: BaseAddress = "https://api.twilio.com"
    timeout: TimeLimit = TIME_LIMIT

    @model_validator(mode="after")
    def _has_a_sender(self) -> TwilioParams:
        if bool(self.sender) == bool(self.messaging_service_sid):
            raise refused("sender", _("Give a sender or a messaging service, one of the two."))
        return self


class TwilioSecrets(Params):
    auth_token: Annotated[str, Shown(label=gettext_lazy("Auth token"), secret=True)] = Field(
        min_length=1, max_length=200
    )


@TRANSPORTS.register
class Twilio(Transport):
    kind = "twilio"
    label = gettext_lazy("SMS (Twilio)")
    icon = "sms"
    Params = TwilioParams
    SECRETS = TwilioSecrets
    has_recipients = True
    addresses = "phone"
    per_minute = 60
    longest_body = 1600

    def send(self, params: TwilioParams, secrets: TwilioSecrets, message: Message, to: Recipients | None) -> Receipt:
        numbers, bad = numbers_of(params.recipients, to)
        fitted = laid_out(message, params.longest)
        ends_at = time.monotonic() + params.timeout.total_seconds()
        ids: list[str] = []
        stopped: DeliveryError | None = None
        for number in numbers:
            try:
                if stopped is None:
                    left = timedelta(seconds=max(0.1, ends_at - time.monotonic()))
                    ids.append(self._send_one(params, secrets, fitted.text, number, left))
                else:  # the service itself does not work: no need to wait for it once per number
                    bad.append(Refusal(recipient=number, sentence=stopped.sentence, is_permanent=False))
            except DeliveryError as error:
                stopped = None if error.is_permanent else error
                bad.append(Refusal(recipient=number, sentence=error.sentence, is_permanent=error.is_permanent))
        if not ids:
            raise stopped or all_refused(bad)
        return Receipt(remote_id=", ".join(ids), refused=tuple(bad), is_cut=fitted.is_cut)

    def _send_one(self, params: TwilioParams, secrets: TwilioSecrets, text: str, number: str, left: timedelta) -> str:
        sender = {"From": params.sender} if params.sender else {"MessagingServiceSid": params.messaging_service_sid}
        key = base64.b64encode(f"{params.account_sid}:{secrets.auth_token}".encode()).decode()
        response = post(
            f"{params.base_url.rstrip('/')}/2010-04-01/Accounts/{params.account_sid}/Messages.json",
            urlencode({"To": number, **sender, "Body": text}).encode(),
            headers={"content-type": "application/x-www-form-urlencoded", "authorization": f"Basic {key}"},
            timeout=left,
        )
        answer = json_or_status(response)
        code = answer.get("error_code") or answer.get("code")
        if code or not answer.get("sid") or answer.get("status") in ("failed", "undelivered", "canceled"):
            words = answer.get("error_message") or answer.get("message") or answer.get("status") or ""
            check_code("Twilio", response, code or response.status, words, FAULTS)
        check_status(response)
        return str(answer["sid"])
