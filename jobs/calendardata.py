"""The calendars that come with the portal: files of `jobs/data/calendars`, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from jobs.workcalendars import Day, parse_days

FOLDER = Path(__file__).parent / "data" / "calendars"


@dataclass(frozen=True, kw_only=True)
class ShippedCalendar:
    """One file. `source` says who decided these days, and when."""

    slug: str
    name: str
    timezone: str
    workdays: str
    source: str
    days: tuple[Day, ...]

    @property
    def years(self) -> tuple[int, int]:
        found = sorted({day.date.year for day in self.days})
        return found[0], found[-1]


@lru_cache(maxsize=1)
def shipped_calendars() -> tuple[ShippedCalendar, ...]:
    """Every shipped calendar, by slug."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.yaml")))


def shipped_calendar(slug: str) -> ShippedCalendar | None:
    return next((each for each in shipped_calendars() if each.slug == slug), None)


def _read(path: Path) -> ShippedCalendar:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return ShippedCalendar(
        slug=path.stem,
        name=content["name"],
        timezone=content.get("timezone", ""),
        workdays=str(content.get("workdays", "12345")),
        source=content["source"],
        days=tuple(parse_days(content["days"])),
    )
