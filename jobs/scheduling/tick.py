"""The tick: turns due schedules into runs. Any number of beats may tick at once; a crash leaves nothing or all of it.

A schedule's runs, its cursor and its next fire time are written in one transaction, under the schedule's row lock
(SKIP LOCKED: two beats share the work). Nominal instants come from the cursor only, never from now.
A batch costs the same few statements whatever its size. It may look a little ahead (ADR 0015): what only the clock
decides is written before its moment, dated with it, and may be claimed from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import transaction

from jobs.bells import ring_on_commit
from jobs.calendars import Book
from jobs.ledgersql import insert_many, update_many
from jobs.models import Run, RunEvent, Schedule
from jobs.policies import OverlapPolicy
from jobs.queries.fireledger import rule_args
from jobs.reasons import Reason, say
from jobs.runs import claim_order, fire_key, make_way
from jobs.scheduling.closed import excluded_reason, moved_reason
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.due import Due, default_params, lock_due
from jobs.scheduling.exclusions import Rule
from jobs.scheduling.gates import Gate, Passage, gates_for, jitter_gate, pass_through, tenant_gate
from jobs.scheduling.misfire import Decision, Missed, decide
from jobs.scheduling.plan import Excluded, Plan, PlannedRun, Until, plan
from jobs.states import Origin, ReasonCode, RunStatus, WaitReason
from portal.lib.failpoints import failpoint

log = logging.getLogger(__name__)
BATCH = 500
AHEAD = timedelta(milliseconds=100)  # what only the clock decides, beat writes so long before its moment
NOTHING = timedelta(0)
POSTPONED = timedelta(minutes=1)  # what can't be decided because of a defect is looked at again then


@dataclass(kw_only=True)
class Ticked:
    """What one tick did: schedules decided, runs written. `has_more`: schedules are still due, tick again at once."""

    schedules: int = 0
    runs: int = 0
    has_more: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """A run to insert, of one fire time or of a span of missed ones. `now` is when it counts as written."""

    schedule: Due
    now: datetime
    at: datetime
    not_before: datetime
    coalesced: int
    status: RunStatus
    reason: Reason


@dataclass(kw_only=True)
class _Batch:
    """What is written for one batch of due schedules."""

    now: datetime
    gates: list[Gate]
    book: Book
    rows: list[_Row] = field(default_factory=list)
    moves: list[tuple[int, datetime, datetime | None]] = field(default_factory=list)  # schedule, cursor, next
    has_more: bool = False


class Ring(Protocol):
    """Rings for each of the queues, after the commit; at `at` if that is to come."""

    def __call__(self, queues: Iterable[str], /, *, at: datetime | None = None) -> None: ...


def tick(now: datetime, *, ahead: timedelta = NOTHING, batch: int = BATCH, ring: Ring = ring_on_commit) -> Ticked:
    """Decide every fire time due at `now` of up to `batch` schedules, and what is plain of those due `ahead` of it."""
    with transaction.atomic():
        found = lock_due(now + ahead, batch)
        book = Book.of(found)
        due = _to_decide(found, book, now)
        if not due:
            return Ticked()
        work = _Batch(now=now, gates=gates_for(due, now=now), book=book, has_more=len(found) == batch)
        for schedule in due:
            _decide(schedule, work)
        created = _insert(work)
        update_many(Schedule, ["id"], ["cursor_at", "next_fire_at"], work.moves)
        transaction.on_commit(lambda: failpoint("tick.after_commit"))
        for at, queues in _to_ring(created, now, until=now + ahead).items():
            ring(queues, at=at)
        failpoint("tick.before_commit")
    return Ticked(schedules=len(due), runs=len(created), has_more=work.has_more)


def _to_decide(found: Sequence[Due], book: Book, now: datetime) -> list[Due]:
    """What is due, and what is ahead and plain. A run that the job is about to have may be over by its next one."""
    chosen: list[Due] = []
    first: dict[int, datetime] = {}
    for schedule in found:  # in the order of their moments
        is_next = first.setdefault(schedule.job.pk, schedule.next_fire_at) == schedule.next_fire_at
        is_alone = is_next or schedule.job.overlap == OverlapPolicy.ALLOW
        if schedule.next_fire_at <= now or (is_alone and _is_plain(schedule, book)):
            chosen.append(schedule)
    return chosen


def _is_plain(schedule: Due, book: Book) -> bool:
    """Whether nothing but the clock decides it, so that it can be decided a moment before. What may yet change by
    then (a run in the way ends, a freeze begins) is decided then, or by the claim, which asks again.
    """
    job = schedule.job
    is_in_force = schedule.is_enabled and job.fires and job.tenant_is_active
    is_free = job.overlap == OverlapPolicy.ALLOW or (job.overlap == OverlapPolicy.SKIP and job.blocker is None)
    try:
        return is_in_force and is_free and _rule(schedule, book).is_empty
    except Exception:  # a defect: it is told when the schedule is decided
        return False


def _rule(schedule: Due, book: Book) -> Rule:
    """What may close its fire times from here on: a freeze that was over by the last one closes none."""
    rule = book.rule(schedule, schedule.job)
    since = schedule.cursor_at
    kept = tuple(freeze for freeze in rule.freezes if freeze.ends_at is None or freeze.ends_at > since)
    return rule if len(kept) == len(rule.freezes) else replace(rule, freezes=kept)


def _to_ring(created: list[_Row], now: datetime, *, until: datetime) -> dict[datetime | None, list[str]]:
    """The queue of each new run that may start now (None) or until then; beat wakes up again for the others."""
    queues: dict[datetime | None, list[str]] = {}
    for row in created:
        if row.status == RunStatus.QUEUED and row.not_before <= until:
            queues.setdefault(row.not_before if row.not_before > now else None, []).append(row.schedule.job.queue)
    return queues


def _decide(schedule: Due, work: _Batch) -> None:
    """Decide one schedule. A defect in one must not hold up the others: it is logged, and looked at again later."""
    if not schedule.is_enabled or not schedule.job.fires:
        work.moves.append((schedule.pk, schedule.cursor_at, None))
        return
    try:
        _fire(schedule, work)
    except TriggerError as error:
        log.error(
            "A stored schedule can't be read; it is stopped.", extra={"schedule": schedule.pk, "error": str(error)}
        )
        work.moves.append((schedule.pk, schedule.cursor_at, None))
    except Exception:
        log.exception("A schedule could not be decided; it is tried again.", extra={"schedule": schedule.pk})
        work.moves.append((schedule.pk, schedule.cursor_at, work.now + POSTPONED))


def _fire(schedule: Due, work: _Batch) -> None:
    rule = _rule(schedule, work.book)
    if not rule.is_empty:
        _fire_by_rule(schedule, rule, work)
        return
    now = max(work.now, schedule.next_fire_at)  # what is looked at ahead is decided as of its moment
    decision = decide(
        work.book.trigger(schedule),
        cursor_at=schedule.cursor_at,
        now=now,
        grace=schedule.grace,
        policy=schedule.misfire,
    )
    if decision.is_alert:
        log.warning("Catching up left fire times out; they are missed.", extra={"schedule": schedule.pk})
    rows = [_missed(schedule, missed, decision, now) for missed in decision.missed]
    for fire in decision.runs:
        passage = Passage(at=fire.at, not_before=now)
        rows.append(_row(schedule, pass_through(work.gates, schedule, passage), fire.coalesced, now))
    work.rows += rows
    work.moves.append((schedule.pk, decision.cursor_at, decision.next_at))
    work.has_more |= decision.has_more


def _fire_by_rule(schedule: Due, rule: Rule, work: _Batch) -> None:
    """Decide a schedule that a calendar, a blackout or a freeze may touch."""
    due = Until(cursor_at=schedule.cursor_at, now=work.now, grace=schedule.grace, policy=schedule.misfire)
    found = plan(work.book.trigger(schedule), rule, due)
    rows = [_missed(schedule, missed, found, work.now) for missed in found.missed]
    rows += [_excluded(schedule, span, rule, work.now) for span in found.excluded]
    rows += [_planned(schedule, run, rule, work) for run in found.runs]
    work.rows += rows
    work.moves.append((schedule.pk, found.cursor_at, found.next_at))
    work.has_more |= found.has_more


def _planned(schedule: Due, planned: PlannedRun, rule: Rule, work: _Batch) -> _Row:
    moment = planned.outcome.at if planned.outcome and planned.outcome.at else planned.at
    passage = Passage(at=moment, not_before=max(moment, work.now))
    # What is to run on another day meets its overlap rule there, in the claim.
    gates = work.gates if passage.not_before <= work.now else [tenant_gate, jitter_gate]
    row = _row(schedule, replace(pass_through(gates, schedule, passage), at=planned.at), planned.coalesced, work.now)
    if row.status == RunStatus.QUEUED and planned.outcome is not None:
        return replace(row, reason=moved_reason(planned.outcome, rule))
    return row


def _excluded(schedule: Due, span: Excluded, rule: Rule, now: datetime) -> _Row:
    """One instant is skipped; a span of many is written like a span of missed ones, with the rule that lists them."""
    reason = excluded_reason(span, rule, rule_args(schedule))
    status = RunStatus.SKIPPED if span.count == 1 else RunStatus.MISSED
    return _Row(
        schedule=schedule,
        now=now,
        at=span.first,
        not_before=now,
        coalesced=span.count,
        status=status,
        reason=reason,
    )


def _missed(schedule: Due, missed: Missed, decision: Decision | Plan, now: datetime) -> _Row:
    key = "misfire.catch_up_full" if decision.is_alert else "misfire"
    rule = {"rule": rule_args(schedule)} if missed.count > 1 else {}
    reason = say(ReasonCode.MISFIRE, key, count=missed.count, last_at=missed.last, **rule)
    return _Row(
        schedule=schedule,
        now=now,
        at=missed.first,
        not_before=now,
        coalesced=missed.count,
        status=RunStatus.MISSED,
        reason=reason,
    )


def _row(schedule: Due, passage: Passage, coalesced: int, now: datetime) -> _Row:
    return _Row(
        schedule=schedule,
        now=now,
        at=passage.at,
        not_before=passage.not_before,
        coalesced=coalesced,
        status=RunStatus.QUEUED if passage.reason is None else RunStatus.SKIPPED,
        reason=passage.reason or Reason(),
    )


_COLUMNS = (
    *("tenant", "job", "revision", "schedule", "dedupe_key", "params", "scheduled_for", "not_before", "coalesced"),
    *("status", "reason_code", "reason", "reason_args", "queue", "priority", "claim_order_at", "ended_at"),
    *("is_container", "wait_reason", "created_at"),
)
_EVENT_COLUMNS = ("run", "new", "at", "processed_at", "reason_code", "reason", "reason_args")


def _insert(work: _Batch) -> list[_Row]:
    """Insert what is not there yet, with its events; returns what is new. What another beat inserted is left alone."""
    if not work.rows:
        return []
    params = default_params(row.schedule.job.revision_id or 0 for row in work.rows)
    keyed = {fire_key(row.schedule.pk, row.at): row for row in work.rows}
    values = [_values(key, row, params) for key, row in keyed.items()]
    same = {"origin": Origin.SCHEDULE}
    made = insert_many(Run, _COLUMNS, values, same=same, unique="dedupe_key", returning=["id", "dedupe_key"])
    created = {int(pk): keyed[key] for pk, key in made}
    events = [
        (pk, row.status, row.now, row.now if row.status == RunStatus.QUEUED else None, *_reason(row))
        for pk, row in created.items()
    ]
    insert_many(RunEvent, _EVENT_COLUMNS, events)
    _make_way(created, work.now)
    return list(created.values())


def _values(key: str, row: _Row, params: Mapping[int, dict[str, Any]]) -> tuple[Any, ...]:
    schedule, job = row.schedule, row.schedule.job
    is_queued = row.status == RunStatus.QUEUED
    return (
        *(job.tenant_id, job.pk, job.revision_id, schedule.pk, key, params[job.revision_id or 0]),
        *(row.at, row.not_before, row.coalesced, row.status, *_reason(row), job.queue, job.priority),
        *(claim_order(row.not_before, job.priority), None if is_queued else row.now, bool(job.fan_out)),
        WaitReason.TIME if is_queued and row.not_before > row.now else WaitReason.NONE,
        row.now,
    )


def _reason(row: _Row) -> tuple[str, str, dict[str, Any]]:
    return (row.reason.code, row.reason.text, row.reason.stored_args)


def _make_way(created: Mapping[int, _Row], now: datetime) -> None:
    """Under `cancel_previous`, the newest takes the place of what is older."""
    keys = [
        pk
        for pk, row in created.items()
        if row.status == RunStatus.QUEUED
        and row.not_before <= now
        and row.schedule.job.overlap == OverlapPolicy.CANCEL_PREVIOUS
    ]
    for run in Run.objects.filter(pk__in=keys).select_related("job").order_by("pk") if keys else ():
        make_way(run.job, newest=run, now=now)
