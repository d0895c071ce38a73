"""When a message may go out: quiet hours that hold or drop it, digests that gather it. PURE.

Hours are those of a wall clock: a span that ends in a skipped hour ends after the gap, one that ends in a repeated
hour ends at its first pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, field_validator, model_validator

from alerts.params import Params, ZoneName, zone
from alerts.states import Severity
from jobs.scheduling.zones import first_instant, highest_wall, wall_at
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Duration, Shown

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
SHORTEST_DIGEST = timedelta(minutes=5)
WEEKDAYS = frozenset(range(7))


class QuietSpan(Params):
    """From `starts` to `ends`, on the next day when that is not later; on the days it begins, 0 is Monday."""

    weekdays: frozenset[Annotated[int, Field(ge=0, le=6)]] = Field(default=WEEKDAYS, min_length=1)
    starts: time
    ends: time

    @field_validator("starts", "ends")
    @classmethod
    def _is_of_a_wall(cls, value: time) -> time:
        if value.tzinfo:
            raise ValueError(_("Write a time of day without a zone, such as 22:00."))
        return value

    @property
    def length(self) -> timedelta:
        """On a day without a clock change."""
        found = datetime.combine(date.min, self.ends) - datetime.combine(date.min, self.starts)
        return found if found > timedelta(0) else found + DAY

    def begins_on(self, day: date, where: ZoneInfo) -> tuple[datetime, datetime] | None:
        """The two instants of the span that begins on this day, if one does."""
        if day.weekday() not in self.weekdays:
            return None
        start = datetime.combine(day, self.starts)
        return first_instant(where, start), first_instant(where, start + self.length)


class QuietHours(Params):
    """Spans in one time zone. What is as urgent as `lets_through` is told all the same."""

    timezone: ZoneName = "UTC"
    spans: tuple[QuietSpan, ...] = Field(min_length=1, max_length=50)
    action: Literal["hold", "drop"] = "hold"
    lets_through: Severity | None = Severity.CRITICAL

    @model_validator(mode="after")
    def _leaves_a_gap(self) -> QuietHours:
        if _cover_the_week(self.spans):
            raise refused("spans", _("It would be quiet all week, and nothing ever told: leave some time open."))
        return self

    def until(self, at: datetime) -> datetime | None:
        """When the quiet that reigns at this moment ends, spans that follow each other taken together; None: none."""
        end = None
        while (found := self._end_of_span(end or at)) is not None:
            end = found
        return end

    def _end_of_span(self, at: datetime) -> datetime | None:
        return max((end for start, end in self._around(at) if start <= at < end), default=None)

    def _around(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        where = zone(self.timezone)
        today = wall_at(where, at).date()
        for day in (today - 2 * DAY, today - DAY, today):
            yield from filter(None, (span.begins_on(day, where) for span in self.spans))


def _cover_the_week(spans: tuple[QuietSpan, ...]) -> bool:
    monday = datetime(1, 1, 1)  # noqa: DTZ001 — a wall of no zone
    pieces = sorted(
        (start, start + span.length)
        for span in spans
        for weekday in span.weekdays
        for start in (datetime.combine(monday + weekday * DAY, span.starts) + shift for shift in (timedelta(0), WEEK))
    )
    reached = pieces[0][0]
    for start, end in pieces:
        if start > reached:
            return False
        reached = max(reached, end)
    return reached - pieces[0][0] >= WEEK


class Digest(Params):
    """Messages of a window go out together at its end. Windows follow each other from `starts` on, each day anew."""

    every: Annotated[Duration, Shown(label=gettext_lazy("Gather for"))]
    starts: time = time(0)
    timezone: ZoneName = "UTC"
    lets_through: Severity | None = Severity.CRITICAL

    @field_validator("every")
    @classmethod
    def _divides_a_day(cls, value: timedelta) -> timedelta:
        if value < SHORTEST_DIGEST or DAY % value:
            raise ValueError(_("A day must divide into it evenly, and 5m is the least: 15m, 1h, 4h or 1d."))
        return value

    def window_end(self, at: datetime) -> datetime:
        """When the window that holds this moment ends: always after it."""
        where = zone(self.timezone)
        wall = highest_wall(where, at)
        first = datetime.combine(wall.date(), self.starts)
        if first > wall:
            first -= DAY
        return first_instant(where, first + ((wall - first) // self.every + 1) * self.every)


class Action(StrEnum):
    SEND = "send"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What to do with a message; `at` is when it goes out, for a held one later than now."""

    action: Action
    at: datetime


def deliver(
    at: datetime, severity: Severity, *, quiet: QuietHours | None = None, digest: Digest | None = None
) -> Delivery:
    """What becomes of a message of this moment. A digest whose window ends in quiet hours waits for their end."""
    quiet = None if quiet is None or _is_let_through(severity, quiet.lets_through) else quiet
    digest = None if digest is None or _is_let_through(severity, digest.lets_through) else digest
    if quiet and quiet.action == "drop" and quiet.until(at):
        return Delivery(action=Action.DROP, at=at)
    due = digest.window_end(at) if digest else at
    if quiet:
        due = quiet.until(due) or due
    return Delivery(action=Action.HOLD if due > at else Action.SEND, at=due)


def _is_let_through(severity: Severity, floor: Severity | None) -> bool:
    return floor is not None and severity.rank >= floor.rank
