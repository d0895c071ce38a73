"""As much of a mail server (RFC 5321) as a client needs, on loopback.

Standard library only: it is a small process of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime

from portal.mailsink.folder import LONGEST_MESSAGE, MailFolder

IDLE_SECONDS = 60.0
LONGEST_LINE = 64 * 1024
LONGEST_COMMAND = 2000
MOST_RECIPIENTS = 1000
MOST_AT_ONCE = 50
MOST_MISTAKES = 5
_PATH = re.compile(r"(?:FROM|TO):\s?<([^<>\r\n]{0,320})>(?:\s|$)", re.IGNORECASE)
_OF_BROWSERS = {"GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "CONNECT"}


class Sink:
    """Takes mail for everybody, from everybody on this machine."""

    def __init__(self, folder: MailFolder, *, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        self._open = 0

    async def serve(self, port: int) -> asyncio.Server:
        """Listens on return; port 0 takes a free one."""
        return await asyncio.start_server(self._connected, "127.0.0.1", port, limit=LONGEST_LINE)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > MOST_AT_ONCE:
                writer.write(b"421 Too many connections; try again later.\r\n")
            else:
                await _Session(self, reader, writer).run()
            await writer.drain()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            pass  # the client left, fell silent or sent a line without end
        finally:
            self._open -= 1
            writer.close()


class _Session:
    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sink, self.reader, self.writer = sink, reader, writer
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.mistakes = 0

    async def run(self) -> None:
        self._say("220 127.0.0.1 keeps mail and delivers none")
        while self.mistakes < MOST_MISTAKES:
            line = await self._line()
            if not line:
                return
            verb, _blank, rest = line.decode("utf-8", "replace").strip().partition(" ")
            verb = verb.upper()
            if verb in _OF_BROWSERS:  # a page that makes a browser talk to this port
                return
            if verb == "QUIT":
                self._say("221 Bye")
                return
            await self._do(verb, rest, len(line))
        self._say("421 Too many mistakes")

    async def _do(self, verb: str, rest: str, length: int) -> None:
        simple = {"NOOP": "250 OK", "VRFY": "252 Send it and see", "HELO": "250 127.0.0.1"}
        if length > LONGEST_COMMAND:
            self._mistake("500 The line is too long")
        elif verb in simple:
            self._say(simple[verb])
        elif verb == "EHLO":
            self._say(f"250-127.0.0.1\r\n250-SIZE {LONGEST_MESSAGE}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING")
        elif verb == "RSET":
            self._forget()
            self._say("250 OK")
        elif verb in ("MAIL", "RCPT"):
            self._address(verb, rest)
        elif verb == "DATA":
            await self._data()
        else:
            self._mistake("502 Not known here")

    def _address(self, verb: str, rest: str) -> None:
        found = _PATH.match(rest)
        if found is None:
            self._mistake("501 Write MAIL FROM:<address> or RCPT TO:<address>")
        elif verb == "MAIL":
            self._forget()
            self.sender = found[1]
            self._say("250 OK")
        elif self.sender is None:
            self._mistake("503 MAIL comes first")
        elif len(self.recipients) >= MOST_RECIPIENTS:
            self._say("452 Too many recipients")
        else:
            self.recipients.append(found[1])
            self._say("250 OK")

    async def _data(self) -> None:
        if not self.recipients:
            self._mistake("503 RCPT comes first")
            return
        self._say("354 End with a dot on a line of its own")
        content = await self._content()
        if content is None:
            self._say("552 The message is too long")
        else:
            self._say(self._kept(content))
        self._forget()

    async def _content(self) -> bytes | None:
        """What comes up to the lonely dot; None when it is too long (it is read to its end all the same)."""
        lines: list[bytes] = []
        size = 0
        while (line := await self._line()) not in (b".\r\n", b".\n"):
            if not line:
                raise asyncio.IncompleteReadError(b"", None)
            size += len(line)
            if size > 20 * LONGEST_MESSAGE:
                raise ValueError("The message does not end.")
            if size <= LONGEST_MESSAGE:
                lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines) if size <= LONGEST_MESSAGE else None

    def _kept(self, content: bytes) -> str:
        to = ", ".join(self.recipients[:20]) + (", …" if len(self.recipients) > 20 else "")
        envelope = f"Return-Path: <{self.sender}>\r\nX-Envelope-To: {to}\r\n".encode("utf-8", "replace")
        try:
            name = self.sink.folder.keep(envelope + content, datetime.now(UTC))
        except OSError as error:
            self.sink.say(f"A message could not be kept: {error.strerror}.")
            return "452 The folder can't be written"
        return f"250 Kept as {name}"

    async def _line(self) -> bytes:
        await self.writer.drain()
        return await asyncio.wait_for(self.reader.readline(), IDLE_SECONDS)

    def _say(self, text: str) -> None:
        self.writer.write(f"{text}\r\n".encode())

    def _mistake(self, text: str) -> None:
        self.mistakes += 1
        self._say(text)

    def _forget(self) -> None:
        self.sender, self.recipients = None, []
