"""Containers: runs made of parts (the shards of a run, the nodes of a broadcast). Parts are runs of their own."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from jobs.models import Run


def expand(container: Run, *, now: datetime) -> None:
    """Move a queued container to running and create its parts; the caller holds the claim's transaction and locks."""
    raise NotImplementedError


def advance(container_ids: Collection[int], *, now: datetime) -> None:
    """End each container whose parts have all ended; idempotent, and the sweep calls it again."""
