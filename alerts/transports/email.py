"""E-mail, through the installation's mail server or one of the channel's own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Annotated

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from pydantic import Field, model_validator

from alerts.params import Params
from alerts.transports import smtp
from alerts.transports.addresses import EmailAddress, OptionalEmailAddress, email_address
from alerts.transports.base import (
    TRANSPORTS,
    DeliveryError,
    Receipt,
    Recipients,
    Refusal,
    Transport,
    all_refused,
    recipients_of,
)
from alerts.transports.mailpage import page_of
from alerts.transports.masking import masker
from alerts.transports.message import Message
from alerts.transports.texts import laid_out
from alerts.transports.web import TimeLimit
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Shown
from portal.lib.said import masked, said
from portal.lib.text import one_line

LONGEST_SUBJECT = 200
SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
NOWHERE = frozenset({"django.core.mail.backends.console.EmailBackend", "django.core.mail.backends.dummy.EmailBackend"})
PORTS = {"starttls": 587, "tls": 465, "none": 25}
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$"
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f]")


class EmailParams(Params):
    recipients: Annotated[
        tuple[EmailAddress, ...], Shown(label=_("Recipients"), help=_("E-mail addresses, one per line."))
    ] = Field(default=(), max_length=200)
    sender: Annotated[
        OptionalEmailAddress, Shown(label=_("From"), help=_("Empty: the sender of this installation."))
    ] = ""
    sender_name: Annotated[str, Shown(label=_("Name of the sender"))] = Field(default="", max_length=100)
    host: Annotated[str, Shown(label=_("Mail server"), help=_("Empty: the mail server of this installation."))] = Field(
        default="", pattern=f"{_HOST}|^$"
    )
    port: Annotated[int | None, Shown(label=_("Port"), help=_("Empty: the usual one of the encryption."))] = Field(
        default=None, ge=1, le=65535
    )
    encryption: Annotated[
        smtp.Tls,
        Shown(
            label=_("Encryption"),
            choices={"starttls": "STARTTLS", "tls": _("TLS from the start"), "none": _("None")},
        ),
    ] = "starttls"
    verify_tls: Annotated[bool, Shown(label=_("Check the certificate"))] = True
    username: Annotated[str, Shown(label=_("User name"))] = Field(default="", max_length=200)
    timeout: TimeLimit = timedelta(seconds=30)

    @model_validator(mode="after")
    def _fits_together(self) -> EmailParams:
        if _NOT_IN_NAMES.search(self.sender_name + self.username):
            raise refused("sender_name", _now("Names must be one line of text."))
        if self.host and self.username and self.encryption == "none":
            raise refused("encryption", _now("Without encryption the password could be read on its way: choose one."))
        if self.username and not self.host:
            raise refused("host", _now("Give the mail server that this user name belongs to."))
        return self


class EmailSecrets(Params):
    password: Annotated[str, Shown(label=_("Password"), secret=True)] = Field(default="", max_length=500)


@TRANSPORTS.register
class Email(Transport):
    kind = "email"
    label = _("E-mail")
    icon = "mail"
    Params = EmailParams
    SECRETS = EmailSecrets
    has_recipients = True
    addresses = "email"
    longest_body = 200_000

    def send(self, params: EmailParams, secrets: EmailSecrets, message: Message, to: Recipients | None) -> Receipt:
        good, bad = _addressees(params.recipients, to)
        if not good:
            raise all_refused(bad)
        mail, is_cut = letter(params, message, good, self.longest_body)
        if params.host:
            bad += smtp.send(_own(params, secrets), mail, to=good, seconds=params.timeout.total_seconds())
        elif settings.EMAIL_BACKEND == SMTP_BACKEND:
            bad += _through_installation(mail, good, params.timeout.total_seconds())
        else:
            _through_backend(mail, good)
        return Receipt(remote_id=str(mail["Message-ID"]), refused=tuple(bad), is_cut=is_cut)


def letter(params: EmailParams, message: Message, to: list[str], longest: int) -> tuple[EmailMessage, bool]:
    """The mail: text, and HTML where there is some. Its Message-ID is the same in every try."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = one_line(message.subject, LONGEST_SUBJECT)
    sender = _sender(params)
    mail["From"] = sender
    mail["To"] = [Address(addr_spec=one) for one in to]
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message_name(message.delivery_id)}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office answers stay away
    mail["X-Auto-Response-Suppress"] = "All"
    mail["Content-Language"] = message.language
    if message.severity == "critical":
        mail["Importance"] = "high"
    text = laid_out(_without_subject(message), longest)
    mail.set_content(text.text.lstrip("\n"), cte="quoted-printable")
    page = page_of(message)
    if len(page) <= longest:  # half of a page is none
        mail.add_alternative(page, subtype="html", cte="quoted-printable")
    return mail, text.is_cut or len(message.subject) > LONGEST_SUBJECT


def message_name(delivery_id: str) -> str:
    """The delivery's id as it may stand in a Message-ID."""
    if _SAFE_ID.fullmatch(delivery_id) and ".." not in delivery_id and not delivery_id.endswith("."):
        return delivery_id
    return hashlib.sha256(delivery_id.encode("utf-8", "replace")).hexdigest()[:40]


def _without_subject(message: Message) -> Message:
    return replace(message, subject="")


def _sender(params: EmailParams) -> Address:
    name, configured = parseaddr(settings.DEFAULT_FROM_EMAIL)
    try:
        address = params.sender or email_address(configured)
    except ValueError:
        address = configured if configured.isascii() and configured.count("@") == 1 else "portal@localhost"
    return Address(display_name=params.sender_name or ("" if params.sender else name), addr_spec=address)


def _addressees(configured: Recipients, to: Recipients | None) -> tuple[list[str], list[Refusal]]:
    good, bad = [], []
    for text in recipients_of(configured, to):
        try:
            good.append(email_address(text))
        except ValueError as error:
            bad.append(Refusal(recipient=text, sentence=str(error), is_permanent=True))
    return list(dict.fromkeys(good)), bad


def _own(params: EmailParams, secrets: EmailSecrets) -> smtp.Server:
    return smtp.Server(
        host=params.host,
        port=params.port or PORTS[params.encryption],
        tls=params.encryption,
        username=params.username,
        password=secrets.password,
        verify_tls=params.verify_tls,
    )


def _through_installation(mail: EmailMessage, to: list[str], seconds: float) -> list[Refusal]:
    """The operator chose this server, so it may be on an internal address."""
    tls: smtp.Tls = "tls" if settings.EMAIL_USE_SSL else "starttls" if settings.EMAIL_USE_TLS else "none"
    password = settings.EMAIL_HOST_PASSWORD or ""
    server = smtp.Server(
        host=settings.EMAIL_HOST,
        port=settings.EMAIL_PORT,
        tls=tls,
        username=settings.EMAIL_HOST_USER or "",
        password=password,
        is_checked=False,
    )
    try:
        return smtp.send(server, mail, to=to, seconds=seconds)
    except DeliveryError as error:
        sentence = masked(error.sentence, masker({"password": password}))
        raise DeliveryError(sentence, is_permanent=error.is_permanent, retry_after=error.retry_after) from None


def _through_backend(mail: EmailMessage, to: list[str]) -> None:
    """Another mail backend of Django's; one that only shows or drops mail delivers nothing, and says so."""
    if settings.EMAIL_BACKEND in NOWHERE:
        words = said("This installation has no mail server: set EMAIL_URL, or enter a server in the channel.")
        raise DeliveryError(words)
    text = mail.get_body(("plain",))
    page = mail.get_body(("html",))
    headers = {name: str(mail[name]) for name in ("Message-ID", "Auto-Submitted", "Date")}
    sent = EmailMultiAlternatives(
        str(mail["Subject"]), text.get_content() if text else "", str(mail["From"]), to, headers=headers
    )
    if page:
        sent.attach_alternative(page.get_content(), "text/html")
    try:
        sent.connection = get_connection(fail_silently=False)
        sent.send()
    except Exception as error:
        words = said("The mail service of this installation failed (%(cause)s).")
        raise DeliveryError(words % {"cause": type(error).__name__}) from None
