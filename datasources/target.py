"""A connection as the door resolved it: everything `datasources.query` needs, and no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What an approval allows: so many changed rows at most, or any (None)."""

    max_affected: int | None


@dataclass(frozen=True, kw_only=True)
class ConnectionTarget:
    """One datasource, for one use. `key` names it in the pool; the password never shows in a repr."""

    slug: str
    kind: str
    params: Mapping[str, Any]
    password: str = field(repr=False)
    is_read_only: bool
    tenant: str
    key: str
    max_affected_rows: int | None = None  # above it a second person must approve; None: no limit
