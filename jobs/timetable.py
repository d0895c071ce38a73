"""Schedules of a job: saved as a set, and never with a surprise fire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import User
from jobs import dbclock
from jobs.models import Job, Schedule
from jobs.models.schedule import TriggerKind
from jobs.policies import MisfirePolicy
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.triggers import Trigger, parse_trigger
from portal.lib.fielderrors import FieldError, FieldErrors

MOST_SCHEDULES = 50
LONGEST_GRACE = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """What a schedule is to be. `id` names the row it replaces; an empty `timezone` is the portal's."""

    kind: str = TriggerKind.CRON
    expression: str = ""
    timezone: str = ""
    misfire: str = MisfirePolicy.RUN_ONCE
    grace: timedelta = timedelta(seconds=300)
    is_enabled: bool = True
    id: int | None = None

    @property
    def zone(self) -> str:
        return self.timezone or settings.TIME_ZONE

    @property
    def trigger_key(self) -> tuple[str, str, str]:
        return (self.kind, self.expression.strip(), self.zone)


def spec_of(schedule: Schedule) -> ScheduleSpec:
    """The stored schedule as a spec."""
    return ScheduleSpec(
        id=schedule.pk,
        kind=schedule.kind,
        expression=schedule.expression,
        timezone=schedule.timezone,
        misfire=schedule.misfire,
        grace=schedule.grace,
        is_enabled=schedule.is_enabled,
    )


def save_schedules(job: Job, specs: Sequence[ScheduleSpec], *, actor: User | None) -> bool:
    """Make the job's schedules these; rows that don't change are left alone. Returns whether anything changed.

    The caller holds the transaction and has checked the right. Raises FieldErrors with "schedules[n].field" paths.
    """
    now = dbclock.now()
    rows = {row.pk: row for row in job.schedules.all()}
    pairs = _paired(specs, list(rows.values()))
    errors = [error for place, (spec, row) in enumerate(pairs) for error in _problems(spec, row, place, now)]
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
    changed = [_write(job, spec, row, actor=actor, now=now) for spec, row in pairs]
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
        schedule.next_fire_at = stored_trigger(schedule).next_after(now)


def stored_trigger(schedule: Schedule) -> Trigger:
    """The rule of a stored schedule; TriggerError when it can't be read."""
    zone = schedule.timezone or settings.TIME_ZONE
    return parse_trigger(schedule.kind, schedule.expression, zone, schedule.anchor_at)


def restart_schedules(job: Job) -> None:
    """After the job was enabled or disabled: fire from now on, or not at all."""
    now = dbclock.now()
    for schedule in job.schedules.all():
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


def _problems(spec: ScheduleSpec, row: Schedule | None, place: int, now: datetime) -> list[FieldError]:
    here = f"schedules[{place}]"
    errors = []
    if spec.misfire not in MisfirePolicy.values:
        words = _("Choose one of: %(choices)s.") % {"choices": ", ".join(MisfirePolicy.values)}
        errors.append(FieldError(path=f"{here}.misfire", message=words))
    if not timedelta(0) <= spec.grace <= LONGEST_GRACE:
        errors.append(FieldError(path=f"{here}.grace", message=_("The grace period is between 0s and 7 days.")))
    if len(spec.expression) > 200:
        errors.append(FieldError(path=f"{here}.expression", message=_("Write at most 200 characters.")))
        return errors
    must_fire = row is None or spec_of(row).trigger_key != spec.trigger_key  # an old "once" may stay as it is
    try:
        parse_trigger(spec.kind, spec.expression.strip(), spec.zone, now, now if must_fire else None)
    except TriggerError as error:
        errors.append(FieldError(path=f"{here}.{error.field or 'expression'}", message=str(error)))
    return errors


def _write(job: Job, spec: ScheduleSpec, row: Schedule | None, *, actor: User | None, now: datetime) -> bool:
    before = spec_of(row) if row is not None else None
    schedule = row or Schedule(tenant_id=job.tenant_id, job=job, created_by=actor)
    schedule.kind, schedule.expression, schedule.timezone = spec.trigger_key
    schedule.misfire, schedule.grace, schedule.is_enabled = spec.misfire, spec.grace, spec.is_enabled
    if before is not None and spec_of(schedule) == before:
        return False
    same = before is not None and before.trigger_key == spec.trigger_key
    if not same or before is None or before.is_enabled != spec.is_enabled:
        schedule_saved(schedule, now=now, is_job_enabled=job.is_enabled, same_trigger=same)
    schedule.save()
    return True
