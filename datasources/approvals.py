"""Write approvals: asked for when a change is too large, decided by a second person, used once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import User
from accounts.permissions import can, visible_to
from datasources.models import DataSource, WriteApproval
from datasources.states import TRANSITIONS, ApprovalStatus
from datasources.target import Allowance
from portal.lib.said import said as _

LASTS = timedelta(hours=24)


class DecisionRefusedError(Exception):
    """It can't be decided so; `str()` is a sentence for the user."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What somebody wants to do to a datasource: a script, its values, and who asks ("job nightly, run #7")."""

    statement: str
    values: Mapping[str, Any] = field(default_factory=dict)
    purpose: str = ""


def digest_of(datasource: DataSource, change: Change) -> str:
    """The same only for the same text with the same values in the same place."""
    place = [str(datasource.key), datasource.kind, datasource.params]
    content = json.dumps([place, change.statement, dict(change.values)], sort_keys=True, default=str)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def ask(
    datasource: DataSource,
    change: Change,
    *,
    actor: User | None,
    affected: int | None,
    reason: str = "",
    asked_by: User | None = None,
) -> WriteApproval:
    """Ask for an approval, or find the one that is asked for already. `actor` None is the platform itself.

    `asked_by` is who shall not decide it; left out, that is the actor.
    """
    if actor is not None and not can(actor, "use", datasource):
        raise PermissionDenied
    now, asked_by = timezone.now(), asked_by or actor
    digest = digest_of(datasource, change)
    with transaction.atomic():
        DataSource.objects.select_for_update().get(pk=datasource.pk)  # two runs of one job ask once
        waiting: WriteApproval | None = (
            _open(datasource, digest, now, ApprovalStatus.PENDING).filter(asked_by=asked_by).first()
        )
        if waiting is not None and waiting.affected_rows == affected:
            return waiting
        if waiting is not None:  # what was asked for is not what would happen now
            _move(waiting, ApprovalStatus.REFUSED, decided_at=now)
        made = WriteApproval.objects.create(
            tenant_id=datasource.tenant_id,
            datasource=datasource,
            digest=digest,
            statement=change.statement,
            values=dict(change.values),
            purpose=change.purpose[:200],
            reason=str(reason),
            affected_rows=affected,
            max_affected_rows=datasource.max_affected_rows,
            expires_at=now + LASTS,
            asked_by=asked_by,
            created_by=asked_by,
        )
        _record("asked", made, actor)
    return made


def waiting_for(user: User) -> QuerySet[WriteApproval]:
    """Those that wait for this person's word now: in time, of a datasource they may change, asked for by another."""
    theirs = visible_to(user, DataSource.objects.all(), "change").order_by().values("pk")
    rows = WriteApproval.objects.filter(status=ApprovalStatus.PENDING, expires_at__gt=timezone.now())
    return rows.filter(datasource__in=theirs).exclude(asked_by=user)


def refusal(approval: WriteApproval, *, actor: User) -> str:
    """Why this person can't decide it now; empty when they can."""
    if not can(actor, "change", approval.datasource):
        return _("Only somebody who may change the datasource decides this.")
    if approval.asked_by_id == actor.pk:
        return _("You asked for this yourself: a second person decides it.")
    if approval.status != ApprovalStatus.PENDING:
        return _("This was decided already.")
    if approval.is_expired(timezone.now()):
        return _("The time for this has run out: run the job again, and it will be asked for anew.")
    return ""


def decide(approval: WriteApproval, *, actor: User, approve: bool) -> None:
    """Approve or refuse. Raises `PermissionDenied` without the right, `DecisionRefusedError` with a sentence."""
    if not can(actor, "change", approval.datasource):
        raise PermissionDenied
    if why := refusal(approval, actor=actor):
        raise DecisionRefusedError(why)
    status = ApprovalStatus.APPROVED if approve else ApprovalStatus.REFUSED
    with transaction.atomic():
        now = timezone.now()
        if not _move(approval, status, decided_by=actor, decided_at=now, expires_at=now + LASTS):
            raise DecisionRefusedError(_("This was decided already."))
        _record(str(status), approval, actor)


def spend(datasource: DataSource, change: Change, *, actor: User | None) -> Allowance | None:
    """Use the approval of this very change, if there is one; it is gone afterwards, whatever becomes of the run."""
    now = timezone.now()
    found = _open(datasource, digest_of(datasource, change), now, ApprovalStatus.APPROVED).order_by("id")
    for approval in found:
        with transaction.atomic():
            if _move(approval, ApprovalStatus.USED, used_at=now, used_for=change.purpose[:200]):
                _record("used", approval, actor)
                return Allowance(max_affected=approval.affected_rows)
    return None


def _open(datasource: DataSource, digest: str, now: datetime, status: str) -> Any:
    return WriteApproval.objects.filter(datasource=datasource, digest=digest, status=status, expires_at__gt=now)


def _move(approval: WriteApproval, status: str, **fields: Any) -> bool:
    """The one writer of a status: only from a status that allows it; False when somebody was faster."""
    before = [old for old, allowed in TRANSITIONS.items() if status in allowed]
    rows = WriteApproval.objects.filter(pk=approval.pk, status__in=before)
    if status in (ApprovalStatus.APPROVED, ApprovalStatus.USED):
        rows = rows.filter(status=approval.status, expires_at__gt=timezone.now())
    if not rows.update(status=status, updated_at=timezone.now(), **fields):
        return False
    approval.refresh_from_db()
    return True


def _record(verb: str, approval: WriteApproval, actor: User | None) -> None:
    details = {"digest": approval.digest, "affected_rows": approval.affected_rows, "purpose": approval.purpose}
    audit.record(f"datasources.write.{verb}", actor=actor, target=approval, details=details)
