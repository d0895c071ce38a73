"""What a worker offers at this moment, and whether it is enough for a job. PURE."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from jobs.models import Job
from jobs.reasons import Reason


@dataclass(frozen=True, kw_only=True)
class Offer:
    """`slot` names the worker across restarts; `kinds` are the job kinds it can run."""

    slot: str = ""
    kinds: Collection[str] = field(default_factory=frozenset)

    def refusal(self, job: Job) -> Reason | None:
        """Why this worker can't take a run of the job now; None when it can. `code` is a WaitReason."""
        return None
