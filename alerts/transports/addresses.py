"""Addresses of people: e-mail addresses and telephone numbers, as they are written in settings. PURE."""

from __future__ import annotations

import re
from typing import Annotated

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import AfterValidator

from portal.lib.said import said as _

_PHONE = re.compile(r"\+?[0-9]{5,15}")
_PUNCTUATION = str.maketrans("", "", " -().\u00a0")


def phone_number(text: str) -> str:
    """The number without punctuation, such as +8613800138000; ValueError with a sentence otherwise."""
    number = text.strip().translate(_PUNCTUATION)
    if number.startswith("00"):
        number = "+" + number[2:]
    if not _PHONE.fullmatch(number):
        words = _("“%(text)s” is no telephone number: write it with its country, such as +8613800138000.")
        raise ValueError(words % {"text": text.strip()[:40]})
    return number


def international(number: str) -> str:
    """With a country: a mainland Chinese mobile number may be written without."""
    return number if number.startswith("+") else f"+86{number}"


def mainland(number: str) -> str:
    """As DingTalk and WeCom know the mobile numbers of their people."""
    return number.removeprefix("+86")


def email_address(text: str) -> str:
    """The address, its domain in ASCII; ValueError with a sentence otherwise."""
    address = text.strip()
    words = _("“%(text)s” is no e-mail address: write one such as name@example.com.") % {"text": address[:80]}
    try:
        validate_email(address)
        local, domain = address.rsplit("@", 1)
        return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"
    except (ValidationError, ValueError):
        raise ValueError(words) from None


Phone = Annotated[str, AfterValidator(phone_number)]
EmailAddress = Annotated[str, AfterValidator(email_address)]
OptionalEmailAddress = Annotated[str, AfterValidator(lambda text: email_address(text) if text.strip() else "")]
