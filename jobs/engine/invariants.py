"""The ledger's invariants, as queries that return the offending rows. `check_ledger` runs them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, Sum
from django.db.models.functions import Length

from jobs.calendars import Book
from jobs.engine.labels import OVER_BY_NOW
from jobs.engine.settle import MOST_LOST
from jobs.models import Attempt, LogChunk, Run, RunEvent, Schedule
from jobs.retention.policy import keep_for
from jobs.scheduling.cron import TriggerError
from jobs.scheduling.tick import AHEAD
from jobs.scheduling.triggers import Trigger
from jobs.scheduling.workdays import WORKDAY
from jobs.states import ACTIVE, NOT_RUN, RETRYABLE, TERMINAL, TRANSITIONS, AttemptStatus, Origin, RunStatus

MOST_SHOWN = 20
AT_ONCE = 500  # schedules
MOST_INSTANTS = 100_000  # of one schedule, oldest first
QUIET = timedelta(minutes=5)
Finding = str


@dataclass(frozen=True, kw_only=True)
class Invariant:
    """`number` is the contract's; `find` yields one sentence per offending row."""

    number: int
    text: str
    find: Callable[[datetime], Iterator[Finding]]


def _illegal_transitions(now: datetime) -> Iterator[Finding]:
    """3: a terminal run never changes; every recorded move is one of the table's."""
    legal = Q(old="", new__in=list(TRANSITIONS[None]))
    for old, targets in TRANSITIONS.items():
        if old is not None and targets:
            legal |= Q(old=old, new__in=list(targets))
    for event in RunEvent.objects.exclude(legal)[:MOST_SHOWN]:
        yield f"run {event.run_id}: {event.old or 'nothing'} → {event.new}"
    ends = RunEvent.objects.filter(new__in=list(TERMINAL)).values("run").annotate(count=Count("pk"))
    for row in ends.filter(count__gt=1)[:MOST_SHOWN]:
        yield f"run {row['run']}: ended {row['count']} times"


def _attempt_numbers(now: datetime) -> Iterator[Finding]:
    """4: attempt numbers are 1..n and tokens strictly increase with them."""
    rows = Attempt.objects.values("run").annotate(
        count=Count("pk"), low=Min("number"), high=Max("number"), tokens=Count("token", distinct=True)
    )
    bad = rows.filter(~Q(low=1) | ~Q(high=F("count")) | ~Q(tokens=F("count")))
    for row in bad[:MOST_SHOWN]:
        yield f"run {row['run']}: {row['count']} attempts numbered {row['low']} to {row['high']}"
    for pk, run in Attempt.objects.exclude(token=F("number")).values_list("pk", "run")[:MOST_SHOWN]:
        yield f"run {run}: attempt {pk} has a token that is not its number"


def _open_attempts(now: datetime) -> Iterator[Finding]:
    """5: exactly one open attempt when running, none otherwise."""
    still_open = Count("attempts", filter=Q(attempts__status=AttemptStatus.RUNNING))
    rows = Run.objects.annotate(still_open=still_open)
    executing = Q(status=RunStatus.RUNNING, is_container=False)
    bad = rows.filter(executing & ~Q(still_open=1) | ~executing & Q(still_open__gt=0))
    for run in bad[:MOST_SHOWN]:
        yield f"run {run.pk} is {run.status} with {run.still_open} open attempts"


def _running_is_leased(now: datetime) -> Iterator[Finding]:
    """6 and the last half of 10: a running run has lease, worker and token, and its lease is not long expired."""
    bad = Run.objects.filter(status=RunStatus.RUNNING, is_container=False).filter(
        Q(lease_until=None) | Q(worker=None) | Q(token=0) | Q(lease_until__lt=now - QUIET)
    )
    for run in bad[:MOST_SHOWN]:
        yield f"run {run.pk}: lease until {run.lease_until}, worker {run.worker_id}, token {run.token}"


def _final_token(now: datetime) -> Iterator[Finding]:
    """7: the last attempt carries the run's token."""
    rows = Run.objects.filter(token__gt=0).annotate(last=Max("attempts__token")).exclude(last=F("token"))
    for run in rows[:MOST_SHOWN]:
        yield f"run {run.pk}: token {run.token}, last attempt's token {run.last}"


def _stuck(now: datetime) -> Iterator[Finding]:
    """10: nothing due waits for more than five minutes without saying why."""
    bad = Run.objects.filter(status=RunStatus.QUEUED, not_before__lt=now - QUIET, wait_reason__in=OVER_BY_NOW)
    for run in bad[:MOST_SHOWN]:
        yield f"run {run.pk} is due since {run.not_before} and says no reason"


def _exit_codes(now: datetime) -> Iterator[Finding]:
    """11: a retry follows only a technical failure, a timeout, a lost or a released attempt."""
    may_follow = [*(status.value for status in RETRYABLE), AttemptStatus.LOST, AttemptStatus.RELEASED]
    last = Attempt.objects.values("run").annotate(high=Max("number")).filter(run=F("run"), high__gt=1)
    highest = {row["run"]: row["high"] for row in last.iterator()}
    ended = Attempt.objects.exclude(status__in=[*may_follow, AttemptStatus.RUNNING])
    for run, number, status in ended.filter(run__in=list(highest)).values_list("run", "number", "status").iterator():
        if number < highest[run]:
            yield f"run {run}: attempt {number} ended {status} and another followed"


def _tries(now: datetime) -> Iterator[Finding]:
    """12: no more tries than allowed, no more losses than three."""
    for run in Run.objects.filter(lost_count__gt=MOST_LOST)[:MOST_SHOWN]:
        yield f"run {run.pk} lost {run.lost_count} workers"
    retried = Run.objects.filter(tries_used__gt=1).select_related("revision")
    for run in retried.iterator():
        most = run.revision.definition.get("retry", {}).get("max", 0) + 1
        if run.tries_used > most:
            yield f"run {run.pk} used {run.tries_used} of {most} tries"


def _overlaps(now: datetime) -> Iterator[Finding]:
    """13: no job runs more at once than its overlap policy allows."""
    rows = (
        Run.objects.filter(status=RunStatus.RUNNING, parent=None)
        .values("job", "job__overlap", "job__overlap_limit")
        .annotate(count=Count("pk"))
    )
    for row in rows:
        most = row["job__overlap_limit"] if row["job__overlap"] == "allow" else 1
        if row["count"] > most:
            yield f"job {row['job']} has {row['count']} runs at once; {most} may"


def _quotas(now: datetime) -> Iterator[Finding]:
    """14: no tenant runs more at once than its limit."""
    executing = Run.objects.filter(status=RunStatus.RUNNING, is_container=False)
    rows = executing.values("tenant", "tenant__running_limit")
    over = rows.annotate(count=Count("pk")).filter(count__gt=F("tenant__running_limit"))
    for row in over:
        yield f"tenant {row['tenant']} has {row['count']} runs at once; {row['tenant__running_limit']} may"


def _parts(now: datetime) -> Iterator[Finding]:
    """15, for shards and broadcasts: a container that began has one part for each number it is to have, no other."""
    begun = Run.objects.filter(is_container=True, started_at__isnull=False)
    rows = begun.annotate(count=Count("parts"), different=Count("parts__shard_index", distinct=True))
    for run in rows.iterator():
        wanted = len(run.only_shards) or run.shard_total
        if not run.count == run.different == wanted:
            yield f"run {run.pk} has {run.count} parts with {run.different} numbers; {wanted} are to be"
    strays = Run.objects.filter(parent__isnull=False).filter(
        Q(parent__is_container=False) | Q(shard_index__gte=F("shard_total")) | ~Q(shard_total=F("parent__shard_total"))
    )
    for part in strays[:MOST_SHOWN]:
        yield f"run {part.pk} is part {part.shard_index} of {part.shard_total} of run {part.parent_id}, which can't be"


def _containers(now: datetime) -> Iterator[Finding]:
    """16, for the same: a container has ended exactly when all its parts have."""
    alive = Exists(Run.objects.filter(parent=OuterRef("pk"), status__in=list(ACTIVE)))
    containers = Run.objects.filter(is_container=True, started_at__isnull=False)
    for run in containers.filter(alive, status__in=list(TERMINAL))[:MOST_SHOWN]:
        yield f"run {run.pk} is {run.status}, but a part of it has not ended"
    for run in containers.filter(~alive, status=RunStatus.RUNNING)[:MOST_SHOWN]:
        yield f"run {run.pk} goes on, but all of its parts have ended"
    for run in Run.objects.filter(is_container=True).filter(Q(token__gt=0) | Q(attempts__isnull=False))[:MOST_SHOWN]:
        yield f"run {run.pk} is made of parts and was executed itself"


def _log_gaps(now: datetime) -> Iterator[Finding]:
    """19: chunks are numbered 1..n."""
    rows = LogChunk.objects.values("attempt").annotate(count=Count("pk"), low=Min("seq"), high=Max("seq"))
    for row in rows.filter(~Q(low=1) | ~Q(high=F("count")))[:MOST_SHOWN]:
        yield f"attempt {row['attempt']}: {row['count']} chunks numbered {row['low']} to {row['high']}"
    stored = Attempt.objects.exclude(status=AttemptStatus.RUNNING).annotate(
        kept=Sum(Length("chunks__text"), filter=~Q(chunks__stream="system"))
    )
    for attempt in stored.filter(kept__gt=F("log_bytes"))[:MOST_SHOWN]:
        yield f"attempt {attempt.pk}: more text is stored than the {attempt.log_bytes} bytes it says"


def _reasons(now: datetime) -> Iterator[Finding]:
    """21: what did not run says why."""
    for run in Run.objects.filter(status__in=list(NOT_RUN), reason_code="")[:MOST_SHOWN]:
        yield f"run {run.pk} is {run.status} without a reason code"


def _fire_times(now: datetime) -> Iterator[Finding]:
    """2: since the oldest kept run of a schedule, every run's instant is a fire time of its trigger (while unedited).

    A schedule's anchor moves when it is edited, so only instants after the last edit are compared.
    """
    found = Schedule.objects.filter(is_enabled=True, next_fire_at__isnull=False)
    rows = found.select_related("job__tenant", "calendar").order_by("pk").iterator(chunk_size=AT_ONCE)
    while schedules := list(islice(rows, AT_ONCE)):
        book = Book.of(schedules)
        for schedule in schedules:
            try:
                trigger = book.trigger(schedule)
            except TriggerError as error:
                yield f"schedule {schedule.pk} can't be read: {error}"
                continue
            yield from _missing_instants(schedule, trigger, now)


def _missing_instants(schedule: Schedule, trigger: Trigger, now: datetime) -> Iterator[Finding]:
    since = max(schedule.updated_at, keep_for(schedule.job).runs_until(now))  # what is older may have been pruned
    if schedule.kind == WORKDAY and schedule.calendar is not None:
        since = max(since, schedule.calendar.updated_at)  # its days were others before
    rows = Run.objects.filter(schedule=schedule, origin=Origin.SCHEDULE, scheduled_for__gt=since)
    kept = list(rows.order_by("scheduled_for").values_list("scheduled_for", "coalesced", "status"))
    if not kept:
        return
    expected = trigger.between(since, schedule.cursor_at, MOST_INSTANTS)
    looked_at = expected[-1] if len(expected) == MOST_INSTANTS else schedule.cursor_at
    have = {instant for instant, _count, _status in kept if instant <= looked_at}
    old_rule = since + AHEAD  # what it was about to say when it was edited is written already
    for instant in sorted(at for at in have - set(expected) if at > old_rule)[:MOST_SHOWN]:
        yield f"schedule {schedule.pk} has a run for {instant}, which is no fire time of it"
    first = min(have, default=since)
    stood_for = sum(count - 1 for _instant, count, status in kept if status == RunStatus.MISSED)  # summary rows
    missing = [instant for instant in expected if instant >= first and instant not in have]
    if len(missing) > stood_for:
        yield f"schedule {schedule.pk} has no row for {len(missing) - stood_for} fire times, such as {missing[0]}"


INVARIANTS = [
    Invariant(number=2, text="every fire time has its row", find=_fire_times),
    Invariant(number=3, text="only legal transitions, one end per run", find=_illegal_transitions),
    Invariant(number=4, text="attempts are numbered 1..n with rising tokens", find=_attempt_numbers),
    Invariant(number=5, text="one open attempt exactly while running", find=_open_attempts),
    Invariant(number=6, text="a running run is leased", find=_running_is_leased),
    Invariant(number=7, text="the last word was spoken with the run's token", find=_final_token),
    Invariant(number=10, text="nothing due waits without a reason", find=_stuck),
    Invariant(number=11, text="only what may be retried was retried", find=_exit_codes),
    Invariant(number=12, text="tries and losses are bounded", find=_tries),
    Invariant(number=13, text="overlap policies hold", find=_overlaps),
    Invariant(number=14, text="quotas hold", find=_quotas),
    Invariant(number=15, text="a whole has one part of each number", find=_parts),
    Invariant(number=16, text="a whole ends with the last of its parts", find=_containers),
    Invariant(number=19, text="logs have no gap", find=_log_gaps),
    Invariant(number=21, text="what did not run says why", find=_reasons),
]
