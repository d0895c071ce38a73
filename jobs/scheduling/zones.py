"""Wall clocks that jump: which instants show a reading, and when the clocks change. PURE.

A wall is a naive datetime: what the clock on the wall of the zone shows. Instants are aware, in UTC.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA zone this machine knows, read once per process."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


def wall_at(zone: ZoneInfo, instant: datetime) -> datetime:
    """What the wall clock shows at the instant."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def instants_at(zone: ZoneInfo, wall: datetime) -> list[datetime]:
    """The instants that show this reading, in order: one, two in a repeated hour, none in a gap."""
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if wall_at(zone, first) != wall:
        return []
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return [first] if second == first else [first, second]


def change_between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The instant after `low`, at most `high`, from which the offset differs from the one at `low`.

    The caller knows that there is exactly one such change between the two.
    """
    before = low.astimezone(zone).utcoffset()
    low, high = low.replace(microsecond=0), high.replace(microsecond=0)
    while high - low > SECOND:
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def gap_end(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant after the gap in which `wall` was skipped."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # PEP 495: in a gap fold=1 is the earlier one
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return change_between(zone, before, after)


def first_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant that shows the reading; for a skipped reading, the first instant after the gap."""
    found = instants_at(zone, wall)
    return found[0] if found else gap_end(zone, wall)


def repeat_start(zone: ZoneInfo, instant: datetime) -> datetime | None:
    """If the instant is in the first pass of a repeated hour: the instant at which the clocks go back."""
    here = instant.astimezone(zone)
    if here.fold:
        return None
    twin = here.replace(fold=1).astimezone(UTC)
    return change_between(zone, instant, twin) if twin > instant else None


def highest_wall(zone: ZoneInfo, instant: datetime) -> datetime:
    """The highest reading shown so far; in the second pass of a repeated hour, the end of that hour."""
    here = instant.astimezone(zone)
    wall = here.replace(tzinfo=None, fold=0)
    if not here.fold:
        return wall
    twin = here.replace(fold=0).astimezone(UTC)
    last = change_between(zone, twin, instant) - SECOND
    return wall_at(zone, last)


def changes(zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """The instants in (after, until] at which the offset changes; two changes within one day count as one."""
    low = after
    while low < until:
        high = min(low + DAY, until)
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            high = change_between(zone, low, high)
            yield high
        low = high
