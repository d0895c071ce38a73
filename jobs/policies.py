"""Policies a job may choose from. PURE."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class MisfirePolicy(TextChoices):
    """What happens to fire times that were missed by more than the grace period."""

    SKIP = "skip", _("Skip them")
    RUN_ONCE = "run_once", _("Run once")
    CATCH_UP = "catch_up", _("Run all of them")


class OverlapPolicy(TextChoices):
    """What happens when a run comes due while an earlier one of the job has not ended."""

    SKIP = "skip", _("Skip the new run")
    QUEUE = "queue", _("Let the new run wait")
    ALLOW = "allow", _("Run both")
    CANCEL_PREVIOUS = "cancel_previous", _("Cancel the earlier run")


class CalendarPolicy(TextChoices):
    """What happens to a fire time on a day that the schedule's calendar does not work."""

    SKIP = "skip", _("Skip it")
    RUN_BEFORE = "run_before", _("Run on the working day before")
    RUN_AFTER = "run_after", _("Run on the next working day")


class AfterFreeze(TextChoices):
    """What happens, when a freeze is over, to what came due while it was in force."""

    SKIP = "skip", _("Nothing: what was frozen stays skipped")
    RUN_ONCE = "run_once", _("The newest fire time of each schedule runs")


class BackoffPolicy(TextChoices):
    """How the delay grows between tries."""

    FIXED = "fixed", _("Fixed")
    LINEAR = "linear", _("Linear")
    EXPONENTIAL = "exponential", _("Exponential")


class FanOut(TextChoices):
    """Into what a run of the job is split."""

    NONE = "", _("It is one run")
    SHARDS = "shards", _("Shards: so many parts, each with its number")
    BROADCAST = "broadcast", _("Broadcast: one part on every worker of the queue")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """`max` is the number of retries after the first try."""

    max: int
    backoff: str
    base: timedelta
    factor: float
    cap: timedelta

    def delay(self, try_number: int, jitter: float = 0.0) -> timedelta:
        """The wait after failed try `try_number` (1-based); `jitter` in [-0.5, 0.5] scales it."""
        if self.backoff == BackoffPolicy.FIXED:
            growth = 1.0
        elif self.backoff == BackoffPolicy.LINEAR:
            growth = float(try_number)
        else:
            growth = self.factor ** min(try_number - 1, 64)
        seconds = min(self.base.total_seconds() * growth, self.cap.total_seconds())
        return timedelta(seconds=seconds * (1 + jitter))
