"""What the transports over HTTP share: one request through `portal.lib.http`, and what its answer means.

No redirect is followed: the body is meant for the address that somebody wrote down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy
from pydantic import AfterValidator

from alerts.transports.base import DeliveryError
from portal.lib import http
from portal.lib.paramtypes import Duration, Shown
from portal.lib.said import said as _
from portal.lib.text import one_line

MOST_ANSWER_BYTES = 64 * 1024
LATER = frozenset({408, 425, 429})  # client errors that another try may cure
FOR_GOOD = frozenset({301, 308})
LONGEST_PAUSE = timedelta(hours=1)  # somebody waits for the message
SHORTEST_PAUSE = timedelta(seconds=1)


def _in_bounds(value: timedelta) -> timedelta:
    if not timedelta(milliseconds=100) <= value <= timedelta(minutes=2):
        raise ValueError(_now("The time limit is between 1s and 2m."))
    return value


def _is_address(value: str) -> str:
    problem = http.url_problem(value.strip())
    if problem:
        raise ValueError(problem)
    return value.strip()


TimeLimit = Annotated[
    Duration,
    AfterValidator(_in_bounds),
    Shown(label=gettext_lazy("Time limit"), help=gettext_lazy("For one try, such as 15s.")),
]
TIME_LIMIT = timedelta(seconds=15)
WebAddress = Annotated[str, AfterValidator(_is_address)]
BaseAddress = Annotated[
    WebAddress,
    Shown(
        label=gettext_lazy("Address of the service"),
        help=gettext_lazy("Change it only for a service of your own or a gateway in between."),
    ),
]


def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    timeout: timedelta,
    verify_tls: bool = True,
) -> http.Response:
    """The answer, whatever its status; DeliveryError when there was none."""
    request = http.Request(
        method="POST",
        url=url,
        headers=headers,
        body=body,
        timeout=timeout.total_seconds(),
        verify_tls=verify_tls,
        follow_redirects=False,
        max_bytes=MOST_ANSWER_BYTES,
    )
    try:
        return http.send(request)
    except http.HttpError as error:
        raise DeliveryError(error.sentence, is_permanent=error.kind == "address") from None


def post_json(url: str, content: Any, *, timeout: timedelta) -> http.Response:
    """As `post`, with a JSON body."""
    headers = {"content-type": "application/json; charset=utf-8"}
    return post(url, json.dumps(content, ensure_ascii=False).encode(), headers=headers, timeout=timeout)


def check_status(response: http.Response, *, words: str = "") -> None:
    """DeliveryError unless the status is 2xx. `words` of the service; without them the answer's own text."""
    if 200 <= response.status <= 299:
        return
    host = host_of(response)
    if 300 <= response.status <= 399:
        raise DeliveryError(
            _("%(host)s redirects to another address: enter the address it leads to, if you trust it.")
            % {"host": host},
            is_permanent=response.status in FOR_GOOD,
        )
    is_permanent = 400 <= response.status <= 499 and response.status not in LATER
    arguments = {"host": host, "status": response.status, "words": words or _words(response)}
    if is_permanent:
        sentence = _("%(host)s refused the message (%(status)d %(words)s): check the channel's settings.")
    else:
        sentence = _("%(host)s could not take the message now (%(status)d %(words)s).")
    raise DeliveryError(sentence % arguments, is_permanent=is_permanent, retry_after=pause_of(response))


def json_or_status(response: http.Response) -> dict[str, Any]:
    """The answer's JSON object where it may say more than its status; without one the status says what is wrong."""
    is_spoken = 200 <= response.status <= 299 or (400 <= response.status <= 499 and response.status not in LATER)
    if not is_spoken:
        check_status(response)
    try:
        return json_object(response)
    except DeliveryError:
        check_status(response)
        raise


def json_object(response: http.Response) -> dict[str, Any]:
    """The answer's JSON object; DeliveryError when it is none: then nobody knows whether the message was taken."""
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    words = _("%(host)s answered with something else than it should (%(words)s): check the address of the channel.")
    raise DeliveryError(words % {"host": host_of(response), "words": _words(response)})


def pause_of(response: http.Response, now: datetime | None = None) -> timedelta | None:
    """The Retry-After of an answer: seconds or a date, within reason; None without one."""
    text = next((value for name, value in response.headers if name.lower() == "retry-after"), "").strip()
    if text.isascii() and text.isdigit():
        pause = timedelta(seconds=min(int(text[:9]), 10**6))
    else:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        pause = (at if at.tzinfo else at.replace(tzinfo=UTC)) - (now or datetime.now(UTC))
    return min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE)


def host_of(response: http.Response) -> str:
    return urlsplit(response.url).hostname or ""


def _words(response: http.Response) -> str:
    """The reason and the start of the answer. A page of HTML says nothing to people."""
    text = "" if response.text.lstrip().startswith("<") else one_line(response.text, 120)
    return one_line(f"{response.reason}: {text}" if text and response.reason else text or response.reason)
