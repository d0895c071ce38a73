"""When a message that was not delivered is tried again, and for how long. PURE."""

from __future__ import annotations

from datetime import datetime, timedelta

DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600))  # the last one for all that follow
GIVE_UP = timedelta(hours=24)  # after the first failure
LAST_TRY = timedelta(minutes=1)  # before that, where a service wants a longer rest
SPREAD = 0.2  # so that what failed together does not come back together
FAILURES_TO_FALL_BACK = 2
LONGEST_PAUSE = timedelta(seconds=30)


def next_try(
    failures: int, *, now: datetime, first_failed_at: datetime, luck: float, retry_after: timedelta | None = None
) -> datetime | None:
    """When the next try is due after so many failures (from 1); None: given up.

    `luck` in [0, 1) spreads it; `retry_after` is the least time the service wants to be left alone for. One that wants
    it for longer than the day is tried at its end: a single refusal for now is no reason to give up.
    """
    wait = DELAYS[min(max(failures, 1), len(DELAYS)) - 1] * (1 + SPREAD * luck)
    ends = first_failed_at + GIVE_UP
    usual = now + wait
    if usual >= ends:
        return None
    wanted = now + max(wait, retry_after or timedelta(0))
    return max(usual, min(wanted, ends - LAST_TRY))


def pause_of(failures: int) -> timedelta:
    """How long a channel is left alone after so many failures in a row, whatever else waits for it."""
    return min(timedelta(seconds=2 ** min(failures, 10)), LONGEST_PAUSE) if failures > 0 else timedelta(0)
