"""A trigger in words, and its next fire times. PURE.

Each language has its own wording module: word order and counting differ too much between English and Chinese
for one set of translated fragments.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from types import ModuleType
from zoneinfo import ZoneInfo

from django.utils.translation import get_language

from jobs.scheduling import wording_en, wording_zh
from jobs.scheduling.cron import parse_cron
from jobs.scheduling.rhythm import days_of, times_of
from jobs.scheduling.triggers import CronTrigger, IntervalTrigger, Trigger, parse_trigger
from jobs.scheduling.workdays import WorkdayTrigger
from jobs.scheduling.zones import wall_at
from portal.lib.durations import split_duration

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def describe(kind: str, expression: str, timezone: str, language: str | None = None) -> str:
    """The trigger in words, without the zone's name; raises TriggerError where `parse_trigger` does.

    `language` is a code such as zh-hans or en, by default the active one; what is not Chinese gets English.
    """
    words = _wording(language or get_language() or "en")
    trigger = parse_trigger(kind, expression, timezone, EPOCH)
    if isinstance(trigger, CronTrigger):
        rule = parse_cron(trigger.expression)
        return str(words.cron(times_of(rule), days_of(rule)))
    if isinstance(trigger, IntervalTrigger):
        return str(words.interval(split_duration(trigger.every)))
    if isinstance(trigger, WorkdayTrigger):
        return str(words.workday(trigger.days, [f"{clock:%H:%M:%S}".removesuffix(":00") for clock in trigger.times]))
    return str(words.once(wall_at(ZoneInfo(timezone), trigger.at)))


def next_fires(trigger: Trigger, now: datetime, count: int = 5) -> list[datetime]:
    """The next fire times after now, in UTC; fewer when the trigger ends."""
    return list(islice(_fires(trigger, now), count))


def _fires(trigger: Trigger, now: datetime) -> Iterator[datetime]:
    instant = trigger.next_after(now)
    while instant is not None:
        yield instant
        instant = trigger.next_after(instant)


def _wording(language: str) -> ModuleType:
    return wording_zh if language.lower().startswith("zh") else wording_en
