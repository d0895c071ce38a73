"""Runs: created, moved, cancelled. The only module beside `jobs.engine` that writes a run's status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from jobs import dbclock, freezes
from jobs.bells import ring_on_commit
from jobs.deadlocks import repeated_after_deadlock
from jobs.ledgersql import insert_many, update_many
from jobs.models import Job, JobRevision, Run, RunEvent
from jobs.parts import whole_of
from jobs.policies import OverlapPolicy
from jobs.reasons import Reason, quote, say
from jobs.runparams import validate_run_params
from jobs.scheduling.closed import frozen_reason
from jobs.states import ACTIVE, NOT_RUN, TRANSITIONS, Origin, ReasonCode, RunStatus, WaitReason

AGEING = timedelta(minutes=10)
EVENT_REASON: tuple[tuple[str, Any], ...] = (("reason_code", ""), ("reason", ""), ("reason_args", {}))


class RunRefusedError(Exception):
    """The run can't be created; the message says why and what to do."""


class IllegalTransitionError(Exception):
    """Code asked for a transition the table forbids: a defect, not a race."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """That a new run repeats an old one: with the old one's revision, or with the job's latest."""

    run: Run
    use_latest: bool = False
    only_shards: tuple[int, ...] = ()  # of a run in parts: those; none: all


class FrozenError(RunRefusedError):
    """A change freeze is in force. `may_override`: the actor has the right to confirm it and run all the same."""

    def __init__(self, words: str, *, may_override: bool) -> None:
        super().__init__(words)
        self.may_override = may_override


@dataclass(frozen=True, kw_only=True)
class _Asked:
    origin: str
    actor: User | None
    params: Mapping[str, Any]
    dedupe_key: str = ""
    again: Again | None = None
    despite_freeze: bool = False


def create_run(
    job: Job,
    *,
    origin: str,
    actor: User | None = None,
    params: Mapping[str, Any] | None = None,
    dedupe_key: str = "",
    again: Again | None = None,
) -> Run:
    """One intended execution of the job's published revision, due now; rings after commit.

    The same `dedupe_key` gives the same run. Raises RunRefusedError, or RunParamsError for bad parameter values;
    FrozenError when somebody asks for it while a change freeze is in force.
    """
    asked = _Asked(origin=origin, actor=actor, params=params or {}, dedupe_key=dedupe_key, again=again)
    return _create(job, asked)


def create_run_despite_freeze(
    job: Job,
    *,
    origin: str,
    actor: User | None,
    params: Mapping[str, Any] | None = None,
    dedupe_key: str = "",
    again: Again | None = None,
) -> Run:
    """The same, confirmed by somebody who may: no freeze holds this run, and the audit trail says so."""
    asked = _Asked(
        origin=origin, actor=actor, params=params or {}, dedupe_key=dedupe_key, again=again, despite_freeze=True
    )
    return _create(job, asked)


@repeated_after_deadlock
def _create(job: Job, asked: _Asked) -> Run:
    again, actor = asked.again, asked.actor
    chosen = again.run.revision if again and not again.use_latest else job.revision
    if chosen is None or job.archived_at is not None:
        raise RunRefusedError(_("This job has been deleted or was never saved whole. Open it, save it, and try again."))
    if not job.tenant.is_active:
        raise RunRefusedError(_("The tenant is disabled. Ask a platform admin to enable it."))
    values = validate_run_params(chosen.definition.get("run_params", []), dict(asked.params))
    now = dbclock.now()
    frozen = _checked_freeze(job, asked, now)
    with transaction.atomic():
        run, is_new = Run.objects.get_or_create(
            dedupe_key=asked.dedupe_key or f"{asked.origin}:{uuid4()}",
            defaults=row_values(job, chosen, origin=asked.origin, now=now)
            | {"requested_by": actor, "params": values, "rerun_of": again.run if again else None}
            | {"despite_freeze": frozen is not None, **_parts_values(chosen, again)},
        )
        if not is_new:
            return run
        RunEvent.objects.create(run=run, old="", new=run.status, actor=actor, at=now)
        make_way(job, newest=run, now=now)
        if actor is not None:
            audit.record("jobs.run.requested", actor=actor, target=run, summary=f"{job.slug} #{run.pk}")
        if frozen is not None:
            audit.record("jobs.run.despite_freeze", actor=actor, target=run, summary=f"{job.slug} #{run.pk}: {frozen}")
        ring_on_commit([run.queue])
    return run


def _parts_values(chosen: JobRevision, again: Again | None) -> dict[str, Any]:
    """Whether the run is made of parts: what its own revision says, whatever the job says by now."""
    return {"is_container": _is_split(chosen), "only_shards": list(again.only_shards) if again else []}


def _checked_freeze(job: Job, asked: _Asked, now: datetime) -> str | None:
    """The name of the freeze that is overridden; None without one. Only what somebody asks for now is refused."""
    if asked.origin not in (Origin.MANUAL, Origin.API):
        return None
    freeze = freezes.in_force_for(job, now)
    if freeze is None or (asked.dedupe_key and Run.objects.filter(dedupe_key=asked.dedupe_key).exists()):
        return None
    may_override = freezes.may_override(asked.actor, job, freeze)
    if asked.despite_freeze and may_override:
        return freeze.name
    words = frozen_reason(ReasonCode.FROZEN, freeze.closure()).text
    advice = (
        _("Confirm that it is to run despite the freeze, or wait until it is over.")
        if may_override
        else _("Wait until it is over, or ask somebody who may run jobs despite a freeze.")
    )
    raise FrozenError(f"{words} {advice}", may_override=may_override)


def _is_split(revision: JobRevision) -> bool:
    return bool((revision.definition.get("fan_out") or {}).get("mode"))


def row_values(job: Job, revision: JobRevision, *, origin: str, now: datetime) -> dict[str, Any]:
    """The columns every new queued run has; callers add or override."""
    return {
        "tenant_id": job.tenant_id,
        "job": job,
        "revision": revision,
        "origin": origin,
        "scheduled_for": now,
        "not_before": now,
        "status": RunStatus.QUEUED,
        "queue": job.queue,
        "priority": job.priority,
        "claim_order_at": claim_order(now, job.priority),
        "is_container": bool(job.fan_out) if revision.pk == job.revision_id else _is_split(revision),
        "created_at": now,
    }


def claim_order(not_before: datetime, priority: int) -> datetime:
    """What the claim sorts by: each point of priority is worth ten minutes of waiting, so nothing starves."""
    return not_before - priority * AGEING


def fire_key(schedule_id: int, instant: datetime) -> str:
    """The key that makes one nominal instant of one schedule one run, whoever inserts it."""
    return f"schedule:{schedule_id}:{instant:%Y-%m-%dT%H:%M:%SZ}"


def make_way(job: Job, *, newest: Run, now: datetime) -> None:
    """Under `cancel_previous`, cancel what is older; the claim holds the new run until the old one is gone.

    A backfill's run is of another instant: the newer one does not stand for it.
    """
    if job.overlap != OverlapPolicy.CANCEL_PREVIOUS:
        return
    why = say(ReasonCode.CANCELLED_BY_OVERLAP, run=newest.pk)
    older_runs = Run.objects.filter(job=job, parent=None, status__in=ACTIVE, pk__lt=newest.pk)
    for older in older_runs.exclude(origin=Origin.BACKFILL).order_by("pk"):
        request_cancel(older, why, now=now)


def move(run: Run, new: RunStatus, *, now: datetime, actor: User | None = None, **changes: Any) -> bool:
    """Move a run by one guarded update; False when somebody else was faster. Writes the event in the same transaction.

    `changes` are further columns. The guard is status and token as this object last read them.
    """
    old = RunStatus(run.status)
    changes = _checked(old, new, changes, now=now)
    with transaction.atomic():
        guarded = Run.objects.filter(pk=run.pk, status=old, token=run.token)
        if guarded.update(status=new, **changes) == 0:
            return False
        RunEvent.objects.create(
            run=run,
            old=old,
            new=new,
            reason_code=changes.get("reason_code", ""),
            reason=changes.get("reason", ""),
            reason_args=changes.get("reason_args", {}),
            actor=actor,
            at=now,
        )
        if run.parent_id is not None and new not in ACTIVE:
            close_container(run.parent_id, now=now)
    run.status = new
    for name, value in changes.items():
        if not hasattr(value, "resolve_expression"):
            setattr(run, name, value)
    return True


@dataclass(frozen=True, kw_only=True)
class Move:
    """One run's step, for `move_many`; `changes` are further columns."""

    run: Run
    new: RunStatus
    changes: Mapping[str, Any]


def move_many(moves: Sequence[Move], *, now: datetime) -> None:
    """Move runs whose rows the caller has locked; one update for all with the same columns, one insert for the events.

    The guard is status and token as each object holds them; a row that does not match is a defect of the caller.
    """
    groups: dict[tuple[str, ...], list[tuple[Run, dict[str, Any]]]] = {}
    for step in moves:
        old = RunStatus(step.run.status)
        changes = _checked(old, step.new, dict(step.changes), now=now) | {"status": step.new}
        groups.setdefault((old, *sorted(changes)), []).append((step.run, changes))
    events = [
        (step.run.pk, step.run.status, step.new, *(step.changes.get(name, blank) for name, blank in EVENT_REASON))
        for step in moves
    ]
    for (status, *columns), members in groups.items():
        values = [(run.pk, run.token, *(changes[name] for name in columns)) for run, changes in members]
        if len(update_many(Run, ["id", "token"], columns, values, where={"status": status})) != len(members):
            raise IllegalTransitionError("a locked run had another status or token than was read")
        for run, changes in members:
            for name, value in changes.items():
                setattr(run, name, value)
    insert_many(RunEvent, ["run", "old", "new", *(name for name, _blank in EVENT_REASON)], events, same={"at": now})


def _checked(old: RunStatus, new: RunStatus, changes: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """The columns of a legal step; IllegalTransitionError for any other."""
    if new not in TRANSITIONS[old]:
        raise IllegalTransitionError(f"{old} → {new}")
    if new in NOT_RUN and not changes.get("reason_code"):
        raise IllegalTransitionError(f"{new} needs a reason code")
    if new not in ACTIVE:
        changes |= {"ended_at": now, "lease_until": None, "wait_reason": WaitReason.NONE}
    return changes


def close_container(pk: int, *, now: datetime) -> bool:
    """End a running container if all of its parts have ended; False when it goes on, or had ended. Idempotent.

    The container's row is locked first: of two parts that end at once, the second sees the first's end.
    """
    with transaction.atomic():
        container = next(iter(_locked(Run.objects.filter(pk=pk, is_container=True, status=RunStatus.RUNNING))), None)
        if container is None:
            return False
        counts = dict(container.parts.order_by().values_list("status").annotate(count=Count("pk")))
        whole = whole_of(counts)
        if whole is None:
            return False
        changes = whole.why.columns() if whole.why else {}
        if whole.status == RunStatus.CANCELLED and container.cancel_requested_at:
            changes = cancel_columns(container)
        return move(container, whole.status, now=now, **changes)


@repeated_after_deadlock
def cancel_run(run: Run, *, actor: User | None, reason: str | Reason = "") -> bool:
    """Cancel a queued run at once, or ask the worker of a running one to. False: it had already ended.

    `reason` is the person's own words, or a reason of `jobs.reasons`.
    """
    why = _cancelled_by(actor, reason) if isinstance(reason, str) else reason
    with transaction.atomic():
        done = request_cancel(run, why, now=dbclock.now(), actor=actor)
        if done and actor is not None:
            audit.record("jobs.run.cancelled", actor=actor, target=run, summary=f"{run.job.slug} #{run.pk}")
    return done


def _cancelled_by(actor: User | None, words: str) -> Reason:
    code = ReasonCode.CANCELLED_BY_USER
    if words:
        return quote(code, words)
    return say(code, user=actor.get_username()) if actor else say(code, "cancelled_by_user.nobody")


def request_cancel(run: Run, why: Reason, *, now: datetime, actor: User | None = None) -> bool:
    """Queued → cancelled; running → flagged for its worker, which kills the script and then ends the run.

    A container has no worker: its parts are cancelled, and it ends with the last of them.
    """
    for _attempt in range(5):  # the status may change under us; each change is a step forward
        run.refresh_from_db()
        if run.status == RunStatus.QUEUED:
            if move(run, RunStatus.CANCELLED, now=now, actor=actor, **why.columns()):
                return True
        elif run.status == RunStatus.RUNNING:
            if _ask_to_end(run, why, now=now, actor=actor):
                return True
        else:
            return False
    return False


def _ask_to_end(run: Run, why: Reason, *, now: datetime, actor: User | None) -> bool:
    asked = {f"cancel_{name}": value for name, value in why.columns().items()}
    with transaction.atomic():
        parts = _locked(run.parts.filter(status__in=ACTIVE).order_by("pk")) if run.is_container else []
        running = Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, token=run.token)
        if not running.update(cancel_requested_at=now, **asked):
            return False
        for part in parts:
            request_cancel(part, why, now=now, actor=actor)
    return True


def _locked(rows: QuerySet[Run]) -> list[Run]:
    """Parts are locked before their container, as when a part ends: so the two can't lock each other out."""
    if connection.features.has_select_for_update:
        rows = rows.select_for_update(no_key=connection.features.has_select_for_no_key_update)
    return list(rows)


def cancel_columns(run: Run) -> dict[str, Any]:
    """The reason of a running run that was asked to end, as the columns it ends with."""
    if not run.cancel_reason_code:
        return say(ReasonCode.CANCELLED_BY_USER, "cancelled_by_user.nobody").columns()
    return {name: getattr(run, f"cancel_{name}") for name in ("reason_code", "reason", "reason_args")}


def rerun(run: Run, *, actor: User | None, use_latest: bool = False, despite_freeze: bool = False) -> Run:
    """A new run with the same parameters that points at the old one; with its revision, or the latest.

    A part is repeated in a whole of its own, so that it has its number again.
    """
    if run.parent is not None and run.shard_index is not None:
        return rerun_parts(run.parent, [run.shard_index], actor=actor)
    create = create_run_despite_freeze if despite_freeze else create_run
    return create(
        run.job,
        origin=Origin.MANUAL,
        actor=actor,
        params=run.params,
        again=Again(run=run, use_latest=use_latest),
    )


def rerun_failed(run: Run, *, actor: User | None) -> Run:
    """A new run of the parts of an ended container that did not succeed: same revision, numbers, and total."""
    failed = run.parts.exclude(status=RunStatus.SUCCEEDED).order_by("shard_index")
    indexes = [index for index in failed.values_list("shard_index", flat=True) if index is not None]
    if run.status in ACTIVE or not indexes:
        raise RunRefusedError(_("There is no failed part to run again: wait for the end of the run, or run it whole."))
    return rerun_parts(run, indexes, actor=actor)


def rerun_parts(run: Run, indexes: Sequence[int], *, actor: User | None) -> Run:
    """A new run with only these parts of a container."""
    again = Again(run=run, only_shards=tuple(indexes))
    return create_run(run.job, origin=Origin.MANUAL, actor=actor, params=run.params, again=again)
