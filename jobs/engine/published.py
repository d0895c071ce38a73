"""The definition a run is pinned to, parsed once per process: revisions never change."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connection
from pydantic import ValidationError

from jobs.definitions import JobDefinition
from jobs.logquota import cap_for
from jobs.models import JobRevision, Run
from jobs.policies import RetryPolicy

if TYPE_CHECKING:
    from jobs.engine.claim import Claimed

log = logging.getLogger(__name__)
KEPT = 2000
NO_RETRY = RetryPolicy(max=0, backoff="fixed", base=timedelta(0), factor=1.0, cap=timedelta(0))


def definition_of(run: Run) -> JobDefinition:
    """Raises pydantic's ValidationError when a stored definition can't be read by this version of the portal."""
    return _parsed(run.revision_id)


def retry_rule_of(run: Run) -> tuple[RetryPolicy, bool]:
    """How the run is retried, and whether it may run again after its worker died; a bad definition is not retried."""
    try:
        definition = definition_of(run)
    except ValidationError:
        return NO_RETRY, True
    return definition.retry.policy(), definition.is_idempotent


def prepare(claimed: Collection[Claimed]) -> None:
    """Ask at once for what the slots would ask for one by one, each on a connection of its own.

    The runs are claimed already: a ledger that fails here is left for the slots to find.
    """
    try:
        for tenant in {each.run.tenant_id for each in claimed}:
            cap_for(tenant)
        missing = {each.run.revision_id for each in claimed} - _seen.keys()
        if len(_seen) + len(missing) > KEPT:
            forget()
        if missing:
            _seen.update(JobRevision.objects.filter(pk__in=missing).values_list("pk", "definition"))
    except Exception as error:  # the slots ask again, each for its own run, and say what is wrong
        log.warning("The definitions of claimed runs could not be read ahead.", extra={"error": str(error)})
        if isinstance(error, DatabaseError | InterfaceError):
            connection.close()


def forget() -> None:
    """Empty the caches (tests use the same ids again)."""
    _parsed.cache_clear()
    _seen.clear()


_seen: dict[int, dict[str, Any]] = {}  # by revision, as stored


@lru_cache(maxsize=KEPT)
def _parsed(revision_id: int) -> JobDefinition:
    stored = _seen.get(revision_id)
    if stored is None:
        stored = JobRevision.objects.values_list("definition", flat=True).get(pk=revision_id)
    return JobDefinition.model_validate(stored)
