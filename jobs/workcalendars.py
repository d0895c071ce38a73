"""Calendars as people write them: days as lines of text, saved whole, with what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Tenant, User
from accounts.permissions import can
from jobs import freezes
from jobs.models import Blackout, Calendar, CalendarDay, Freeze
from jobs.models.calendar import DayKind
from jobs.timetable import calendar_changed
from portal.lib.fielderrors import FieldError, FieldErrors

MOST_DAYS = 3_000
LONGEST_RANGE = 366
LONGEST_NAME = 100
WORK_WORDS = frozenset({"workday", "work", "make-up", "班", "上班", "补班", "调休上班"})
REST_WORDS = frozenset({"holiday", "off", "休", "放假", "节假日"})
_LINE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\s*(?:\.\.|~|–)\s*(\d{4}-\d{2}-\d{2}))?(?:[\s,;:]+(.*))?")


@dataclass(frozen=True, order=True)
class Day:
    """A date that is not as its weekday."""

    date: date
    kind: str = DayKind.HOLIDAY
    name: str = ""

    def line(self) -> str:
        return f"{self.date.isoformat()} {self.kind} {self.name}".rstrip()


@dataclass(frozen=True, kw_only=True)
class DayChange:
    """One difference between two lists of days; `before` or `after` is None where the day is new or gone."""

    date: date
    before: Day | None
    after: Day | None


def parse_days(text: str) -> list[Day]:
    """The days of a text, one per line: "2026-10-01 holiday National Day", "2026-10-01..2026-10-07 国庆节".

    Without a kind it is a holiday. Raises FieldErrors with the number of each line that can't be read.
    """
    found: dict[date, Day] = {}
    errors: list[FieldError] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        try:
            days = _days_of(content)
        except ValueError as error:
            errors.append(FieldError(path="days", message=_("Line %(n)d: %(cause)s") % {"n": number, "cause": error}))
            continue
        for day in days:
            if day.date in found and found[day.date] != day:
                words = _("Line %(n)d: %(day)s stands here already, with other words.")
                errors.append(FieldError(path="days", message=words % {"n": number, "day": day.date.isoformat()}))
            found[day.date] = day
    if len(found) > MOST_DAYS:
        words = _("A calendar names at most %(n)d days: remove years that are past.") % {"n": MOST_DAYS}
        errors.append(FieldError(path="days", message=words))
    if errors:
        raise FieldErrors(errors[:20])
    return sorted(found.values())


def _days_of(content: str) -> list[Day]:
    match = _LINE.fullmatch(content)
    if match is None:
        raise ValueError(_("write a date first, such as 2026-10-01 holiday National Day."))
    first, last = _date(match[1]), _date(match[2] or match[1])
    length = (last - first).days + 1
    if not 1 <= length <= LONGEST_RANGE:
        raise ValueError(_("the last day must come after the first, at most a year later."))
    word, _space, rest = (match[3] or "").partition(" ")
    kind = DayKind.WORKDAY if word.lower() in WORK_WORDS else DayKind.HOLIDAY
    name = rest if word.lower() in WORK_WORDS | REST_WORDS else (match[3] or "")
    if len(name.strip()) > LONGEST_NAME:
        raise ValueError(_("a day's name has at most %(n)d characters.") % {"n": LONGEST_NAME})
    return [Day(first + timedelta(days=place), kind, name.strip()) for place in range(length)]


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError(_("%(day)s is no date.") % {"day": text}) from None
    if not 1970 <= found.year <= 2099:
        raise ValueError(_("%(day)s is too far off: use the years 1970 to 2099.") % {"day": text})
    return found


def days_text(days: Iterable[Day]) -> str:
    return "\n".join(day.line() for day in sorted(days))


def days_of(calendar: Calendar) -> list[Day]:
    return [Day(row.date, row.kind, row.name) for row in calendar.days.order_by("date")] if calendar.pk else []


def changes_between(before: Sequence[Day], after: Sequence[Day]) -> list[DayChange]:
    """What a new list of days would change, by date."""
    old, new = {day.date: day for day in before}, {day.date: day for day in after}
    return [
        DayChange(date=each, before=old.get(each), after=new.get(each))
        for each in sorted(old.keys() | new.keys())
        if old.get(each) != new.get(each)
    ]


@transaction.atomic
def save_calendar(calendar: Calendar, *, actor: User | None, days: Sequence[Day] | None = None) -> bool:
    """Write the calendar and its days, and look at its schedules again. False: everything was so already."""
    is_new = calendar.pk is None
    _require(actor, "add" if is_new else "change", calendar)
    before = None if is_new else Calendar.objects.filter(pk=calendar.pk).values(*_FACTS).first()
    calendar.save()
    differs = before != {name: getattr(calendar, name) for name in _FACTS}
    changed = changes_between(days_of(calendar), days) if days is not None else []
    _write_days(calendar, changed)
    if not differs and not changed:
        return False
    calendar_changed(calendar)
    verb = "jobs.calendar.created" if is_new else "jobs.calendar.updated"
    audit.record(verb, actor=actor, target=calendar, summary=calendar.slug, details={"days": len(changed)})
    return True


_FACTS = ("slug", "name", "description", "timezone", "workdays")


def blackouts_saved(calendar: Calendar | None) -> None:
    """After blackouts were written: forget what was read of them, and look at the calendar's schedules again."""
    freezes.forget()
    if calendar is not None:
        calendar_changed(calendar)


def save_blackout(blackout: Blackout, *, actor: User | None) -> None:
    """Write a blackout window, and what follows from it."""
    is_new = blackout.pk is None
    _require(actor, "add" if is_new else "change", blackout)
    with transaction.atomic():
        blackout.save()
        verb = "jobs.blackout.created" if is_new else "jobs.blackout.updated"
        audit.record(verb, actor=actor, target=blackout, summary=blackout.name)
        blackouts_saved(blackout.calendar)


def _write_days(calendar: Calendar, changed: Sequence[DayChange]) -> None:
    gone = [change.date for change in changed]
    if not gone:
        return
    for start in range(0, len(gone), 500):
        CalendarDay.objects.filter(calendar=calendar, date__in=gone[start : start + 500]).delete()
    CalendarDay.objects.bulk_create(
        CalendarDay(calendar=calendar, date=change.after.date, kind=change.after.kind, name=change.after.name)
        for change in changed
        if change.after is not None
    )


def _require(actor: User | None, verb: str, row: Calendar | Blackout | Freeze | Tenant) -> None:
    if actor is not None and not can(actor, verb, row):
        raise FieldErrors.of("", _("You may not do this here: ask a tenant admin for the right."))
