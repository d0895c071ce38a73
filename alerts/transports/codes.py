"""Error codes of services that answer 200 and mean no: which are for good, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

from alerts.transports.base import DeliveryError
from alerts.transports.web import check_status
from portal.lib.http import Response
from portal.lib.said import said as _
from portal.lib.text import one_line

A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a code means. `advice` is an English sentence that is marked for translation."""

    advice: str
    is_permanent: bool = True
    retry_after: timedelta | None = None


def for_good(advice: str, codes: str) -> dict[str, Fault]:
    """Codes (separated by spaces) that another try does not cure."""
    return dict.fromkeys(codes.split(), Fault(advice=advice))


def later(advice: str, codes: str, pause: timedelta | None = A_MINUTE) -> dict[str, Fault]:
    """Codes that pass by themselves."""
    return dict.fromkeys(codes.split(), Fault(advice=advice, is_permanent=False, retry_after=pause))


def check_code(service: str, response: Response, code: object, words: object, faults: Mapping[str, Fault]) -> NoReturn:
    """DeliveryError for an answer that is a no: by its code where that is known, else by its status."""
    if str(code) not in faults:
        check_status(response, words=one_line(f"{code}: {words}"))
    raise refusal(service, code, words, faults)


def refusal(service: str, code: object, words: object, faults: Mapping[str, Fault]) -> DeliveryError:
    """The error for a code. One that is not known is tried again: better late or twice than never."""
    found = faults.get(str(code))
    arguments: dict[str, object] = {"service": service, "code": one_line(str(code), 60), "words": one_line(str(words))}
    if found is None:
        sentence = _("%(service)s did not take the message (%(code)s: %(words)s).") % arguments
        return DeliveryError(sentence)
    arguments["advice"] = _(found.advice)
    sentence = _("%(service)s did not take the message (%(code)s: %(words)s). %(advice)s") % arguments
    return DeliveryError(sentence, is_permanent=found.is_permanent, retry_after=found.retry_after)
