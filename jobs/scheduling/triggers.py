"""When a schedule fires: cron, interval, once and working days. PURE: the caller says what time it is.

When clocks change, a cron rule with a time of day fires once: in a gap at the first instant after it, in a
repeated hour in the first pass. A cron rule with a rhythm (hour `*` or `*/n`, minute `*` or steps) and an
interval follow elapsed time, through the repeated hour.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from jobs.scheduling.calendars import WorkCalendar
from jobs.scheduling.cron import FIRST_YEAR, LAST_YEAR, CronRule, TriggerError, parse_cron
from jobs.scheduling.walls import count_walls, next_wall
from jobs.scheduling.workdays import WORKDAY, WorkdayTrigger, parse_workday
from jobs.scheduling.zones import (
    SECOND,
    changes,
    first_instant,
    gap_end,
    highest_wall,
    instants_at,
    repeat_start,
    wall_at,
    zone_names,
)
from portal.lib.durations import DurationError, parse_duration

CRON, INTERVAL, ONCE = "cron", "interval", "once"
SHORTEST_INTERVAL = timedelta(seconds=1)
LONGEST_INTERVAL = timedelta(days=366)
MICROSECOND = timedelta(microseconds=1)


class Trigger(Protocol):
    """A pure rule. Instants are aware; results are in UTC and strictly increase."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire time strictly after the instant; None when there is none."""

    def between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The fire times in (after, until], oldest first, at most `limit`."""

    def count(self, after: datetime, until: datetime) -> int:
        """How many fire times lie in (after, until]; never lists them."""


class _Stepwise:
    """`between` by steps; it asks `next_after` at most limit + 1 times."""

    def next_after(self, instant: datetime) -> datetime | None:
        raise NotImplementedError

    def between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        found: list[datetime] = []
        instant = self.next_after(after)
        while instant is not None and instant <= until and len(found) < limit:
            found.append(instant)
            instant = self.next_after(instant)
        return found


@dataclass(frozen=True)
class CronTrigger(_Stepwise):
    """A cron expression read in a zone."""

    expression: str
    timezone: str

    def next_after(self, instant: datetime) -> datetime | None:
        rule, zone = _compiled(self.expression, self.timezone)
        instant = instant.astimezone(UTC)
        try:
            return _next_elapsed(rule, zone, instant) if rule.is_elapsed else _next_fixed(rule, zone, instant)
        except OverflowError:  # the end of the calendar
            return None

    def count(self, after: datetime, until: datetime) -> int:
        if until <= after:
            return 0
        rule, zone = _compiled(self.expression, self.timezone)
        counter = _count_elapsed if rule.is_elapsed else _count_fixed
        return counter(rule, zone, after.astimezone(UTC), until.astimezone(UTC))


@dataclass(frozen=True)
class IntervalTrigger(_Stepwise):
    """Every so much elapsed time: at the anchor, and at whole multiples of `every` after it."""

    every: timedelta
    anchor: datetime
    timezone: str = "UTC"

    def next_after(self, instant: datetime) -> datetime | None:
        anchor, instant = self.anchor.astimezone(UTC), instant.astimezone(UTC)
        if instant < anchor:
            return anchor
        try:
            return anchor + ((instant - anchor) // self.every + 1) * self.every
        except OverflowError:
            return None

    def count(self, after: datetime, until: datetime) -> int:
        return max(0, self._reached(until) - self._reached(after))

    def _reached(self, instant: datetime) -> int:
        """How many fire times there were up to the instant."""
        return max(0, (instant.astimezone(UTC) - self.anchor.astimezone(UTC)) // self.every + 1)


@dataclass(frozen=True)
class OnceTrigger(_Stepwise):
    """One instant."""

    at: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        return self.at.astimezone(UTC) if instant < self.at else None

    def count(self, after: datetime, until: datetime) -> int:
        return int(after < self.at <= until)


AnyTrigger = CronTrigger | IntervalTrigger | OnceTrigger | WorkdayTrigger


def parse_trigger(
    kind: str,
    expression: str,
    timezone: str,
    anchor: datetime,
    now: datetime | None = None,
    calendar: WorkCalendar | None = None,
) -> AnyTrigger:
    """Build the trigger of a schedule; raises TriggerError with one sentence.

    `anchor` is where an interval counts from, `calendar` whose working days a rule of working days means.
    With `now`, a trigger that can never fire after it is refused: give it when a person saves a trigger, not when
    a stored one is loaded.
    """
    if timezone not in zone_names():
        raise TriggerError(
            _("“%(zone)s” is not a known time zone: use a name such as Asia/Shanghai, Europe/Berlin or UTC.")
            % {"zone": timezone[:64]},
            field="timezone",
        )
    if not expression.strip():
        raise TriggerError(_("Say when the job is to fire: the expression is empty."))
    trigger: AnyTrigger
    if kind == CRON:
        trigger = CronTrigger(parse_cron(expression).expression, timezone)
    elif kind == INTERVAL:
        trigger = IntervalTrigger(_parse_interval(expression), anchor, timezone)
    elif kind == ONCE:
        trigger = OnceTrigger(_parse_moment(expression, timezone))
    elif kind == WORKDAY:
        trigger = parse_workday(expression, timezone, calendar)
    else:
        raise TriggerError(
            _("“%(kind)s” is not a kind of trigger: use cron, interval, once or workday.") % {"kind": kind[:40]},
            field="kind",
        )
    if now is not None and trigger.next_after(now) is None:
        raise _never(trigger)
    return trigger


def previous_at(trigger: Trigger, until: datetime, after: datetime) -> datetime | None:
    """The newest fire time in (after, until]; None when there is none.

    It halves the stretch, so it is cheap over any distance.
    """
    low, high = after, until
    found = trigger.next_after(low)
    if found is None or found > until:
        return None
    while True:  # found is in (low, until]; nothing is in (high, until]
        middle = found + (high - found) / 2
        later = trigger.next_after(middle)
        if later is not None and later <= until:
            found = later
        elif middle <= found + SECOND:
            return _last_of(trigger, found, until)
        else:
            high = middle


def _last_of(trigger: Trigger, found: datetime, until: datetime) -> datetime:
    later = trigger.next_after(found)
    while later is not None and later <= until:
        found, later = later, trigger.next_after(later)
    return found


@lru_cache(maxsize=4096)
def _compiled(expression: str, timezone: str) -> tuple[CronRule, ZoneInfo]:
    return parse_cron(expression), ZoneInfo(timezone)


def _next_fixed(rule: CronRule, zone: ZoneInfo, instant: datetime) -> datetime | None:
    """By the wall clock: each matching reading fires once, at its first instant."""
    wall = next_wall(rule, highest_wall(zone, instant))
    return None if wall is None else first_instant(zone, wall)


def _next_elapsed(rule: CronRule, zone: ZoneInfo, instant: datetime) -> datetime | None:
    """By elapsed time: each instant whose reading matches."""
    found = _next_shown(rule, zone, wall_at(zone, instant), instant)
    turn = repeat_start(zone, instant)
    if turn is None or (found is not None and found < turn):
        return found
    return _next_shown(rule, zone, wall_at(zone, turn) - SECOND, turn - MICROSECOND)


def _next_shown(rule: CronRule, zone: ZoneInfo, wall: datetime, instant: datetime) -> datetime | None:
    """The first instant after `instant` that shows a matching reading after `wall`."""
    found = next_wall(rule, wall)
    while found is not None:
        for shown in instants_at(zone, found):
            if shown > instant:
                return shown
        found = next_wall(rule, wall_at(zone, gap_end(zone, found)) - SECOND)
    return None


def _count_elapsed(rule: CronRule, zone: ZoneInfo, after: datetime, until: datetime) -> int:
    """Stretch by stretch of one offset, each a plain stretch of the wall clock."""
    total, low = 0, after
    for change in changes(zone, after, until):
        offset = low.astimezone(zone).utcoffset()
        total += count_walls(rule, _shifted(low, offset), _shifted(change - SECOND, offset))
        low = change - SECOND
        total += count_walls(rule, _shifted(low, change.astimezone(zone).utcoffset()), wall_at(zone, change))
        low = change
    offset = low.astimezone(zone).utcoffset()
    return total + count_walls(rule, _shifted(low, offset), _shifted(until, offset))


def _shifted(instant: datetime, offset: timedelta | None) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None) + (offset or timedelta(0))


def _count_fixed(rule: CronRule, zone: ZoneInfo, after: datetime, until: datetime) -> int:
    """Readings passed, but all that lie in one gap fire together at its end."""
    total = count_walls(rule, highest_wall(zone, after), highest_wall(zone, until))
    for change in changes(zone, after, until):
        start, end = wall_at(zone, change - SECOND), wall_at(zone, change)
        skipped = count_walls(rule, start, end - SECOND)
        if skipped:
            total -= count_walls(rule, start, end) - 1
    return total


def _parse_interval(expression: str) -> timedelta:
    try:
        every = parse_duration(expression)
    except DurationError as error:
        raise TriggerError(str(error)) from None
    if not SHORTEST_INTERVAL <= every <= LONGEST_INTERVAL:
        raise TriggerError(_("The interval must be between 1s and 366d."))
    return every


def _parse_moment(expression: str, timezone: str) -> datetime:
    try:
        moment = datetime.fromisoformat(expression.strip())
    except ValueError:
        raise TriggerError(
            _("“%(text)s” is not a date and time: write it as 2027-01-31 09:30 or 2027-01-31T09:30:00+08:00.")
            % {"text": expression.strip()[:40]}
        ) from None
    if not FIRST_YEAR < moment.year <= LAST_YEAR:
        raise TriggerError(
            _("The year %(year)d is out of range: use %(low)d to %(high)d.")
            % {"year": moment.year, "low": FIRST_YEAR + 1, "high": LAST_YEAR}
        )
    return moment.astimezone(UTC) if moment.tzinfo else _resolve_wall(moment, timezone)


def _resolve_wall(wall: datetime, timezone: str) -> datetime:
    """A date and time without an offset, read in the zone; what is not one instant is refused."""
    zone = ZoneInfo(timezone)
    shown = instants_at(zone, wall)
    if len(shown) == 1:
        return shown[0]
    if shown:
        choices = [instant.astimezone(zone).isoformat(sep=" ", timespec="seconds") for instant in shown]
        raise TriggerError(
            _("%(wall)s comes twice in %(zone)s because the clocks go back: write %(first)s or %(second)s.")
            % {"wall": wall, "zone": timezone, "first": choices[0], "second": choices[1]}
        )
    raise TriggerError(
        _(
            "%(wall)s does not exist in %(zone)s because the clocks go forward: "
            "choose another time, for example %(next)s."
        )
        % {"wall": wall, "zone": timezone, "next": wall_at(zone, gap_end(zone, wall))}
    )


def _never(trigger: AnyTrigger) -> TriggerError:
    if isinstance(trigger, OnceTrigger):
        return TriggerError(_("This date and time is in the past: choose one that is still to come."))
    if isinstance(trigger, CronTrigger) and (years := parse_cron(trigger.expression).years):
        return TriggerError(
            _("The expression never fires again: check the day and the years %(first)d to %(last)d.")
            % {"first": years[0], "last": years[-1]}
        )
    if isinstance(trigger, WorkdayTrigger):
        return TriggerError(_("The expression never fires: the calendar has no such working day in any month."))
    return TriggerError(_("The expression never fires: no day matches the day, month and day of week fields."))
