"""Calendars, blackouts and freezes, read from their rows for the pure rules of `jobs.scheduling`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.conf import settings

from jobs import freezes
from jobs.executors import KINDS
from jobs.models import Calendar, Job
from jobs.models.calendar import DayKind
from jobs.scheduling.calendars import DayMark, WorkCalendar
from jobs.scheduling.due import HasTrigger, trigger_of
from jobs.scheduling.exclusions import Rule
from jobs.scheduling.triggers import Trigger, parse_trigger
from jobs.scheduling.workdays import WORKDAY
from portal.lib.paramforms import shown


class HasJob(Protocol):
    """A job, or what a tick knows of one."""

    @property
    def pk(self) -> Any: ...
    @property
    def tenant_id(self) -> Any: ...


class Scheduled(HasTrigger, Protocol):
    """A schedule's row, or what a tick has read of one."""

    @property
    def job(self) -> Any: ...
    @property
    def calendar_id(self) -> Any: ...
    @property
    def calendar_policy(self) -> Any: ...


@dataclass(kw_only=True)
class Book:
    """What applies to some schedules, read in a handful of statements however many there are.

    `standing` are the freezes and the blackouts of datasources and jobs: of the last second, or read afresh.
    """

    job_ids: frozenset[int] = frozenset()
    calendars: dict[int, Calendar]
    standing: freezes.Standing
    _work: dict[tuple[int, str], WorkCalendar] = field(default_factory=dict)
    _sources: dict[int, frozenset[str]] | None = None

    @classmethod
    def of(cls, schedules: Iterable[Scheduled], *, standing: freezes.Standing | None = None) -> Book:
        rows = list(schedules)
        keys = {schedule.calendar_id for schedule in rows if schedule.calendar_id is not None}
        found = Calendar.objects.filter(pk__in=keys).prefetch_related("days", "blackouts") if keys else []
        return cls(
            job_ids=frozenset(schedule.job.pk for schedule in rows),
            calendars={row.pk: row for row in found},
            standing=standing or freezes.standing(),
        )

    def trigger(self, schedule: Scheduled) -> Trigger:
        """The pure rule of a stored schedule; raises TriggerError when it can't be read."""
        if schedule.kind != WORKDAY:
            return trigger_of(schedule)
        zone, calendar = zone_of(schedule), self.calendar(schedule)
        return parse_trigger(schedule.kind, schedule.expression, zone, schedule.anchor_at, calendar=calendar)

    def rule(self, schedule: Scheduled, job: HasJob) -> Rule:
        """What may close its fire times."""
        return Rule(
            calendar=self.calendar(schedule),
            policy=schedule.calendar_policy,
            windows=self.standing.windows_of(job.tenant_id, job.pk, lambda: self._datasources(job.pk)),
            freezes=self.standing.freezes_of(job.tenant_id, job.pk),
            is_by_day=schedule.kind == WORKDAY,
        )

    def calendar(self, schedule: Scheduled) -> WorkCalendar | None:
        if schedule.calendar_id is None or schedule.calendar_id not in self.calendars:
            return None
        row = self.calendars[schedule.calendar_id]
        key = (row.pk, row.timezone or zone_of(schedule))
        if key not in self._work:
            self._work[key] = work_calendar(row, key[1])
        return self._work[key]

    def _datasources(self, job_id: int) -> frozenset[str]:
        if self._sources is None:
            jobs = Job.objects.filter(pk__in=self.job_ids).only("kind", "params")
            self._sources = {job.pk: datasources_of(job) for job in jobs}
        return self._sources.get(job_id, frozenset())


def zone_of(schedule: HasTrigger) -> str:
    return str(schedule.timezone or settings.TIME_ZONE)


def work_calendar(row: Calendar, zone: str) -> WorkCalendar:
    """The stored calendar as a rule, read in `zone` where it names none itself."""
    return WorkCalendar(
        name=row.name,
        timezone=row.timezone or zone,
        weekdays=frozenset(int(digit) for digit in row.workdays),
        days={day.date: DayMark(day.kind == DayKind.WORKDAY, day.name) for day in row.days.all()},
        windows=tuple(freezes.window_of(window, row.timezone or zone) for window in row.blackouts.all()),
    )


def datasources_of(job: Job) -> frozenset[str]:
    """The slugs of the datasources its definition uses."""
    if job.kind not in KINDS.kinds():
        return frozenset()
    fields = KINDS.get(job.kind).Params.model_fields
    names = [name for name, info in fields.items() if shown(info).is_datasource]
    return frozenset(str(job.params[name]) for name in names if job.params.get(name))
