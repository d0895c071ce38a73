"""The only outbound HTTP client.

Each host is resolved here, every address checked, and the checked one connected to, on every redirect again;
no proxy and no .netrc of the environment is heeded.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import certifi
import httpx

from portal.lib.addresses import is_allowed
from portal.lib.said import said as _

MOST_REDIRECTS = 5
RESOLVE_SECONDS = 10.0
CONNECT_SECONDS = 10.0
SAFE_ELSEWHERE = frozenset({"accept", "accept-language", "content-type", "user-agent"})
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "proxy-authorization"})

ErrorKind = Literal["address", "connection", "timeout", "aborted"]


class HttpError(Exception):
    """The exchange failed; the text is a sentence. `kind` "address": the request itself can't be sent."""

    def __init__(self, sentence: str, kind: ErrorKind = "connection") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class Request:
    """`timeout` (seconds) is for the whole exchange, redirects included."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float = 30.0
    verify_tls: bool = True
    follow_redirects: bool = True
    max_bytes: int = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Response:
    """`body` is at most the request's `max_bytes`; `is_truncated` says that there was more."""

    status: int
    reason: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    is_truncated: bool
    seconds: float
    redirect_count: int

    @property
    def text(self) -> str:
        kind = next((value for name, value in self.headers if name.lower() == "content-type"), "")
        charset = kind.partition("charset=")[2].split(";")[0].strip(" \"'") or "utf-8"
        try:
            return self.body.decode(charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


class Abort:
    """Ends an exchange from another thread: `abort()` wakes a blocked read at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.why: Literal["", "aborted", "timeout"] = ""

    def abort(self, why: Literal["aborted", "timeout"] = "aborted") -> None:
        with self._lock:
            self.why = self.why or why
            self._shut()

    def watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
            if self.why:
                self._shut()

    def forget(self) -> None:
        with self._lock:
            self._socket = None

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # close() would not wake a reader


def send(request: Request, *, abort: Abort | None = None) -> Response:
    """Do the exchange. Raises HttpError with a sentence for everything that can go wrong."""
    stop = abort or Abort()
    started = time.monotonic()
    timer = threading.Timer(request.timeout, stop.abort, args=("timeout",))
    timer.daemon = True
    timer.start()
    try:
        response = _Exchange(request, stop, started).run()
    except HttpError as error:
        raise (_interrupted(request, stop) if stop.why else error) from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
        raise (_interrupted(request, stop) if stop.why else _translated(error, request)) from None
    finally:
        timer.cancel()
        stop.forget()
    if stop.why:  # an interrupted read may look like the answer's end
        raise _interrupted(request, stop)
    return response


def url_problem(url: str) -> str:
    """Why this can't be the address of a request, or an empty string. Looks at the text only."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError):
        return _("This is not a web address: write it whole, such as https://example.com/path.")
    if parsed.scheme not in ("http", "https"):
        return _("A web address begins with http:// or https://.")
    if not parsed.host:
        return _("This web address has no host: write it whole, such as https://example.com/path.")
    if parsed.userinfo:
        return _("Take user name and password out of the address: send them in a header, from a secret.")
    return ""


def header_problem(name: str, value: str) -> str:
    """Why this header can't be sent, or an empty string."""
    if not name or not all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name):
        return _("“%(name)s” can't be the name of a header: use letters, digits and “-”.") % {"name": name[:60]}
    if name.lower() in OURS:
        return _("The header “%(name)s” is set by the portal: remove it.") % {"name": name}
    if any(ord(c) < 32 and c != "\t" for c in value) or "\x7f" in value:
        return _("The value of the header “%(name)s” must be one line of text.") % {"name": name}
    return ""


class _Exchange:
    """One request with its redirects."""

    def __init__(self, request: Request, stop: Abort, started: float) -> None:
        self.request, self.stop, self.started = request, stop, started
        self.method, self.body, self.headers = request.method.upper(), request.body, dict(request.headers)

    def run(self) -> Response:
        problem = url_problem(self.request.url)
        if problem:
            raise HttpError(problem, "address")
        url = httpx.URL(self.request.url)
        for redirects in range(MOST_REDIRECTS + 1):
            with self._client(url) as client, self._opened(client, url) as answer:
                target = answer.headers.get("location", "")
                if not (self.request.follow_redirects and answer.has_redirect_location):
                    return self._read(answer, url, redirects)
            url = self._follow(answer.status_code, url, target)
        raise HttpError(
            _("The server redirected more than %(count)d times: check the address.") % {"count": MOST_REDIRECTS}
        )

    def _client(self, url: httpx.URL) -> httpx.Client:
        left = max(0.1, self.request.timeout - (time.monotonic() - self.started))
        timeout = httpx.Timeout(left, connect=min(left, CONNECT_SECONDS))
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = checked_addresses(url.host, port, seconds=left)
        transport = _Pinned(addresses, tls_context(self.request.verify_tls), self.stop)
        return httpx.Client(transport=transport, timeout=timeout, trust_env=False, follow_redirects=False)

    def _opened(self, client: httpx.Client, url: httpx.URL) -> Any:
        if self.stop.why:
            raise HttpError("")
        defaults = {"user-agent": "operations-portal", "accept": "*/*", "accept-encoding": "identity"}
        given = {name.lower(): value for name, value in self.headers.items()}
        headers = {**defaults, **given}
        raw = [(name.encode("ascii"), value.encode("utf-8")) for name, value in headers.items()]
        return client.stream(self.method, url, headers=raw, content=self.body or None)

    def _read(self, answer: httpx.Response, url: httpx.URL, redirects: int) -> Response:
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > self.request.max_bytes:
                break
        return Response(
            status=answer.status_code,
            reason=answer.reason_phrase,
            url=str(url),
            headers=list(answer.headers.multi_items()),
            body=bytes(body[: self.request.max_bytes]),
            is_truncated=len(body) > self.request.max_bytes,
            seconds=time.monotonic() - self.started,
            redirect_count=redirects,
        )

    def _follow(self, status: int, url: httpx.URL, target: str) -> httpx.URL:
        goal = url.join(target)
        problem = url_problem(str(goal))
        if problem:
            raise HttpError(_("The server redirected to an address that can't be used. %(why)s") % {"why": problem})
        if status == 303 or (status in (301, 302) and self.method == "POST"):
            self.method, self.body = ("HEAD" if self.method == "HEAD" else "GET"), b""
        if (goal.scheme, goal.host, goal.port) != (url.scheme, url.host, url.port):
            if self.body:
                raise HttpError(
                    _("The server wants the request's body sent on to %(host)s: use that address in the job.")
                    % {"host": goal.host}
                )
            # Keys and tokens were meant for the first host only.
            self.headers = {n: v for n, v in self.headers.items() if n.lower() in SAFE_ELSEWHERE}
        return goal


class _Pinned(httpx.BaseTransport):
    """Connects to the given addresses, with the URL's host in TLS and in the Host header."""

    def __init__(self, addresses: list[str], context: ssl.SSLContext, stop: Abort) -> None:
        self.addresses, self.stop = addresses, stop
        self.inner = httpx.HTTPTransport(verify=context, trust_env=False, retries=0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for position, address in enumerate(self.addresses, start=1):
            try:
                return self.inner.handle_request(self._aimed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if position == len(self.addresses) or self.stop.why:
                    raise
        raise HttpError(_("The host has no address."))

    def _aimed(self, request: httpx.Request, address: str) -> httpx.Request:
        extensions = {**request.extensions, "sni_hostname": request.url.host, "trace": self._trace}
        return httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions=extensions,
        )

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.stop.watch(info["return_value"].get_extra_info("socket"))

    def close(self) -> None:
        self.inner.close()


def checked_addresses(host: str, port: int, *, seconds: float = RESOLVE_SECONDS) -> list[str]:
    """Every address of the host, all of them allowed; HttpError otherwise. For other protocols than HTTP too."""
    addresses = resolved(host, port, seconds=seconds)
    for address in addresses:
        if not is_allowed(address):
            raise HttpError(
                _(
                    "%(host)s is an internal address, which the portal does not connect to. A "
                    "platform admin can allow it in PORTAL_HTTP_ALLOWED_NETWORKS."
                )
                % {"host": host},
                "address",
            )
    return addresses


def resolved(host: str, port: int, *, seconds: float = RESOLVE_SECONDS) -> list[str]:
    """The host's addresses, not checked. getaddrinfo can't be interrupted: it is left behind when it takes too long."""
    found: list[str] = []
    problems: list[Exception] = []

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as error:
            problems.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(min(seconds, RESOLVE_SECONDS))
    if not found:
        raise HttpError(
            _("The host “%(host)s” was not found: check the address and the worker's name server.") % {"host": host}
        )
    return list(found)


@lru_cache(maxsize=2)
def tls_context(verify: bool) -> ssl.SSLContext:
    """For clients: the system's issuers and certifi's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _interrupted(request: Request, stop: Abort) -> HttpError:
    if stop.why == "timeout":
        return HttpError(
            _("%(host)s did not answer within %(seconds)g seconds.")
            % {"host": _host(request), "seconds": request.timeout},
            "timeout",
        )
    return HttpError(_("The request was stopped."), "aborted")


def _translated(error: Exception, request: Request) -> HttpError:
    host = _host(request)
    if isinstance(error, httpx.TimeoutException):
        return HttpError(_("%(host)s did not answer in time.") % {"host": host}, "timeout")
    if isinstance(error, httpx.ConnectError):
        return HttpError(_cannot_connect(error, host))
    if isinstance(error, httpx.LocalProtocolError | httpx.InvalidURL | ValueError):
        return HttpError(_("The request can't be sent: check its address and its headers."), "address")
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
        return HttpError(_("%(host)s did not answer as a web server should.") % {"host": host})
    return HttpError(_("The connection to %(host)s broke off.") % {"host": host})


def _cannot_connect(error: httpx.ConnectError, host: str) -> str:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _("The certificate of %(host)s can't be trusted: %(cause)s.") % {
                "host": host,
                "cause": cause.verify_message,
            }
        if isinstance(cause, ssl.SSLError):
            return _("%(host)s does not speak TLS as expected: check https:// and the port.") % {"host": host}
        if isinstance(cause, ConnectionRefusedError):
            return _("%(host)s refused the connection: check the port, and whether the service runs.") % {"host": host}
    return _("%(host)s could not be reached: check the address and the network.") % {"host": host}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _host(request: Request) -> str:
    try:
        return httpx.URL(request.url).host
    except httpx.InvalidURL:
        return ""
