"""What the page of one incident reads: its alerts, its timeline, its messages, and who is told next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from alerts.escalation import user_on_call
from alerts.models import EscalationStep, Incident, IncidentEvent, IncidentMember, Notification, OnCallRota
from alerts.states import UNRESOLVED, IncidentStatus
from jobs.models import Job, Run

MOST_EVENTS = 200
MOST_MEMBERS = 100
MOST_MESSAGES = 100


@dataclass(frozen=True, kw_only=True)
class Shown:
    """`left_out` says how many more there are."""

    rows: list[Any]
    left_out: int = 0


def members(incident: Incident) -> Shown:
    """The alerts that take part, those that do now first."""
    rows = IncidentMember.objects.filter(incident=incident).select_related("status__rule", "status__job")
    return _first(rows.order_by("left_at", "joined_at", "pk"), MOST_MEMBERS)


def present_runs(found: Sequence[IncidentMember], runs: QuerySet[Run]) -> set[int]:
    """Which of the members' last runs are still there; `runs` are those the reader may see."""
    wanted = [member.status.run_id for member in found if member.status.run_id]
    return set(runs.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()


def present_jobs(found: Sequence[IncidentMember], jobs: QuerySet[Job]) -> set[int]:
    """Which of the members' jobs the reader may open."""
    wanted = [member.status.job_id for member in found if member.status.job_id]
    return set(jobs.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()


def events(incident: Incident) -> Shown:
    """The newest lines of the timeline, newest first."""
    rows = IncidentEvent.objects.filter(incident=incident).select_related("actor")
    return _first(rows.order_by("-at", "-pk"), MOST_EVENTS)


def messages(incident: Incident) -> Shown:
    """What was written about it, newest first, with each try."""
    rows = Notification.objects.filter(incident=incident).select_related("channel", "rule", "stands_in_for__channel")
    return _first(rows.order_by("-pk").prefetch_related("attempts").defer("body", "facts"), MOST_MESSAGES)


def _first(rows: QuerySet[Any], most: int) -> Shown:
    found = list(rows[: most + 1])
    return Shown(rows=found) if len(found) <= most else Shown(rows=found[:most], left_out=rows.count() - most)


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """`number` of `total`, at `at`: who will be told. `turn` counts repetitions from 0."""

    number: int
    total: int
    turn: int
    at: datetime
    channels: list[str]
    on_call: User | None
    rota: str


def next_step(incident: Incident) -> NextStep | None:
    """The step of the escalation policy that comes next; None when none does."""
    policy = incident.escalation
    if policy is None or incident.next_step_at is None or incident.status not in UNRESOLVED:
        return None
    if incident.status == IncidentStatus.ACKNOWLEDGED:
        return None
    steps: list[EscalationStep] = list(
        policy.steps.order_by("number").select_related("rota").prefetch_related("channels")
    )
    if not steps:
        return None
    turn, place = divmod(incident.step_number, len(steps))
    step = steps[place]
    return NextStep(
        number=place + 1,
        total=len(steps),
        turn=turn,
        at=incident.next_step_at,
        channels=[channel.name for channel in step.channels.all()],
        on_call=_on_call(step.rota, incident.next_step_at),
        rota=step.rota.name if step.rota else "",
    )


def _on_call(rota: OnCallRota | None, at: datetime) -> User | None:
    """A rota that can't be used any more (its zone is unknown here) calls nobody, and breaks no page."""
    try:
        return user_on_call(rota, at) if rota is not None else None
    except (KeyError, ValueError, TypeError):
        return None
