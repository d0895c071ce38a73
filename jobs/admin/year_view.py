"""A calendar's year as twelve small months, for the eye and for a screen reader."""

from __future__ import annotations

import calendar as months
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.utils import formats
from django.utils.translation import gettext as _

from jobs.calendars import work_calendar
from jobs.models import Calendar


@dataclass(frozen=True, kw_only=True)
class DayCell:
    """One day: `mark` is a short word, so that colour is not the only sign."""

    day: date
    tone: str
    mark: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Month:
    """Weeks begin on Monday; None is a place without a day."""

    name: str
    weeks: tuple[tuple[DayCell | None, ...], ...]
    working_count: int


def year_of(row: Calendar, year: int) -> list[Month]:
    calendar = work_calendar(row, "UTC")

    def cell(day: date) -> DayCell:
        mark, works = calendar.days.get(day), calendar.is_working_day(day)
        if mark is not None:
            tone, short = ("work", _("on")) if works else ("off", _("off"))
        else:
            tone, short = ("plain", "") if works else ("rest", "")
        what = _("working day") if works else _("day off")
        parts = [formats.date_format(day, "DATE_FORMAT"), what, mark.name if mark else ""]
        return DayCell(day=day, tone=tone, mark=short, title=" · ".join(part for part in parts if part))

    def weeks(month: int) -> Iterator[tuple[DayCell | None, ...]]:
        for week in months.Calendar().monthdatescalendar(year, month):
            yield tuple(cell(day) if day.month == month else None for day in week)

    return [
        Month(
            name=formats.date_format(date(year, month, 1), "F"),
            weeks=tuple(weeks(month)),
            working_count=len(calendar.working_days(year, month)),
        )
        for month in range(1, 13)
    ]
