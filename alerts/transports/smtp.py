"""One conversation with a mail server, within a time for the whole of it, however slowly the server talks."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Any, Literal

from alerts.transports.base import DeliveryError, Refusal
from portal.lib import http
from portal.lib.said import said as _
from portal.lib.text import one_line

Tls = Literal["starttls", "tls", "none"]
LINE_BYTES = 8192
MOST_REPLY_LINES = 1000  # of one conversation
BACKSTOP_SECONDS = 5.0
GREYLIST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where to, and as whom. `is_checked`: a private address is refused unless the installation allows it."""

    host: str
    port: int
    tls: Tls
    username: str = ""
    password: str = ""
    verify_tls: bool = True
    is_checked: bool = True


def send(server: Server, message: EmailMessage, *, to: list[str], seconds: float) -> list[Refusal]:
    """Hand the message over for these recipients; who was refused, while others were not.

    DeliveryError when nobody gets it. Once the server has taken the message nothing makes it a failure any more.
    """
    stop = http.Abort()
    timer = threading.Timer(seconds, stop.abort, args=("timeout",))
    timer.daemon = True
    timer.start()
    try:
        with _failures(server, stop, seconds):
            return _conversation(server, message, to, _Deadline(seconds, stop))
    finally:
        timer.cancel()
        stop.forget()


def is_taken(code: int) -> bool:
    """Only 2xx; smtplib gives -1 for a reply that is none."""
    return 200 <= code <= 299


class _Deadline:
    def __init__(self, seconds: float, stop: http.Abort) -> None:
        self.ends_at, self.stop = time.monotonic() + seconds, stop

    @property
    def left(self) -> float:
        return max(0.1, self.ends_at - time.monotonic())


def _conversation(server: Server, message: EmailMessage, to: list[str], deadline: _Deadline) -> list[Refusal]:
    connection = _Connection(server, deadline)
    try:
        connection.begin(server)
        sender = str(message["From"].addresses[0].addr_spec)
        code, words = connection.mail(sender)
        if not is_taken(code):
            raise _refused(server, code, words)
        refused = [one for address in to if (one := connection.offer(address)) is not None]
        if len(refused) == len(to):
            is_permanent = all(one.is_permanent for one in refused)
            worst = next((one for one in refused if not one.is_permanent), refused[0])
            raise DeliveryError(worst.sentence, is_permanent=is_permanent, retry_after=GREYLIST_PAUSE)
        code, words = connection.data(message.as_bytes())
        if not is_taken(code):
            raise _refused(server, code, words)
        return refused
    finally:
        with suppress(smtplib.SMTPException, OSError):
            connection.quit()
        connection.close()


class _Connection(smtplib.SMTP):
    """smtplib's, to an address that was checked, with a watched socket and replies of bounded length."""

    def __init__(self, server: Server, deadline: _Deadline) -> None:
        self.server, self.deadline = server, deadline
        self.line_count = 0
        self._watched: socket.socket | None = None
        name = socket.gethostname().encode("ascii", "replace").decode().replace("?", "-") or "localhost"
        super().__init__(local_hostname=name, timeout=deadline.left)  # without a host it does not connect yet
        self._host = server.host  # for the certificate
        try:
            code, words = self.connect(server.host, server.port)
            if code != 220:
                raise _refused(server, code, words)
        except BaseException:
            self.close()
            raise

    def begin(self, server: Server) -> None:
        self.ehlo_or_helo_if_needed()
        if server.tls == "starttls":
            self.starttls(context=http.tls_context(server.verify_tls))
            self.ehlo_or_helo_if_needed()
        if server.username:
            self.login(server.username, server.password)

    def offer(self, address: str) -> Refusal | None:
        """Name a recipient; how the server refused it, or None."""
        code, words = self.rcpt(address)
        if is_taken(code):
            return None
        if code == 421:
            raise _refused(self.server, code, words)
        is_permanent = 500 <= code <= 599
        if is_permanent:
            sentence = _("The mail server refused %(address)s (%(code)d %(words)s): correct the address.")
        else:
            sentence = _("The mail server does not take mail for %(address)s yet (%(code)d %(words)s).")
        arguments = {"address": address, "code": code, "words": _words(words)}
        return Refusal(recipient=address, sentence=sentence % arguments, is_permanent=is_permanent)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        find = http.checked_addresses if self.server.is_checked else http.resolved
        addresses = find(host, port, seconds=self.deadline.left)
        for position, address in enumerate(addresses, start=1):
            try:
                connected = socket.create_connection((address, port), min(self.deadline.left, http.CONNECT_SECONDS))
                break
            except OSError:
                if position == len(addresses):
                    raise
        connected.settimeout(self.deadline.left + BACKSTOP_SECONDS)  # the timer comes first
        # A second handle on the connection: STARTTLS takes the first one away.
        self._watched = connected.dup()
        self.deadline.stop.watch(self._watched)
        if self.server.tls == "tls":
            return http.tls_context(self.server.verify_tls).wrap_socket(connected, server_hostname=host)
        return connected

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self, self.sock.makefile("rb"))
        return super().getreply()

    def close(self) -> None:
        self.deadline.stop.forget()
        if self._watched is not None:
            self._watched.close()
        super().close()


class _Bounded:
    """The server's lines, up to a number: a reply without end must not fill the memory."""

    def __init__(self, connection: _Connection, file: Any) -> None:
        self.connection, self.file = connection, file

    def readline(self, size: int = LINE_BYTES) -> bytes:
        self.connection.line_count += 1
        if self.connection.line_count > MOST_REPLY_LINES:
            raise OSError("The server's reply does not end.")
        line = bytes(self.file.readline(size))
        if line and not line.endswith(b"\n"):
            raise OSError("The server's line was cut off.")  # "25" is not 250, and "222" of a dribble no yes
        return line

    def close(self) -> None:
        self.file.close()


@contextmanager
def _failures(server: Server, stop: http.Abort, seconds: float) -> Iterator[None]:
    """Whatever goes wrong in a conversation as a DeliveryError."""
    try:
        yield
    except (DeliveryError, http.HttpError, smtplib.SMTPException, OSError, ValueError) as error:
        if stop.why:
            words = _("The mail server %(host)s did not answer within %(seconds)g seconds.")
            raise DeliveryError(words % {"host": server.host, "seconds": seconds}) from None
        raise _translated(error, server) from None


def _translated(error: Exception, server: Server) -> DeliveryError:
    if isinstance(error, DeliveryError):
        return error
    if isinstance(error, http.HttpError):
        return DeliveryError(error.sentence, is_permanent=error.kind == "address")
    if isinstance(error, smtplib.SMTPAuthenticationError):
        code, words = error.smtp_code, _words(error.smtp_error)
        sentence = _("The mail server %(host)s refused the log-in (%(code)d %(words)s): check user name and password.")
        return DeliveryError(sentence % {"host": server.host, "code": code, "words": words}, is_permanent=code >= 500)
    if isinstance(error, smtplib.SMTPResponseException):
        return _refused(server, error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        sentence = _(
            "The mail server %(host)s can't do what the channel asks for: change its encryption or its log-in."
        )
        return DeliveryError(sentence % {"host": server.host}, is_permanent=True)
    return DeliveryError(_connection_words(error) % {"host": server.host})


def _connection_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _("The certificate of the mail server %(host)s can't be trusted: check its name, or install its issuer.")
    if isinstance(error, ssl.SSLError):
        return _("The mail server %(host)s does not speak TLS as expected: check encryption and port.")
    if isinstance(error, ConnectionRefusedError):
        return _("The mail server %(host)s refused the connection: check the port, and whether it runs.")
    if isinstance(error, TimeoutError):
        return _("The mail server %(host)s did not answer in time.")
    return _("The conversation with the mail server %(host)s broke off.")


def _refused(server: Server, code: int, words: bytes | str) -> DeliveryError:
    """4xx: later; 5xx: never; anything else (a server that talks nonsense) is tried again."""
    arguments = {"host": server.host, "code": code, "words": _words(words)}
    if 500 <= code <= 599:
        sentence = _("The mail server %(host)s refused the message (%(code)d %(words)s): check sender and server.")
        return DeliveryError(sentence % arguments, is_permanent=True)
    sentence = _("The mail server %(host)s does not take the message now (%(code)d %(words)s).")
    return DeliveryError(sentence % arguments, retry_after=GREYLIST_PAUSE)


def _words(reply: bytes | str) -> str:
    """What the server said, as a part of a sentence."""
    return one_line(reply if isinstance(reply, str) else reply.decode("utf-8", "replace"), 160)
