"""Alerts that begin anew, and alerts that nobody watches any more: what they remembered is over, and nobody is told."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from alerts import incidents, standing
from alerts.memory import Memory
from alerts.models import AlertStatus, IncidentMember
from alerts.states import AlertState
from alerts.wording import Sentence, say

BATCH = 100


def start_over(status: AlertStatus, now: datetime, why: Sentence | None = None) -> None:
    """As if nothing had been found yet; `status` is locked. `why` stands in the timeline of what was open."""
    incidents.forget(status, now, why)
    memory = Memory.new(now)
    status.memory, status.state, status.state_at = memory.to_json(), memory.state, now
    status.row_identities, status.wakes_at = [], None
    status.save(update_fields=["memory", "state", "state_at", "row_identities", "wakes_at"])


def let_go(now: datetime) -> int:
    """Of jobs that were deleted, or that their rule's selector no longer fits: no result could ever end them."""
    open_parts = IncidentMember.objects.filter(status=OuterRef("pk"), left_at=None)
    rows = AlertStatus.objects.filter(job__isnull=False).order_by("pk").select_related("rule", "job__tenant")
    deleted = rows.filter(Q(Exists(open_parts)) | ~Q(state=AlertState.OK), job__archived_at__isnull=False)
    done = sum(_let_go(status, now, say("incident.job_deleted")) for status in deleted[:BATCH])
    for status in rows.filter(Exists(open_parts), rule__job=None, job__archived_at=None).iterator():
        if status.job is not None and not standing.is_about(status.rule, status.job):
            done += _let_go(status, now, say("incident.unconcerned", rule=status.rule.name, job=status.job.name))
    return done


def _let_go(read: AlertStatus, now: datetime, why: Sentence) -> int:
    with transaction.atomic():
        status = AlertStatus.objects.select_for_update().filter(pk=read.pk).order_by().first()
        if status is None:
            return 0
        status.rule = read.rule
        start_over(status, now, why)
    return 1
