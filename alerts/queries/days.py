"""Days of the reader's zone, and counts per day in one statement.

Databases are asked by ranges of moments: MariaDB without time-zone tables knows no other zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

MOST_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class Day:
    date: date
    starts: datetime
    ends: datetime


def last_days(count: int, *, now: datetime, zone: tzinfo) -> list[Day]:
    """The last days, today last; at most MOST_DAYS."""
    today = now.astimezone(zone).date()
    dates = [today - timedelta(days=ago) for ago in range(min(count, MOST_DAYS) - 1, -1, -1)]
    return [Day(date=one, starts=_midnight(one, zone), ends=_midnight(one + timedelta(days=1), zone)) for one in dates]


def _midnight(day: date, zone: tzinfo) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min), zone)


def counts_per_day(rows: QuerySet[Any], days: Sequence[Day], *, at: str, by: str) -> dict[Any, list[int]]:
    """Value of the column `by` → how many rows have their moment `at` in each day."""
    if not days:
        return {}
    per_day: dict[str, Any] = {
        f"day_{number}": Count("pk", filter=Q(**{f"{at}__gte": day.starts, f"{at}__lt": day.ends}))
        for number, day in enumerate(days)
    }
    within = rows.filter(**{f"{at}__gte": days[0].starts, f"{at}__lt": days[-1].ends}).order_by()
    found = within.values(by).annotate(**per_day)
    return {row[by]: [row[name] for name in per_day] for row in found}
