"""What the ends of its parts mean for a container. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.reasons import Reason, say
from jobs.states import ACTIVE, NOT_RUN, ReasonCode, RunStatus

S = RunStatus
# The first of these that a part has is the container's; a part that did not run at all is a failure of the whole.
WORST_FIRST = (
    S.TECHNICAL_FAILURE, S.TIMED_OUT, S.LOST, S.BUSINESS_FAILURE, S.CANCELLED, S.SKIPPED, S.MISSED,
)  # fmt: skip
AS_WHOLE = {S.SKIPPED: S.TECHNICAL_FAILURE, S.MISSED: S.TECHNICAL_FAILURE}  # a running run can't end as skipped


@dataclass(frozen=True, kw_only=True)
class Whole:
    """How a container ends; `why` is None when it succeeded."""

    status: RunStatus
    why: Reason | None = None


def whole_of(counts: Mapping[str, int]) -> Whole | None:
    """The end of a container from how many parts have which status; None while a part is queued or runs."""
    if any(counts.get(status) for status in ACTIVE):
        return None
    total, good = sum(counts.values()), counts.get(S.SUCCEEDED, 0)
    if good == total:
        return Whole(status=S.SUCCEEDED)
    worst = next(status for status in WORST_FIRST if counts.get(status))
    unrun = sum(counts.get(status, 0) for status in NOT_RUN - {S.LOST})
    facts = {"total": total, "good": good, "bad": total - good - unrun, "unrun": unrun}
    return Whole(status=AS_WHOLE.get(worst, worst), why=say(ReasonCode.SHARDS_FAILED, **facts))
