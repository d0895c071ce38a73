"""What the SMS vendors share: numbers, and templates of theirs whose variables take parts of a message."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import AfterValidator, Field

from alerts.transports.addresses import Phone, international, phone_number
from alerts.transports.base import Recipients, Refusal, recipients_of
from alerts.transports.message import Message
from portal.lib.paramtypes import Shown
from portal.lib.text import one_line

OF_THE_MESSAGE = ("subject", "body", "severity", "trigger", "url", "at")
_FACT = re.compile(r"[a-z][a-z0-9_]{0,59}")

Numbers = Annotated[
    tuple[Phone, ...],
    Shown(label=gettext_lazy("Recipients"), help=gettext_lazy("Telephone numbers, one per line: +8613800138000.")),
]


def _is_part(value: str) -> str:
    if value not in OF_THE_MESSAGE and not _FACT.fullmatch(value):
        words = _("“%(name)s” is no part of a message: write subject, body, severity, url, at or a variable's name.")
        raise ValueError(words % {"name": value[:60]})
    return value


Part = Annotated[str, AfterValidator(_is_part)]
LongestValue = Annotated[
    int,
    Shown(
        label=gettext_lazy("Longest value"),
        help=gettext_lazy("Characters a variable of the vendor's template may have; longer values are cut."),
    ),
    Field(ge=4, le=500),
]


def part_of(message: Message, name: str, longest: int) -> str:
    """A part of the message, or one of its facts, as a value of a template: one line, never empty."""
    found = getattr(message, name) if name in OF_THE_MESSAGE else message.facts.get(name)
    if name == "at":
        found = message.at.strftime("%Y-%m-%d %H:%M")
    text = "" if found is None or isinstance(found, dict | list) else str(found)
    return one_line(text, longest) or "-"


def numbers_of(configured: Recipients, to: Recipients | None) -> tuple[list[str], list[Refusal]]:
    """Who gets it, with country; and those whose number is none."""
    good, bad = [], []
    for text in recipients_of(configured, to):
        try:
            good.append(international(phone_number(text)))
        except ValueError as error:
            bad.append(Refusal(recipient=text, sentence=str(error), is_permanent=True))
    return list(dict.fromkeys(good)), bad


def is_any_cut(message: Message, names: Iterable[str], longest: int) -> bool:
    return any(part_of(message, name, longest).endswith("…") for name in names)
