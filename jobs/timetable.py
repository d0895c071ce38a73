"""Schedules of a job: saved as a set, and never with a surprise fire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import User
from jobs import dbclock
from jobs.calendars import Book, work_calendar
from jobs.models import Calendar, Job, Schedule
from jobs.models.schedule import TriggerKind
from jobs.policies import CalendarPolicy, MisfirePolicy
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.due import trigger_of
from jobs.scheduling.exclusions import next_moment
from jobs.scheduling.triggers import Trigger, parse_trigger
from jobs.scheduling.zones import zone_names
from portal.lib.fielderrors import FieldError, FieldErrors

MOST_SCHEDULES = 50
LONGEST_GRACE = timedelta(days=7)
LONGEST_JITTER = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """What a schedule is to be. `id` names the row it replaces; an empty `timezone` is the portal's.

    `calendar` is the slug of a calendar of the job's tenant, or empty.
    """

    kind: str = TriggerKind.CRON
    expression: str = ""
    timezone: str = ""
    misfire: str = MisfirePolicy.RUN_ONCE
    grace: timedelta = timedelta(seconds=300)
    jitter: timedelta = timedelta(0)
    calendar: str = ""
    calendar_policy: str = CalendarPolicy.SKIP
    is_enabled: bool = True
    id: int | None = None

    @property
    def zone(self) -> str:
        return self.timezone or settings.TIME_ZONE

    @property
    def trigger_key(self) -> tuple[str, str, str]:
        return (self.kind, self.expression.strip(), self.zone)

    @property
    def calendar_key(self) -> tuple[str, str]:
        return (self.calendar, self.calendar_policy if self.calendar else CalendarPolicy.SKIP)


def spec_of(schedule: Schedule) -> ScheduleSpec:
    """The stored schedule as a spec."""
    return ScheduleSpec(
        id=schedule.pk,
        kind=schedule.kind,
        expression=schedule.expression,
        timezone=schedule.timezone,
        misfire=schedule.misfire,
        grace=schedule.grace,
        jitter=schedule.jitter,
        calendar=schedule.calendar.slug if schedule.calendar else "",
        calendar_policy=schedule.calendar_policy,
        is_enabled=schedule.is_enabled,
    )


def save_schedules(job: Job, specs: Sequence[ScheduleSpec], *, actor: User | None) -> bool:
    """Make the job's schedules these; rows that don't change are left alone. Returns whether anything changed.

    The caller holds the transaction and has checked the right. Raises FieldErrors with "schedules[n].field" paths.
    """
    now = dbclock.now()
    rows = {row.pk: row for row in job.schedules.select_related("calendar")}
    pairs = _paired(specs, list(rows.values()))
    named = {spec.calendar for spec in specs if spec.calendar}
    calendars = {row.slug: row for row in Calendar.objects.filter(tenant=job.tenant_id, slug__in=named)}
    errors = [
        error for place, (spec, row) in enumerate(pairs) for error in _problems(spec, row, (place, now), calendars)
    ]
    if len(specs) > MOST_SCHEDULES:
        errors.append(
            FieldError(path="schedules", message=_("A job has at most %(n)d schedules.") % {"n": MOST_SCHEDULES})
        )
    if errors:
        raise FieldErrors(errors)
    kept = {row.pk for _spec, row in pairs if row is not None}
    gone = [row for pk, row in rows.items() if pk not in kept]
    for row in gone:
        row.delete()
    changed = [_write(job, (spec, row), calendars, actor=actor, now=now) for spec, row in pairs]
    return bool(gone) or any(changed)


def schedule_saved(schedule: Schedule, *, now: datetime, is_job_enabled: bool, same_trigger: bool = False) -> None:
    """Set anchor, cursor and next fire time of a schedule that was edited or enabled; the caller saves the row.

    They count from now, so nothing fires for the time before. An interval that did not change keeps its anchor.
    """
    if not same_trigger or schedule.anchor_at is None:
        schedule.anchor_at = now
    schedule.cursor_at = schedule.counted_from_at = now
    schedule.next_fire_at = None
    if schedule.is_enabled and is_job_enabled:
        schedule.next_fire_at = first_moment(schedule, now)


def first_moment(schedule: Schedule, after: datetime, book: Book | None = None) -> datetime | None:
    """When beat is to look at the schedule: at its next fire time, or earlier where a calendar moves one before."""
    known = book or Book.of([schedule])
    return next_moment(known.trigger(schedule), known.rule(schedule, schedule.job), after)


def stored_trigger(schedule: Schedule) -> Trigger:
    """The rule of a stored schedule; TriggerError when it can't be read."""
    return Book.of([schedule]).trigger(schedule) if schedule.kind == TriggerKind.WORKDAY else trigger_of(schedule)


def calendar_changed(calendar: Calendar) -> int:
    """After a calendar was changed: look at its schedules again. Returns how many there are.

    What is due already is still decided from the cursor. A rule of working days counts from now: days that the new
    calendar names in the past must not fire.
    """
    now = dbclock.now()
    rows = list(Schedule.objects.filter(calendar=calendar).select_related("job", "calendar"))
    book = Book.of(rows)
    for row in rows:
        if row.next_fire_at is None and not (row.is_enabled and row.job.is_enabled):
            continue
        is_due = row.next_fire_at is not None and row.next_fire_at <= now
        if row.kind == TriggerKind.WORKDAY and not is_due:
            row.cursor_at = row.counted_from_at = now
        if not is_due:
            row.next_fire_at = first_moment(row, row.cursor_at, book)
        row.save(update_fields=["cursor_at", "counted_from_at", "next_fire_at", "updated_at"])
    return len(rows)


def restart_schedules(job: Job) -> None:
    """After the job was enabled or disabled: fire from now on, or not at all."""
    now = dbclock.now()
    for schedule in job.schedules.select_related("calendar"):
        schedule_saved(schedule, now=now, is_job_enabled=job.is_enabled, same_trigger=True)
        schedule.save(update_fields=["anchor_at", "cursor_at", "counted_from_at", "next_fire_at", "updated_at"])


def _paired(specs: Sequence[ScheduleSpec], rows: list[Schedule]) -> list[tuple[ScheduleSpec, Schedule | None]]:
    """Each spec with the row it replaces: by id, else by an equal trigger, else none."""
    left = {row.pk: row for row in rows}
    found: list[Schedule | None] = [left.pop(spec.id, None) if spec.id else None for spec in specs]
    for place, spec in enumerate(specs):
        if found[place] is None and spec.id is None:
            twin = next((row for row in left.values() if spec_of(row).trigger_key == spec.trigger_key), None)
            found[place] = left.pop(twin.pk) if twin else None
    return list(zip(specs, found, strict=True))


def _problems(
    spec: ScheduleSpec, row: Schedule | None, at: tuple[int, datetime], calendars: Mapping[str, Calendar]
) -> list[FieldError]:
    place, now = at
    here = f"schedules[{place}]"
    errors = []
    if spec.misfire not in MisfirePolicy.values:
        words = _("Choose one of: %(choices)s.") % {"choices": ", ".join(MisfirePolicy.values)}
        errors.append(FieldError(path=f"{here}.misfire", message=words))
    if not timedelta(0) <= spec.grace <= LONGEST_GRACE:
        errors.append(FieldError(path=f"{here}.grace", message=_("The grace period is between 0s and 7 days.")))
    if not timedelta(0) <= spec.jitter <= LONGEST_JITTER:
        errors.append(FieldError(path=f"{here}.jitter", message=_("The spread is between 0s and 1 day.")))
    if len(spec.expression) > 200:
        errors.append(FieldError(path=f"{here}.expression", message=_("Write at most 200 characters.")))
        return errors
    calendar = calendars.get(spec.calendar)
    if spec.calendar and calendar is None:
        words = _("There is no calendar “%(slug)s” in this tenant: choose another, or make it first.")
        errors.append(FieldError(path=f"{here}.calendar", message=words % {"slug": spec.calendar[:80]}))
    if spec.calendar_policy not in CalendarPolicy.values:
        words = _("Choose one of: %(choices)s.") % {"choices": ", ".join(CalendarPolicy.values)}
        errors.append(FieldError(path=f"{here}.calendar_policy", message=words))
    must_fire = row is None or spec_of(row).trigger_key != spec.trigger_key  # an old "once" may stay as it is
    try:
        days = work_calendar(calendar, spec.zone) if calendar and spec.zone in zone_names() else None
        parse_trigger(spec.kind, spec.expression.strip(), spec.zone, now, now if must_fire else None, days)
    except TriggerError as error:
        errors.append(FieldError(path=f"{here}.{error.field or 'expression'}", message=str(error)))
    return errors


def _write(
    job: Job,
    pair: tuple[ScheduleSpec, Schedule | None],
    calendars: Mapping[str, Calendar],
    *,
    actor: User | None,
    now: datetime,
) -> bool:
    spec, row = pair
    before = spec_of(row) if row is not None else None
    schedule = row or Schedule(tenant_id=job.tenant_id, job=job, created_by=actor)
    schedule.kind, schedule.expression, schedule.timezone = spec.trigger_key
    schedule.misfire, schedule.grace, schedule.is_enabled = spec.misfire, spec.grace, spec.is_enabled
    schedule.jitter = spec.jitter
    schedule.calendar = calendars.get(spec.calendar)
    schedule.calendar_policy = spec.calendar_key[1]
    if before is not None and spec_of(schedule) == before:
        return False
    same = before is not None and before.trigger_key == spec.trigger_key
    has_new_calendar = before is None or before.calendar_key != spec.calendar_key
    if has_new_calendar and spec.kind == TriggerKind.WORKDAY:
        same = False  # its fire times are the calendar's
    if not same or before is None or before.is_enabled != spec.is_enabled:
        schedule_saved(schedule, now=now, is_job_enabled=job.is_enabled, same_trigger=same)
    elif has_new_calendar and schedule.next_fire_at is not None and schedule.next_fire_at > now:
        schedule.next_fire_at = first_moment(schedule, schedule.cursor_at)
    schedule.save()
    return True
