"""Messages as plain text that fits, for services that show no more than that. PURE."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import override

from alerts.transports.message import Message
from portal.lib.text import SIZES, Fitted, cut


def links_of(message: Message) -> list[tuple[str, str]]:
    """(label, address) of the message's page and actions; only web addresses."""
    with override(message.language):
        found = [(_("Open in the portal"), message.url), *((one.label, one.url) for one in message.actions)]
    return [(label, url) for label, url in found if url.startswith(("https://", "http://"))]


def laid_out(message: Message, longest: int | None, *, unit: str = "characters") -> Fitted:
    """Subject, body and links as plain text. The links always stay: only the body is cut, and at last the subject."""
    size = SIZES[unit]
    tail = "".join(f"\n\n{label}:\n{url}" for label, url in links_of(message))
    if longest is None:
        return Fitted(text=f"{message.subject}\n\n{message.body}{tail}")
    if size(tail) > longest // 2:
        tail = ""  # links so long would leave no room for the message
    subject = cut(message.subject, (longest - size(tail)) // 2, unit=unit, language=message.language)
    head = f"{subject.text}\n\n" if message.body else subject.text
    body = cut(message.body, longest - size(head) - size(tail), unit=unit, language=message.language)
    return Fitted(text=f"{head}{body.text}{tail}", is_cut=subject.is_cut or body.is_cut)
