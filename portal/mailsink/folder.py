"""The kept messages: .eml files in one folder, the newest so many. Standard library only."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

MOST_MESSAGES = 500
MOST_BYTES = 50 * 1024 * 1024
LONGEST_MESSAGE = 2 * 1024 * 1024
LONGEST_TEXT = 100_000
SHOWN_HEADERS = ("Date", "From", "To", "Message-ID", "Auto-Submitted", "Importance", "X-Envelope-To")
_NAME = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9]{6}\.eml")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A message in the list."""

    name: str
    at: datetime
    size: int
    subject: str
    sender: str
    recipients: str


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A message on its page. `text` is its plain part; `has_page`: it also has an HTML part."""

    kept: Kept
    headers: list[tuple[str, str]]
    text: str
    has_page: bool
    files: list[str]


class MailFolder:
    """Messages by name; a name sorts by time."""

    def __init__(self, path: Path, *, most_messages: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self.most_messages, self.most_bytes = most_messages, most_bytes
        self._count = 0

    def keep(self, content: bytes, now: datetime) -> str:
        """Write a message, and delete the oldest ones that there is no room for; its name."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._count = (self._count + 1) % 1_000_000
        name = f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{self._count:06}.eml"
        fresh = self.path / f".{name}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.rename(self.path / name)
        self._prune()
        return name

    def names(self) -> list[str]:
        """The newest first."""
        try:
            return sorted((entry.name for entry in self.path.iterdir() if _NAME.fullmatch(entry.name)), reverse=True)
        except OSError:
            return []

    def newest(self, count: int, *, skip: int = 0) -> list[Kept]:
        """A page of the list; what another process deleted meanwhile is left out."""
        found = (self._kept(name) for name in self.names()[skip : skip + count])
        return [one for one in found if one is not None]

    def open(self, name: str) -> Opened | None:
        """None when there is no such message (any more)."""
        content = self.source(name)
        kept = self._kept(name) if content is not None else None  # only names that `source` looks up
        if content is None or kept is None:
            return None
        message = _parsed(content)
        headers = [(title, _header(message, title)) for title in SHOWN_HEADERS]
        return Opened(
            kept=kept,
            headers=[(title, value) for title, value in headers if value],
            text=_text(message),
            has_page=_part(message, "html") is not None,
            files=[str(part.get_filename() or part.get_content_type())[:200] for part in message.iter_attachments()]
            if message.is_multipart()
            else [],
        )

    def source(self, name: str) -> bytes | None:
        """The whole message; only names of this folder's own making are looked up."""
        if not _NAME.fullmatch(name):
            return None
        try:
            with (self.path / name).open("rb") as file:
                return file.read(LONGEST_MESSAGE + 64 * 1024)
        except OSError:
            return None

    def _kept(self, name: str) -> Kept | None:
        try:
            with (self.path / name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                message = _parsed(file.read(64 * 1024))
            at = datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        except (OSError, ValueError):
            return None
        return Kept(
            name=name,
            at=at,
            size=size,
            subject=_header(message, "Subject"),
            sender=_header(message, "From"),
            recipients=_header(message, "X-Envelope-To") or _header(message, "To"),
        )

    def _prune(self) -> None:
        count = size = 0
        for name in self.names():
            path = self.path / name
            try:
                count, size = count + 1, size + path.stat().st_size
                if count > self.most_messages or (size > self.most_bytes and count > 1):
                    path.unlink()
            except OSError:
                continue


def _parsed(content: bytes) -> EmailMessage:
    found = message_from_bytes(content, policy=default)
    return found if isinstance(found, EmailMessage) else EmailMessage()


def _header(message: EmailMessage, name: str) -> str:
    """One header; whatever a stranger wrote there may not be readable as one."""
    try:
        return " ".join(str(message[name] or "").split())[:500]
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, IndexError):
        return "?"


def _part(message: EmailMessage, kind: str) -> EmailMessage | None:
    try:
        found = message.get_body((kind,))
    except (MessageError, ValueError, LookupError, AttributeError):
        return None
    return found if isinstance(found, EmailMessage) else None


def _text(message: EmailMessage) -> str:
    part = _part(message, "plain")
    if part is None:
        return ""
    try:
        return str(part.get_content())[:LONGEST_TEXT]
    except (MessageError, ValueError, LookupError, AttributeError):
        content = part.get_payload(decode=True)
        return content.decode("utf-8", "replace")[:LONGEST_TEXT] if isinstance(content, bytes) else ""
