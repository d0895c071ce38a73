"""What else can be made of a query in the console. Layers above register here, so that the console needn't know them.

    console_links.register(lambda source, sql, values: (_("Make an alert of this"), reverse("admin:alerts_…_add")))

The console adds `?query=<key>` to the address; `datasources.console.remembered(user, key)` gives the query back, so
that no address has to carry SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from datasources.models import DataSource

Maker = Callable[[DataSource, str, Mapping[str, Any]], tuple[str, str] | None]

_makers: list[Maker] = []


def register(maker: Maker) -> None:
    """`maker` gives (label, address), or None when it has nothing for this query. Once at start; again does nothing."""
    if maker not in _makers:
        _makers.append(maker)


def links_for(source: DataSource, sql: str, values: Mapping[str, Any], *, key: UUID) -> list[tuple[str, str]]:
    found = [link for maker in _makers if (link := maker(source, sql, values)) is not None]
    return [(label, f"{url}{'&' if '?' in url else '?'}{urlencode({'query': str(key)})}") for label, url in found]
