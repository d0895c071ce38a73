"""Who is on call: a rotation in shifts of a wall clock, and who stands in for whom. PURE.

Shifts are counted on the wall: a handover at 09:00 is at 09:00 in summer and in winter. A handover in a skipped hour
is at the end of the gap, one in a repeated hour at its first pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from jobs.scheduling.zones import first_instant, highest_wall

MOST_SHIFTS = 1000


@dataclass(frozen=True, kw_only=True)
class Override:
    """Somebody stands in from `starts_at` on, before `ends_at`."""

    member: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class Shift:
    """`member` is empty while nobody is on call."""

    member: str
    starts_at: datetime
    ends_at: datetime
    is_override: bool = False


@dataclass(frozen=True, kw_only=True)
class Rota:
    """`starts` is the first handover, a wall of the time zone; before it nobody is on call but by an override.

    Of two overrides of one moment the later in the list counts: it was made when the other was known.
    """

    members: tuple[str, ...]
    starts: datetime
    timezone: str
    shift_length: timedelta = timedelta(weeks=1)
    overrides: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        if self.shift_length < timedelta(hours=1):
            raise ValueError("a shift lasts an hour at least")
        if self.starts.tzinfo is not None:
            raise ValueError("the start is a wall without a zone")

    def on_call(self, at: datetime) -> str:
        """Who is on call at this moment; empty when nobody is."""
        return self.shift_at(at).member

    def shift_at(self, at: datetime) -> Shift:
        """The shift that holds this moment, as far as one member has it."""
        override = self._override_at(at)
        regular = self._regular_at(at)
        start, end = (override.starts_at, override.ends_at) if override else (regular.starts_at, regular.ends_at)
        # Cut to where another override begins or ends: there it may be somebody else's.
        edges = sorted(edge for one in self.overrides for edge in (one.starts_at, one.ends_at))
        start = max([start, *(edge for edge in edges if edge <= at)])
        end = min([end, *(edge for edge in edges if edge > at)])
        member = override.member if override else regular.member
        return Shift(member=member, starts_at=start, ends_at=end, is_override=override is not None)

    def shifts(self, since: datetime, until: datetime) -> Iterator[Shift]:
        """Who is on call when, from `since` to `until`, at most a thousand shifts; neighbours of one kind are one."""
        waiting: Shift | None = None
        at = since
        for _ in range(MOST_SHIFTS):
            if at >= until:
                break
            found = self.shift_at(at)
            piece = Shift(
                member=found.member,
                starts_at=at,
                ends_at=min(found.ends_at, until),
                is_override=found.is_override,
            )
            if waiting and (waiting.member, waiting.is_override) == (piece.member, piece.is_override):
                piece = Shift(
                    member=piece.member,
                    starts_at=waiting.starts_at,
                    ends_at=piece.ends_at,
                    is_override=piece.is_override,
                )
            elif waiting:
                yield waiting
            waiting, at = piece, piece.ends_at
        if waiting:
            yield waiting

    def _override_at(self, at: datetime) -> Override | None:
        found = [one for one in self.overrides if one.starts_at <= at < one.ends_at]
        return found[-1] if found else None

    def _regular_at(self, at: datetime) -> Shift:
        """The shift of the rotation itself. The reading never goes back, so no shift comes twice."""
        zone = ZoneInfo(self.timezone)
        number = (highest_wall(zone, at) - self.starts) // self.shift_length
        start = first_instant(zone, self.starts + number * self.shift_length)
        end = first_instant(zone, self.starts + (number + 1) * self.shift_length)
        member = self.members[number % len(self.members)] if self.members and number >= 0 else ""
        return Shift(member=member, starts_at=start, ends_at=end)
