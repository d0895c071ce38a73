"""Which instants a backfill runs, in which order, with which parameters. PURE."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from jobs.policies import OverlapPolicy
from jobs.scheduling.triggers import Trigger

MOST_INSTANTS = 5_000  # of one backfill
MOST_MISSED = 1_000  # of one click on "run what was missed"
MOST_PARALLEL = 50
MOST_QUEUED = 20  # rows in the queue ahead of the one that runs, where the job itself allows one at a time
PRIORITY_DROP = 10  # below the job's own priority, so that what is due goes first
LOWEST_PRIORITY = -100
MICROSECOND = timedelta(microseconds=1)


class BackfillState(TextChoices):
    """Active until every instant has its run and every run has ended."""

    ACTIVE = "active", _("In progress")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class BackfillKind(TextChoices):
    """What chose the instants."""

    RANGE = "range", _("A period")
    MISSED = "missed", _("What was missed")


class Direction(TextChoices):
    """Which instants go first, and which are kept when there are too many."""

    OLDEST = "oldest", _("Oldest first")
    NEWEST = "newest", _("Newest first")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`instants` in the order they run; `found` is how many there were before `already` and the limit."""

    instants: tuple[datetime, ...]
    found: int
    already: int = 0

    @property
    def left_out(self) -> int:
        """How many instants the limit left out."""
        return self.found - self.already - len(self.instants)


def instants_between(trigger: Trigger, since: datetime, until: datetime) -> tuple[list[datetime], bool]:
    """The fire times in [since, until), oldest first; True when there are more than a plan may look at."""
    found = trigger.between(since - MICROSECOND, until - MICROSECOND, 10 * MOST_INSTANTS + 1)
    return found[: 10 * MOST_INSTANTS], len(found) > 10 * MOST_INSTANTS


def make_plan(
    instants: Iterable[datetime], *, covered: Collection[datetime], direction: str, limit: int = MOST_INSTANTS
) -> Plan:
    """Each instant once, without the covered ones, in the chosen order, at most `limit`."""
    wanted = sorted(set(instants), reverse=direction == Direction.NEWEST)
    left = [instant for instant in wanted if instant not in covered]
    return Plan(instants=tuple(left[:limit]), found=len(wanted), already=len(wanted) - len(left))


def window(*, overlap: str, overlap_limit: int, max_parallel: int) -> int:
    """How many runs of a backfill may be queued or running at once, so that at most `max_parallel` run.

    Where the job's own overlap rule holds the line already, a few may wait in the queue: they start without a gap.
    """
    at_once = overlap_limit if overlap == OverlapPolicy.ALLOW else 1
    return MOST_QUEUED if at_once <= max_parallel else max_parallel


def lower_priority(priority: int) -> int:
    """The priority of a backfill's runs, below that of the job's other runs."""
    return max(priority - PRIORITY_DROP, LOWEST_PRIORITY)


def stored(instants: Iterable[datetime]) -> list[str]:
    """As JSON; an interval's instants have the microseconds of its anchor."""
    return [instant.astimezone(UTC).isoformat() for instant in instants]


def loaded(texts: Iterable[str]) -> list[datetime]:
    return [datetime.fromisoformat(text) for text in texts]


def params_at(params: Mapping[str, Any], instant: datetime, zone: str) -> dict[str, Any]:
    """The values for one instant: {date}, {time} and {datetime} in a text stand for it, in the zone."""
    local = instant.astimezone(ZoneInfo(zone))
    words = {
        "{date}": f"{local:%Y-%m-%d}",
        "{time}": f"{local:%H:%M:%S}",
        "{datetime}": local.isoformat(timespec="seconds"),
    }
    return {name: _filled(value, words) for name, value in params.items()}


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    for mark, word in words.items():
        value = value.replace(mark, word)
    return value
