"""SMS through Alibaba Cloud (Dysmsapi 2017-05-25, SendSms), signed with ACS3-HMAC-SHA256.

Source: https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature. The text is a template that
the vendor has approved; its variables take parts of the message. `Code` decides, whatever the status.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop
from pydantic import Field

from alerts.params import Params
from alerts.transports.base import TRANSPORTS, Receipt, Recipients, Transport, all_refused
from alerts.transports.codes import check_code, for_good, later
from alerts.transports.message import Message
from alerts.transports.sms import LongestValue, Numbers, Part, is_any_cut, numbers_of, part_of
from alerts.transports.web import TIME_LIMIT, BaseAddress, TimeLimit, check_status, json_or_status, post
from portal.lib.paramtypes import Shown
from portal.lib.text import one_line

VERSION = "2017-05-25"
ALGORITHM = "ACS3-HMAC-SHA256"

_KEYS = gettext_noop("Check the access key and what it may do at Alibaba Cloud.")
_TEMPLATE = gettext_noop("Check signature, template and variables: they must be those that the vendor approved.")
_NUMBER = gettext_noop("The number can't be reached: correct it.")
_MONEY = gettext_noop("Check the balance and the state of the account at the vendor.")
_SLOWER = gettext_noop("The vendor wants fewer messages; it is sent later.")
_AGAIN = gettext_noop("The vendor has a problem; it is sent again.")

FAULTS = {
    **for_good(_KEYS, "SignatureDoesNotMatch InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive"),
    **for_good(_KEYS, "InvalidAccessKeyId IncompleteSignature isp.RAM_PERMISSION_DENY Forbidden.RAM"),
    **for_good(_TEMPLATE, "isv.SMS_TEMPLATE_ILLEGAL isv.SMS_SIGNATURE_ILLEGAL isv.INVALID_PARAMETERS"),
    **for_good(_TEMPLATE, "isv.PARAM_LENGTH_LIMIT isv.TEMPLATE_MISSING_PARAMETERS isv.TEMPLATE_PARAMS_ILLEGAL"),
    **for_good(_TEMPLATE, "isv.INVALID_JSON_PARAM isv.BLACK_KEY_CONTROL_LIMIT isv.PARAM_NOT_SUPPORT_URL"),
    **for_good(_NUMBER, "isv.MOBILE_NUMBER_ILLEGAL isv.MOBILE_COUNT_OVER_LIMIT"),
    **for_good(_MONEY, "isv.OUT_OF_SERVICE isv.AMOUNT_NOT_ENOUGH isv.PRODUCT_UNSUBSCRIBE"),
    **for_good(_MONEY, "isv.ACCOUNT_NOT_EXISTS isv.ACCOUNT_ABNORMAL isv.PRODUCT_UN_SUBSCRIPT"),
    **later(_SLOWER, "isv.BUSINESS_LIMIT_CONTROL isv.DAY_LIMIT_CONTROL Throttling Throttling.User Throttling.Api"),
    **later(_AGAIN, "isp.SYSTEM_ERROR ServiceUnavailable InternalError", pause=None),
}


class AliyunSmsParams(Params):
    access_key_id: Annotated[str, Shown(label=_("Access key ID"))] = Field(min_length=1, max_length=100)
    sign_name: Annotated[str, Shown(label=_("Signature name"))] = Field(min_length=1, max_length=100)
    template_code: Annotated[str, Shown(label=_("Template code"))] = Field(min_length=1, max_length=100)
    variables: Annotated[
        dict[str, Part],
        Shown(label=_("Variables"), help=_("The template's variables and the part of the message that each takes.")),
    ] = Field(default_factory=lambda: {"content": "subject"}, max_length=20)
    recipients: Numbers = Field(default=(), max_length=100)
    longest_value: LongestValue = 35
    base_url: BaseAddress = "https://dysmsapi.aliyuncs.com"
    timeout: TimeLimit = TIME_LIMIT


class AliyunSmsSecrets(Params):
    access_key_secret: Annotated[str, Shown(label=_("Access key secret"), secret=True)] = Field(
        min_length=1, max_length=200
    )


@TRANSPORTS.register
class AliyunSms(Transport):
    kind = "aliyun_sms"
    label = _("SMS (Alibaba Cloud)")
    icon = "sms"
    Params = AliyunSmsParams
    SECRETS = AliyunSmsSecrets
    has_recipients = True
    addresses = "phone"
    per_minute = 60
    longest_body = 500

    def send(
        self, params: AliyunSmsParams, secrets: AliyunSmsSecrets, message: Message, to: Recipients | None
    ) -> Receipt:
        numbers, bad = numbers_of(params.recipients, to)
        if not numbers:
            raise all_refused(bad)
        values = {name: part_of(message, part, params.longest_value) for name, part in params.variables.items()}
        query = {
            "PhoneNumbers": ",".join(number.removeprefix("+") for number in numbers),
            "SignName": params.sign_name,
            "TemplateCode": params.template_code,
            "TemplateParam": json.dumps(values, ensure_ascii=False),
            "OutId": one_line(message.delivery_id, 255),
        }
        host = urlsplit(params.base_url).netloc
        call = Call(action="SendSms", version=VERSION, at=datetime.now(UTC), nonce=uuid.uuid4().hex)
        headers = signed_headers(call, query, host=host, key_id=params.access_key_id, secret=secrets.access_key_secret)
        url = f"{params.base_url.rstrip('/')}/?{canonical_query(query)}"
        response = post(url, b"", headers=headers, timeout=params.timeout)
        answer = json_or_status(response)
        if answer.get("Code") != "OK":
            check_code("Alibaba Cloud", response, answer.get("Code"), answer.get("Message", ""), FAULTS)
        check_status(response)
        is_cut = is_any_cut(message, params.variables.values(), params.longest_value)
        return Receipt(remote_id=str(answer.get("BizId", "")), refused=tuple(bad), is_cut=is_cut)


def canonical_query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query))


@dataclass(frozen=True, kw_only=True)
class Call:
    """Which function is called, when, and a word that is never used again."""

    action: str
    version: str
    at: datetime
    nonce: str


def signed_headers(call: Call, query: Mapping[str, str], *, host: str, key_id: str, secret: str) -> dict[str, str]:
    """The headers of a POST with an empty body to /."""
    nothing = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": host,
        "x-acs-action": call.action,
        "x-acs-content-sha256": nothing,
        "x-acs-date": call.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": call.nonce,
        "x-acs-version": call.version,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"POST\n/\n{canonical_query(query)}\n{lines}\n{names}\n{nothing}"
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    made = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    del headers["host"]  # the client writes it itself
    return {**headers, "authorization": f"{ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={made}"}
