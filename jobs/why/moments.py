"""What is known about a job at one minute: read in a bounded number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import AuditEntry
from jobs import dbclock, outages
from jobs.calendars import Book
from jobs.models import Job, Outage, Run, Schedule
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.exclusions import RUNS, Outcome, Rule, outcome_of
from jobs.scheduling.triggers import Trigger, previous_at
from jobs.states import NOT_RUN, RunStatus
from jobs.why.facts import Machinery, machinery

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
FAR = timedelta(days=366 * 5)
MOST_RUNS = 60
MOST_ENTRIES = 200
MOST_FIRES = 60
NO_RULE = Rule()
SWITCHES = {"jobs.job.enabled": True, "jobs.job.disabled": False}


@dataclass(frozen=True, kw_only=True)
class Switch:
    """Whether the job was enabled at a moment, since when, and who switched it; `at` is None when nobody ever did."""

    is_on: bool
    at: datetime | None = None
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class ScheduleAt:
    """One schedule and one minute. `fires` are its fire times in it; `error` says that its rule can't be read.

    `closed` is the first of them that a calendar, a blackout or a freeze (as they are now) closes or moves.
    """

    schedule: Schedule
    fires: tuple[datetime, ...] = ()
    rule: Rule = NO_RULE
    closed: Outcome | None = None
    before: datetime | None = None
    after: datetime | None = None
    error: str = ""

    @property
    def is_rule_known(self) -> bool:
        """Whether the rule of now was the rule of the minute."""
        since = self.schedule.counted_from_at
        return since is None or not self.fires or self.fires[-1] > since


@dataclass(frozen=True, kw_only=True)
class MomentFacts:
    """One job at one minute [`minute`, `minute` + 1 min). `switch` is as it was then (in the future: as it is now)."""

    now: datetime
    minute: datetime
    job: Job
    schedules: tuple[ScheduleAt, ...]
    runs: tuple[Run, ...]  # due in the minute, or standing for a fire time in it
    switch: Switch
    active_runs: tuple[Run, ...] = ()
    outages: tuple[Outage, ...] = ()  # that lay over the minute
    machinery: Machinery

    @property
    def is_future(self) -> bool:
        return self.minute > self.now

    @property
    def expected(self) -> list[ScheduleAt]:
        """The enabled schedules with a fire time in the minute."""
        return [each for each in self.schedules if each.fires and each.schedule.is_enabled]


def moment_facts(job: Job, moment: datetime) -> MomentFacts:
    now = dbclock.now()
    minute = moment.replace(second=0, microsecond=0)
    rows = list(job.schedules.order_by("id")[:50])
    for row in rows:
        row.job = job
    book = Book.of(rows)
    return MomentFacts(
        now=now,
        minute=minute,
        job=job,
        schedules=tuple(at_minute(schedule, minute, book) for schedule in rows),
        runs=tuple(_runs(job, minute)),
        switch=switch_at(_entries(job), job.is_enabled, min(minute, now)),
        active_runs=tuple(job.runs.filter(status__in=(RunStatus.QUEUED, RunStatus.RUNNING)).order_by("id")[:5]),
        outages=tuple(_outages(job, minute)),
        machinery=machinery(job.queue, now=now),
    )


def default_moment(job: Job) -> datetime:
    """The last fire time that did not run; now when there is none."""
    last = job.runs.filter(status__in=NOT_RUN).order_by("-id").values_list("scheduled_for", flat=True).first()
    return last or dbclock.now()


def at_minute(schedule: Schedule, minute: datetime, book: Book) -> ScheduleAt:
    """The schedule's fire times in the minute, the nearest around it, and what closes them."""
    try:
        trigger = book.trigger(schedule)
    except TriggerError as error:
        return ScheduleAt(schedule=schedule, error=str(error))
    first, end = minute - MICROSECOND, minute + MINUTE - MICROSECOND
    fires = tuple(trigger.between(first, end, MOST_FIRES))
    rule = book.rule(schedule, schedule.job)
    outcomes = (outcome_of(trigger, rule, fire) for fire in fires) if not rule.is_empty else ()
    return ScheduleAt(
        schedule=schedule,
        fires=fires,
        rule=rule,
        closed=next((outcome for outcome in outcomes if outcome.what != RUNS), None),
        before=_before(trigger, first),
        after=trigger.next_after(end),
    )


def _before(trigger: Trigger, moment: datetime) -> datetime | None:
    try:
        return previous_at(trigger, moment, moment - FAR)
    except OverflowError:
        return None


def switch_at(entries: Sequence[AuditEntry], is_on_now: bool, moment: datetime) -> Switch:
    """PURE: what the switch said at the moment, by the audit trail, newest first. An edit tells only that it moved."""
    state = is_on_now
    for entry in entries:
        if entry.verb in SWITCHES:
            said: bool | None = SWITCHES[entry.verb]
        elif entry.verb == "jobs.job.updated" and "is_enabled" in entry.details.get("changed", []):
            said = None
        else:
            continue
        if entry.at <= moment:
            by = entry.actor.get_username() if entry.actor else ""
            return Switch(is_on=state if said is None else said, at=entry.at, by=by)
        state = not state if said is None else not said
    return Switch(is_on=state)


def _entries(job: Job) -> list[AuditEntry]:
    rows = AuditEntry.objects.filter(tenant_id=job.tenant_id, object_type="jobs.job", object_id=str(job.pk))
    wanted = rows.filter(verb__in=[*SWITCHES, "jobs.job.updated"]).select_related("actor")
    return list(wanted.order_by("-at", "-id")[:MOST_ENTRIES])


def _runs(job: Job, minute: datetime) -> list[Run]:
    """Due in the minute; and the rows before it that stand for several fire times, one of which may lie in it."""
    rows = job.runs.select_related("schedule", "requested_by").filter(parent=None)
    exact = rows.filter(scheduled_for__gte=minute, scheduled_for__lt=minute + MINUTE)
    found = list(exact.order_by("scheduled_for", "id")[:MOST_RUNS])
    if found:
        return found
    together = (RunStatus.MISSED, RunStatus.SKIPPED)
    spans = rows.filter(status__in=together, coalesced__gt=1, scheduled_for__lt=minute).order_by("-scheduled_for")
    return [run for run in spans[:3] if last_of(run) is not None and last_of(run) >= minute]  # type: ignore[operator]


def last_of(run: Run) -> datetime | None:
    """The last fire time that a missed row stands for, from its sentence's arguments."""
    text = run.reason_args.get("last_at") or run.reason_args.get("last")
    try:
        at = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _outages(job: Job, minute: datetime) -> list[Outage]:
    """Those that lay over the minute or began in it, as far as they touch this job."""
    subjects = [*outages.Subject.values, f"{outages.QUEUE_PREFIX}{job.queue}"]
    return list(outages.during(minute, minute + MINUTE, subjects)[:10])
