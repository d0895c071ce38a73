"""What a change of calendars, blackouts or freezes would do: the same rules asked before and after it.

`outlook_of` is asked twice, around the change in a transaction that is rolled back; `compare` tells the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from jobs import freezes
from jobs.calendars import Book, datasources_of, zone_of
from jobs.models import Blackout, Calendar, Freeze, Job, Schedule
from jobs.scheduling.calendars import FROZEN
from jobs.scheduling.closed import outcome_reason
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.exclusions import MERGED, MOVED, RUNS, Outcome, Rule, outlook

HORIZON = timedelta(days=90)
MOST_SCHEDULES = 2_000
MOST_OF_ONE = 400  # nominal instants of one schedule
MOST_INSTANTS = 60_000
MOST_LINES = 500
STAYS, GONE = "", "gone"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One nominal instant as the rules have it."""

    schedule: Schedule
    outcome: Outcome
    rule: Rule


@dataclass(frozen=True, kw_only=True)
class Line:
    """One fire time that would go another way. `at` is its nominal instant."""

    job: Job
    at: datetime
    zone: str
    was: str
    becomes: str
    tone: str


@dataclass(frozen=True, kw_only=True)
class Impact:
    """`lines` are at most 500; the counts are of everything that was looked at."""

    lines: tuple[Line, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    job_count: int = 0
    exempt_count: int = 0
    since: datetime | None = None
    until: datetime | None = None
    is_cut: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())


Outlook = dict[tuple[int, datetime], Seen]


def schedules_of(row: Calendar | Blackout | Freeze) -> QuerySet[Schedule]:
    """The schedules that fire and that this row may touch."""
    found = Schedule.objects.filter(is_enabled=True, job__is_enabled=True, job__archived_at=None)
    if isinstance(row, Calendar):
        return found.filter(calendar=row)
    if row.tenant_id is not None:
        found = found.filter(tenant=row.tenant_id)
    if isinstance(row, Freeze):
        return found
    touched = Q(pk__in=[])
    if row.calendar_id is not None:
        touched |= Q(calendar=row.calendar_id)
    if row.job_id is not None:
        touched |= Q(job=row.job_id)
    if row.datasource is not None:
        jobs = Job.objects.filter(tenant=row.tenant_id, archived_at=None)
        touched |= Q(job__in=[job.pk for job in jobs if row.datasource.slug in datasources_of(job)])
    return found.filter(touched)


def period_of(row: Calendar | Blackout | Freeze, now: datetime) -> tuple[datetime, datetime]:
    """Where the change can be felt, from now on, at most 90 days."""
    start, end = now, None
    if isinstance(row, Freeze):
        start, end = row.starts_at, row.over_at
    elif isinstance(row, Blackout):
        start, end = row.starts_at or now, row.ends_at
    since = max(now, start)
    return since, min(since + HORIZON, max(end, since) if end else since + HORIZON)


def outlook_of(schedules: Iterable[Schedule], since: datetime, until: datetime) -> tuple[Outlook, bool]:
    """Every nominal instant in (since, until] with its outcome, and whether some were left out."""
    rows = list(schedules)[: MOST_SCHEDULES + 1]
    book = Book.of(rows, standing=freezes.standing(fresh=True))
    found: Outlook = {}
    is_cut = len(rows) > MOST_SCHEDULES
    for schedule in rows[:MOST_SCHEDULES]:
        if len(found) >= MOST_INSTANTS:
            return found, True
        try:
            trigger, rule = book.trigger(schedule), book.rule(schedule, schedule.job)
        except TriggerError:
            continue
        seen = outlook(trigger, rule, since, until, MOST_OF_ONE)
        is_cut |= len(seen) == MOST_OF_ONE
        found |= {(schedule.pk, each.nominal): Seen(schedule=schedule, outcome=each, rule=rule) for each in seen}
    return found, is_cut


def compare(before: Outlook, after: Outlook, *, since: datetime, until: datetime, is_cut: bool = False) -> Impact:
    """What differs, in the order of time."""
    counts: dict[str, int] = {}
    lines: list[Line] = []
    jobs: set[int] = set()
    for key in sorted(before.keys() | after.keys(), key=lambda each: (each[1], each[0])):
        old, new = before.get(key), after.get(key)
        was, becomes = _in_words(old), _in_words(new)
        if was == becomes:
            continue
        known = new or old
        assert known is not None  # noqa: S101 - the key is of one of them
        what = _what(new)
        counts[what] = counts.get(what, 0) + 1
        jobs.add(known.schedule.job_id)
        if len(lines) < MOST_LINES:
            zone = zone_of(known.schedule)
            job = known.schedule.job
            lines.append(Line(job=job, at=key[1], zone=zone, was=was, becomes=becomes, tone=_TONES[what]))
    return Impact(
        lines=tuple(lines),
        counts=counts,
        job_count=len(jobs),
        since=since,
        until=until,
        is_cut=is_cut or sum(counts.values()) > MOST_LINES,
    )


_TONES = {RUNS: "good", "skipped": "warn", MOVED: "info", MERGED: "plain", FROZEN: "live", GONE: "plain"}


def _what(seen: Seen | None) -> str:
    if seen is None:
        return GONE
    closure = seen.outcome.closure
    return FROZEN if closure is not None and closure.kind == FROZEN else seen.outcome.what


def _in_words(seen: Seen | None) -> str:
    if seen is None:
        return _("does not fire")
    outcome = seen.outcome
    if outcome.what == RUNS:
        return _("runs")
    if outcome.what == MOVED and outcome.at is not None:
        moment = f"{outcome.at.astimezone(_zone(seen)):%Y-%m-%d %H:%M}"
        return _("moves to %(moment)s") % {"moment": moment}
    return _("is skipped: %(why)s") % {"why": outcome_reason(outcome, seen.rule).text}


def _zone(seen: Seen) -> ZoneInfo:
    return ZoneInfo(zone_of(seen.schedule))


def sentences(impact: Impact) -> list[str]:
    """The counts in words: "37 fire times of 12 jobs are frozen"."""
    words = {
        FROZEN: _("%(n)d fire times are frozen"),
        "skipped": _("%(n)d fire times are skipped"),
        MOVED: _("%(n)d fire times move to another day"),
        MERGED: _("%(n)d fire times are merged into another"),
        RUNS: _("%(n)d fire times run that would not have"),
        GONE: _("%(n)d fire times are no more"),
    }
    return [words[what] % {"n": impact.counts[what]} for what in words if impact.counts.get(what)]
