"""SMS through Tencent Cloud (sms 2021-01-11, SendSms), signed with TC3-HMAC-SHA256.

Source: https://cloud.tencent.com/document/api/382/52071. The text is a template that the vendor has approved; its
variables take parts of the message, in order. It answers 200 also when it refuses, for each number by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop
from pydantic import Field

from alerts.params import Params
from alerts.transports.base import TRANSPORTS, Receipt, Recipients, Refusal, Transport, all_refused
from alerts.transports.codes import for_good, later, refusal
from alerts.transports.message import Message
from alerts.transports.sms import LongestValue, Numbers, Part, is_any_cut, numbers_of, part_of
from alerts.transports.web import TIME_LIMIT, BaseAddress, TimeLimit, check_status, json_object, post
from portal.lib.paramtypes import Shown
from portal.lib.text import one_line

VERSION = "2021-01-11"
ALGORITHM = "TC3-HMAC-SHA256"
CONTENT_TYPE = "application/json; charset=utf-8"

_KEYS = gettext_noop("Check the secret ID, its key and what it may do at Tencent Cloud.")
_TEMPLATE = gettext_noop("Check signature, template and variables: they must be those that the vendor approved.")
_NUMBER = gettext_noop("The number can't be reached: correct it.")
_MONEY = gettext_noop("Check the balance and the state of the account at the vendor.")
_SLOWER = gettext_noop("The vendor wants fewer messages; it is sent later.")
_CLOCK = gettext_noop("The clock of this machine is wrong: set it.")
_AGAIN = gettext_noop("The vendor has a problem; it is sent again.")

# By the part of a code before the first dot, or the whole code where that says more.
FAULTS = {
    **for_good(_KEYS, "AuthFailure UnauthorizedOperation"),
    **for_good(_TEMPLATE, "InvalidParameter InvalidParameterValue MissingParameter FailedOperation"),
    **for_good(_NUMBER, "InvalidParameterValue.IncorrectPhoneNumber FailedOperation.PhoneNumberInBlacklist"),
    **for_good(_MONEY, "FailedOperation.InsufficientBalanceInSmsPackage UnsupportedOperation"),
    **later(_SLOWER, "LimitExceeded RequestLimitExceeded"),
    **later(_AGAIN, "InternalError", pause=None),
    **later(_CLOCK, "AuthFailure.SignatureExpire"),
}


class TencentSmsParams(Params):
    secret_id: Annotated[str, Shown(label=_("Secret ID"))] = Field(min_length=1, max_length=100)
    sdk_app_id: Annotated[str, Shown(label=_("SMS application ID"))] = Field(pattern=r"^[0-9]{6,20}$")
    sign_name: Annotated[str, Shown(label=_("Signature name"))] = Field(default="", max_length=100)
    template_id: Annotated[str, Shown(label=_("Template ID"))] = Field(pattern=r"^[0-9]{1,20}$")
    variables: Annotated[
        tuple[Part, ...],
        Shown(label=_("Variables"), help=_("The part of the message that {1}, {2}, … of the template take, in order.")),
    ] = Field(default=("subject",), max_length=20)
    recipients: Numbers = Field(default=(), max_length=100)
    longest_value: LongestValue = 35
    region: Annotated[str, Shown(label=_("Region"))] = Field(default="ap-guangzhou", pattern=r"^[a-z0-9-]{2,40}$")
    base_url: BaseAddress = "https://sms.tencentcloudapi.com"
    timeout: TimeLimit = TIME_LIMIT


class TencentSmsSecrets(Params):
    secret_key: Annotated[str, Shown(label=_("Secret key"), secret=True)] = Field(min_length=1, max_length=200)


@TRANSPORTS.register
class TencentSms(Transport):
    kind = "tencent_sms"
    label = _("SMS (Tencent Cloud)")
    icon = "sms"
    Params = TencentSmsParams
    SECRETS = TencentSmsSecrets
    has_recipients = True
    addresses = "phone"
    per_minute = 60
    longest_body = 500

    def send(
        self, params: TencentSmsParams, secrets: TencentSmsSecrets, message: Message, to: Recipients | None
    ) -> Receipt:
        numbers, bad = numbers_of(params.recipients, to)
        if not numbers:
            raise all_refused(bad)
        content = {
            "PhoneNumberSet": numbers,
            "SmsSdkAppId": params.sdk_app_id,
            "SignName": params.sign_name,
            "TemplateId": params.template_id,
            "TemplateParamSet": [part_of(message, part, params.longest_value) for part in params.variables],
            "SessionContext": one_line(message.delivery_id, 255),
        }
        answer = _asked(params, secrets, content)
        statuses = answer.get("SendStatusSet")
        statuses = [one for one in statuses if isinstance(one, dict)] if isinstance(statuses, list) else []
        bad += _refusals(numbers, statuses)
        if len(bad) > 0 and not any(one.get("Code") == "Ok" for one in statuses):
            raise all_refused(bad)
        ids = ", ".join(str(one.get("SerialNo", "")) for one in statuses if one.get("Code") == "Ok")
        is_cut = is_any_cut(message, params.variables, params.longest_value)
        return Receipt(remote_id=ids, refused=tuple(bad), is_cut=is_cut)


def _asked(params: TencentSmsParams, secrets: TencentSmsSecrets, content: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's "Response"; DeliveryError when it says an error for the whole."""
    body = json.dumps(content, ensure_ascii=False).encode()
    at = datetime.now(UTC)
    host = urlsplit(params.base_url).netloc
    headers = {
        "content-type": CONTENT_TYPE,
        "x-tc-action": "SendSms",
        "x-tc-version": VERSION,
        "x-tc-region": params.region,
        "x-tc-timestamp": str(int(at.timestamp())),
        "authorization": authorization(
            body, service="sms", host=host, key_id=params.secret_id, secret=secrets.secret_key, at=at
        ),
    }
    response = post(f"{params.base_url.rstrip('/')}/", body, headers=headers, timeout=params.timeout)
    check_status(response)
    answer = json_object(response).get("Response")
    answer = answer if isinstance(answer, dict) else {}
    error = answer.get("Error")
    if isinstance(error, dict):
        raise _refusal(str(error.get("Code", "")), error.get("Message", ""))
    return answer


def _refusals(numbers: list[str], statuses: list[dict[str, Any]]) -> list[Refusal]:
    """Each number the vendor did not say "Ok" of; one it does not speak of is tried again."""
    found = {str(one.get("PhoneNumber", "")): one for one in statuses}
    refusals = []
    for number in numbers:
        status = found.get(number, {"Code": "NoStatus"})
        if status.get("Code") != "Ok":
            error = _refusal(str(status.get("Code", "")), status.get("Message", ""))
            refusals.append(Refusal(recipient=number, sentence=error.sentence, is_permanent=error.is_permanent))
    return refusals


def _refusal(code: str, words: object) -> Any:
    family = code if code in FAULTS else code.split(".", maxsplit=1)[0]
    faults = {code: FAULTS[family]} if family in FAULTS else {}
    return refusal("Tencent Cloud", code, words, faults)


def authorization(body: bytes, *, service: str, host: str, key_id: str, secret: str, at: datetime) -> str:
    """The header of a POST to /, signed over content type, host and body."""
    day = at.astimezone(UTC).strftime("%Y-%m-%d")
    scope = f"{day}/{service}/tc3_request"
    names = "content-type;host"
    canonical = f"POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\n{names}\n{hashlib.sha256(body).hexdigest()}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{int(at.timestamp())}\n{scope}\n{hashed}"
    key = f"TC3{secret}".encode()
    for part in (day, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    made = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={made}"
