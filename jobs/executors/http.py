"""HTTP jobs: one request, judged by its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, field_validator, model_validator

from jobs import reasons
from jobs.executors.base import BUSINESS, KINDS, TECHNICAL, Context, Executor, ExecutorError, Outcome, Params
from jobs.executors.script import variable_text
from jobs.reasons import Reason, say
from jobs.states import ReasonCode
from portal.lib import http
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Duration, Shown

MAX_BODY_BYTES = 1024 * 1024
KEPT_CHARACTERS = 4000
LATER = frozenset({408, 425, 429})  # client errors that another try may cure
REFERENCE = re.compile(r"\$\{(secret|param):([A-Za-z_][A-Za-z0-9_]*)\}")
_EXPECTED = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")


class HttpParams(Params):
    """One request. ${secret:NAME} and ${param:name} are filled in when it is sent."""

    method: Annotated[
        Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"],
        Shown(label=gettext_lazy("Method")),
    ] = "GET"
    url: Annotated[
        str,
        Shown(
            label=gettext_lazy("Address"),
            help=gettext_lazy("${secret:NAME} and ${param:name} are filled in when the request is sent."),
        ),
    ] = Field(min_length=1, max_length=2000)
    headers: Annotated[dict[str, str], Shown(label=gettext_lazy("Headers"))] = Field(
        default_factory=dict, max_length=50
    )
    body: Annotated[str, Shown(label=gettext_lazy("Body"), editor="text")] = Field(default="", max_length=200_000)
    json_body: Annotated[
        dict[str, Any] | list[Any] | None,
        Shown(
            label=gettext_lazy("JSON body"),
            help=gettext_lazy("Sent as application/json, instead of the body above."),
            editor="json",
        ),
    ] = None
    expected: Annotated[
        list[str],
        Shown(
            label=gettext_lazy("Expected statuses"),
            help=gettext_lazy("One per line, such as 204 or 200-299. Empty: 200-299."),
        ),
    ] = Field(default_factory=list, max_length=20)
    expect_text: Annotated[
        str,
        Shown(
            label=gettext_lazy("Expected text"),
            help=gettext_lazy("The answer must contain it; otherwise the run is a business failure."),
        ),
    ] = Field(default="", max_length=500)
    timeout: Annotated[
        Duration,
        Shown(label=gettext_lazy("Time limit of the request"), help=gettext_lazy("Such as 30s or 2m.")),
    ] = timedelta(seconds=30)
    verify_tls: Annotated[bool, Shown(label=gettext_lazy("Check the certificate"))] = True
    follow_redirects: Annotated[bool, Shown(label=gettext_lazy("Follow redirects"))] = True

    @field_validator("url")
    @classmethod
    def _url_is_whole(cls, value: str) -> str:
        problem = http.url_problem(REFERENCE.sub("x", value.strip()))
        if problem:
            raise ValueError(problem)
        return value.strip()

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            problem = http.header_problem(name, text)
            if problem:
                raise ValueError(problem)
        return value

    @field_validator("expected", mode="before")
    @classmethod
    def _expected_as_text(cls, value: Any) -> Any:
        return [str(item) for item in value] if isinstance(value, list | tuple) else value

    @field_validator("expected")
    @classmethod
    def _expected_are_statuses(cls, value: list[str]) -> list[str]:
        for text in value:
            match = _EXPECTED.fullmatch(text.strip())
            if not match or int(match[2] or match[1]) < int(match[1]):
                raise ValueError(_("“%(text)s” is not a status: write 204, or 200-299.") % {"text": text[:20]})
        return [text.strip() for text in value]

    @field_validator("timeout")
    @classmethod
    def _timeout_in_bounds(cls, value: timedelta) -> timedelta:
        if not timedelta(milliseconds=100) <= value <= timedelta(hours=1):
            raise ValueError(_("The time limit of a request is between 1s and 1h."))
        return value

    @model_validator(mode="after")
    def _one_body(self) -> HttpParams:
        if self.body and self.json_body is not None:
            raise refused("json_body", _("Give a body or a JSON body, not both."))
        return self

    def secret_names(self) -> frozenset[str]:
        texts = [self.url, *self.headers.values(), self.body, json.dumps(self.json_body, ensure_ascii=False)]
        found = (match for text in texts for match in REFERENCE.finditer(text))
        return frozenset(match[2] for match in found if match[1] == "secret")

    def expects(self, status: int) -> bool:
        if not self.expected:
            return 200 <= status <= 299
        ranges = (text.partition("-") for text in self.expected)
        return any(int(low) <= status <= int(high or low) for low, _dash, high in ranges)


def exit_code_of(status: int) -> int:
    """2xx and 4xx but 408, 425, 429: the other side has decided, a retry changes nothing. The rest: technical."""
    decided = 200 <= status <= 299 or (400 <= status <= 499 and status not in LATER)
    return BUSINESS if decided else TECHNICAL


class _Filler:
    """Puts secrets and parameters in, and takes the secrets' values out of what is kept."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.secrets: set[str] = set()

    def fill(self, text: str, encode: Callable[[str], str] = str) -> str:
        return REFERENCE.sub(lambda match: encode(self._value(match[1], match[2])), text)

    def fill_json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.fill(value)
        if isinstance(value, list):
            return [self.fill_json(item) for item in value]
        if isinstance(value, dict):
            return {key: self.fill_json(item) for key, item in value.items()}
        return value

    def masked(self, text: str) -> str:
        for secret in sorted(self.secrets, key=len, reverse=True):
            for form in (secret, quote(secret, safe="")):
                text = text.replace(form, "••••••")
        return text

    def _value(self, source: str, name: str) -> str:
        if source == "param":
            value = self.context.run_params.get(name)
            return "" if value is None else variable_text(value)
        secret = self.context.environment.get(name)
        if secret is None:
            raise ExecutorError(say(ReasonCode.RIGHT_LOST, "right_lost.secret_unavailable", name=name))
        if secret:
            self.secrets.add(secret)
        return secret


@KINDS.register
class HttpExecutor(Executor):
    kind = "http"
    label = gettext_lazy("HTTP request")
    icon = "http"
    Params = HttpParams

    def run(self, context: Context) -> Outcome:
        params: HttpParams = context.params
        filler = _Filler(context)
        request = _request(params, filler, context.timeout)
        abort = http.Abort()
        context.on_cancel(abort.abort)
        context.log(f"{params.method} {params.url}\n", "system")
        try:
            response = http.send(request, abort=abort)
        except http.HttpError as error:
            return _failed(error, filler, params, context.timeout)
        _tell(context, response, filler)
        return _judged(params, response, filler)


def _request(params: HttpParams, filler: _Filler, limit: float | None) -> http.Request:
    headers = {name: filler.fill(value) for name, value in params.headers.items()}
    body = filler.fill(params.body).encode()
    if params.json_body is not None:
        body = json.dumps(filler.fill_json(params.json_body), ensure_ascii=False).encode()
        headers = {"content-type": "application/json", **headers}
    for name, value in headers.items():
        problem = http.header_problem(name, value)  # a secret may hold a line break
        if problem:
            raise ExecutorError(problem, reason_code=ReasonCode.BAD_DEFINITION)
    own = params.timeout.total_seconds()
    return http.Request(
        method=params.method,
        url=filler.fill(params.url, lambda value: quote(value, safe="")),
        headers=headers,
        body=body,
        timeout=own if limit is None else min(own, limit),
        verify_tls=params.verify_tls,
        follow_redirects=params.follow_redirects,
        max_bytes=MAX_BODY_BYTES,
    )


def _failed(error: http.HttpError, filler: _Filler, params: HttpParams, limit: float | None) -> Outcome:
    def why(code: ReasonCode) -> Reason:
        return reasons.quote(code, error.sentence).masked(filler.masked)

    if error.kind == "aborted":
        return Outcome.because(why(ReasonCode.NONE), exit_code=None, end="cancelled")
    if error.kind == "timeout" and limit is not None and limit <= params.timeout.total_seconds():
        return Outcome.because(why(ReasonCode.TIMEOUT), exit_code=None, end="timeout")
    raise ExecutorError(why(ReasonCode.BAD_DEFINITION if error.kind == "address" else ReasonCode.CONNECTION))


def _tell(context: Context, response: http.Response, filler: _Filler) -> None:
    head = "".join(f"{name}: {value}\n" for name, value in response.headers)
    context.log(
        f"{response.status} {response.reason} · {response.seconds * 1000:.0f} ms · {len(response.body)} bytes\n",
        "system",
    )
    context.log(filler.masked(f"{head}\n{response.text[:KEPT_CHARACTERS]}\n"))


def _judged(params: HttpParams, response: http.Response, filler: _Filler) -> Outcome:
    facts: dict[str, Any] = {"outputs": {"status": str(response.status)}, "result": _kept(response, filler)}
    if not params.expects(response.status):
        exit_code = exit_code_of(response.status)
        code = {0: ReasonCode.NONE, BUSINESS: ReasonCode.BUSINESS}.get(exit_code, ReasonCode.CONNECTION)
        why = say(code, "any.http_status", status=response.status, reason=response.reason)
        return Outcome.because(why, exit_code=exit_code, **facts)
    if params.expect_text and params.expect_text not in response.text:
        why = say(ReasonCode.BUSINESS, "business.text_missing", text=params.expect_text[:100])
        return Outcome.because(why, exit_code=BUSINESS, **facts)
    return Outcome(**facts)


def _kept(response: http.Response, filler: _Filler) -> Mapping[str, Any]:
    text = response.text.replace("\0", "�")
    return {
        "status": response.status,
        "reason": response.reason,
        "url": filler.masked(response.url),
        "headers": {name: filler.masked(value)[:1000] for name, value in response.headers[:50]},
        "body": filler.masked(text[:KEPT_CHARACTERS]),
        "is_truncated": response.is_truncated or len(text) > KEPT_CHARACTERS,
        "seconds": round(response.seconds, 3),
        "redirect_count": response.redirect_count,
    }
