"""Takes a channel's secrets out of what is said about a delivery. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

from portal.lib.redact import Redactor

SHORTEST_PART = 10  # shorter pieces of an address are words such as "services" and "robot"


def masker(secrets: Mapping[str, str]) -> Callable[[str], str]:
    """Masks each secret, and of a secret address each part that could be a key by itself."""
    return Redactor([part for value in secrets.values() if value for part in _parts(str(value))]).redact


def _parts(value: str) -> Iterator[str]:
    yield value
    if value.lower().startswith(("http://", "https://")):
        try:
            address = urlsplit(value)
        except ValueError:
            return
        pieces = [*address.path.split("/"), *(text for _name, text in parse_qsl(address.query))]
        yield from (piece for piece in pieces if len(piece) >= SHORTEST_PART)
