"""What chat services with an incoming webhook share: its address is the secret."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from alerts.params import Params
from alerts.transports.addresses import Phone
from alerts.transports.web import TIME_LIMIT, TimeLimit, WebAddress
from portal.lib.paramtypes import Shown

HookAddress = Annotated[
    WebAddress,
    Shown(
        label=_("Webhook address"),
        help=_("Copy it from the service. Who knows it can write there, so it is kept as a secret."),
        secret=True,
    ),
]
SigningSecret = Annotated[
    str,
    Shown(label=_("Signing secret"), help=_("If the service shows one; otherwise leave it empty."), secret=True),
]
Mentioned = Annotated[
    tuple[Phone, ...],
    Shown(label=_("Mention"), help=_("Mobile numbers of members of the group, one per line.")),
]


class HookParams(Params):
    timeout: TimeLimit = TIME_LIMIT


class HookSecrets(Params):
    webhook_url: HookAddress = Field(min_length=1, max_length=2000)


class SignedHookSecrets(HookSecrets):
    signing_secret: SigningSecret = Field(default="", max_length=200)


class GroupParams(Params):
    mobiles: Mentioned = Field(default=(), max_length=50)
    mention_all: Annotated[bool, Shown(label=_("Mention everybody"))] = False
    timeout: TimeLimit = TIME_LIMIT


def with_query(url: str, **values: str) -> str:
    """The address with these values added to its query."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(values)]))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
