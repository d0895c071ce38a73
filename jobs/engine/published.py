"""The definition a run is pinned to, parsed once per process: revisions never change."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from pydantic import ValidationError

from jobs.definitions import JobDefinition
from jobs.models import JobRevision, Run
from jobs.policies import RetryPolicy

KEPT = 512
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


def forget() -> None:
    """Empty the cache (tests use the same ids again)."""
    _parsed.cache_clear()


@lru_cache(maxsize=KEPT)
def _parsed(revision_id: int) -> JobDefinition:
    return JobDefinition.model_validate(JobRevision.objects.values_list("definition", flat=True).get(pk=revision_id))
