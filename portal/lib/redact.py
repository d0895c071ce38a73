"""Masks secrets in a stream of text, wherever the chunks are cut.

Each secret is masked raw, URL-encoded, JSON-escaped and in base64 (standard and URL-safe, at each of the
three alignments it can have inside a longer text). Of a secret with several lines each long line is masked.
Secrets shorter than four characters are not masked: they would blot out ordinary text and say by it what they
are; forms refuse to save one as a secret. A base64 character that mixes bits of the secret with others stays.
"""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "••••••"
SHORTEST = 4
SHORTEST_LINE = 8


class Redactor:
    """`feed` chunks, then `flush`. Any cut of the same text gives the same masked text.

    Holds back only an end that could begin a secret. Bytes are read as UTF-8, bad ones replaced.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms)))
        first = re.escape("".join({form[0] for form in self._forms}))
        self._first = re.compile(f"[{first}]" if first else r"(?!)")
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._covered = 0  # how many characters at the start of _held an emitted mask already stands for

    def feed(self, chunk: bytes | str) -> str:
        """The masked text that is certain so far. Without secrets a string comes back as it is."""
        text = chunk if isinstance(chunk, str) else self._decoder.decode(chunk)
        if not self._forms:
            return text
        return self._scan(self._held + text, final=False)

    def flush(self) -> str:
        """What was held back; afterwards the redactor is ready for a new stream."""
        text = self._held + self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text if not self._forms else self._scan(text, final=True)

    def redact(self, text: str) -> str:
        """A whole text at once, apart from the stream."""
        return self._pieces(text, len(text), 0)[0] if self._forms else text

    def _scan(self, text: str, *, final: bool) -> str:
        certain = len(text) if final else self._certain(text)
        masked, covered = self._pieces(text, certain, self._covered)
        self._held, self._covered = text[certain:], 0 if final else covered - certain
        return masked

    def _pieces(self, text: str, certain: int, covered: int) -> tuple[str, int]:
        """Overlapping matches are found too; one mask stands for each connected stretch of them."""
        pieces = []
        match = self._pattern.search(text)
        while match and match.start() < certain:
            if match.start() >= covered:
                pieces += [text[covered : match.start()], MASK]
            covered = max(covered, match.end())
            match = self._pattern.search(text, match.start() + 1)
        pieces.append(text[covered:certain])
        return "".join(pieces), max(covered, certain)

    def _certain(self, text: str) -> int:
        """The first position from which more text could still complete a secret; all before it is decided."""
        start = max(0, len(text) - len(self._forms[0]) + 1)
        for hit in self._first.finditer(text, start):
            rest = text[hit.start() :]
            if any(len(form) > len(rest) and form.startswith(rest) for form in self._forms):
                return hit.start()
        return len(text)


def _forms(secret: str) -> Iterator[str]:
    if len(secret) < SHORTEST:
        return
    yield from _spellings(secret)
    for line in secret.splitlines():
        if len(line.strip()) >= SHORTEST_LINE and not line.startswith("-----"):
            yield from _spellings(line.strip())


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    for coded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield coded
        yield re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), coded)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from _base64(secret.encode())


def _base64(raw: bytes) -> Iterator[str]:
    """The characters that depend on the secret alone, for each number of bytes before it; and the whole."""
    whole = base64.b64encode(raw).decode()
    cores = [whole, whole.rstrip("=")]
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw).decode()
        cores.append(coded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6])
    for core in cores:
        yield core
        yield core.translate(str.maketrans("+/", "-_"))
