"""A webhook: the message and its facts as signed JSON.

The receiver computes HMAC-SHA256 of timestamp + "." + body with the shared secret, compares it with the signature,
refuses old timestamps, and keeps the delivery's id to know a repeated one (`alerts.signing.verify_hook` does all that).
"""

from __future__ import annotations

import json
import re
import time
from typing import Annotated, Any

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from pydantic import Field, field_validator

from alerts.params import Params
from alerts.signing import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, hook_signature
from alerts.transports.base import TRANSPORTS, Receipt, Recipients, Transport
from alerts.transports.message import Message
from alerts.transports.texts import links_of
from alerts.transports.web import TIME_LIMIT, TimeLimit, WebAddress, check_status, post
from portal.lib import http
from portal.lib.paramtypes import Shown
from portal.lib.text import cut, one_line

VERSION = 1
# What may be set besides our own: nothing that steers the connection, cookies or another's identity.
_ALLOWED = re.compile(r"accept|accept-language|user-agent|x-(?!forwarded|real-ip|portal-)[a-z0-9-]{1,60}")


class WebhookParams(Params):
    url: Annotated[WebAddress, Shown(label=_("Address"))] = Field(min_length=1, max_length=2000)
    headers: Annotated[
        dict[str, str],
        Shown(
            label=_("Headers"), help=_("Names that begin with X-, Accept or User-Agent. No secrets: they are shown.")
        ),
    ] = Field(default_factory=dict, max_length=20)
    verify_tls: Annotated[bool, Shown(label=_("Check the certificate"))] = True
    timeout: TimeLimit = TIME_LIMIT

    @field_validator("headers")
    @classmethod
    def _headers_are_allowed(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            problem = http.header_problem(name, text)
            if problem:
                raise ValueError(problem)
            if not _ALLOWED.fullmatch(name.lower()):
                words = _now("The header “%(name)s” can't be set: use one that begins with X-.")
                raise ValueError(words % {"name": name[:60]})
        return value


class WebhookSecrets(Params):
    signing_secret: Annotated[
        str, Shown(label=_("Signing secret"), help=_("Both sides know it: the receiver checks it."), secret=True)
    ] = Field(default="", max_length=500)
    authorization: Annotated[
        str, Shown(label=_("Authorization"), help=_("Sent in this header as it is, such as Bearer …."), secret=True)
    ] = Field(default="", max_length=2000)

    @field_validator("authorization")
    @classmethod
    def _is_one_line(cls, value: str) -> str:
        problem = http.header_problem("authorization", value)
        if problem:
            raise ValueError(problem)
        return value


@TRANSPORTS.register
class Webhook(Transport):
    kind = "webhook"
    label = "Webhook"
    icon = "webhook"
    Params = WebhookParams
    SECRETS = WebhookSecrets
    longest_body = 200_000

    def send(self, params: WebhookParams, secrets: WebhookSecrets, message: Message, to: Recipients | None) -> Receipt:
        fitted = cut(message.body, self.longest_body, unit=self.unit, language=message.language)
        body = json.dumps(content_of(message, fitted.text), ensure_ascii=False, default=str).encode()
        headers = {"content-type": "application/json; charset=utf-8", **params.headers}
        headers |= {ID_HEADER: one_line(message.delivery_id), TIMESTAMP_HEADER: str(int(time.time()))}
        if secrets.signing_secret:
            signature = hook_signature(secrets.signing_secret, headers[TIMESTAMP_HEADER], body)
            headers[SIGNATURE_HEADER] = signature
        if secrets.authorization:
            headers["authorization"] = secrets.authorization
        response = post(params.url, body, headers=headers, timeout=params.timeout, verify_tls=params.verify_tls)
        check_status(response)
        return Receipt(remote_id=f"{response.status} {response.reason}".strip(), is_cut=fitted.is_cut)


def content_of(message: Message, body: str) -> dict[str, Any]:
    """What is posted; documented for receivers. New names may come, none goes without a new version."""
    return {
        "version": VERSION,
        "id": message.delivery_id,
        "at": message.at.isoformat(),
        "trigger": message.trigger,
        "severity": message.severity,
        "subject": message.subject,
        "body": body,
        "url": message.url,
        "links": [{"label": label, "url": url} for label, url in links_of(message)],
        "language": message.language,
        "facts": message.facts,
    }
