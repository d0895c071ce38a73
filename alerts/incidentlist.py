"""Incidents for operators at a shell: listed, acknowledged and resolved by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from accounts.permissions import can
from alerts import incidents, wording
from alerts.incidents import IncidentRefusedError, Person
from alerts.models import Incident
from alerts.queries.board import board_facts, board_order
from alerts.states import IncidentStatus
from jobs import dbclock

MOST = 10_000
SHELL = "shell"  # who did it, when nobody is named: the operator of this machine


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`deed` is acknowledge or resolve; `username` empty: the operator of this machine, who may do all."""

    deed: str
    comment: str = ""
    username: str = ""
    tenant: str = ""


def listed(tenant: str, *, is_whole: bool, most: int) -> list[dict[str, Any]]:
    """What is not over, as the board sorts it; `is_whole`: everything, the newest first."""
    rows = Incident.objects.select_related("tenant", "owner").defer("evidence")
    if tenant:
        rows = rows.filter(tenant=_tenant(tenant))
    rows = rows.order_by("-id") if is_whole else rows.filter(resolved_at=None).order_by(*board_order())
    return _facts(list(rows[: max(0, min(most, MOST))]))


@transaction.atomic
def act(numbers: Sequence[int], asked: Asked) -> list[dict[str, Any]]:
    """All of them or none. IncidentRefusedError says which one can't be done, and why."""
    user = _user(asked.username)
    by = Person(user=user, name="" if user else SHELL, text=asked.comment)
    for number in dict.fromkeys(numbers):
        incident = _incident(number, asked.tenant)
        if user is not None and not can(user, asked.deed, incident):
            words = _("“%(user)s” may not do this to incident #%(number)d.")
            raise IncidentRefusedError(words % {"user": asked.username, "number": number})
        try:
            if asked.deed == "resolve":
                incidents.resolve(incident, at=dbclock.now(), by=by)
            else:
                incidents.acknowledge(incident, at=dbclock.now(), by=by)
        except IncidentRefusedError as refusal:
            raise IncidentRefusedError(f"#{number}: {refusal}") from None
    rows = Incident.objects.filter(pk__in=numbers).select_related("tenant", "owner").order_by("pk")
    return _facts(list(rows))


def line(fact: dict[str, Any]) -> str:
    """One incident on one line."""
    owner = fact["owner"] or fact["acknowledged_by"] or "–"
    return (
        f"#{fact['number']}  {fact['tenant']}  {fact['status']}  {fact['severity']}  {fact['opened_at']}  "
        f"× {fact['bad_results']}  {owner}  {fact['title']}"
    )


def _facts(rows: list[Incident]) -> list[dict[str, Any]]:
    found = board_facts(row.pk for row in rows)
    return [
        {
            "number": row.pk,
            "tenant": row.tenant.slug,
            "title": wording.render(row.title, row.cause),
            "cause": row.cause,
            "kind": row.kind,
            "severity": row.severity,
            "status": row.status,
            "opened_at": row.opened_at.isoformat(timespec="seconds"),
            "resolved_at": row.resolved_at.isoformat(timespec="seconds") if row.resolved_at else None,
            "snoozed_until": row.snoozed_until.isoformat(timespec="seconds") if row.snoozed_until else None,
            "owner": str(row.owner) if row.owner else "",
            "acknowledged_by": row.acknowledged_by if row.status == IncidentStatus.ACKNOWLEDGED else "",
            "bad_results": row.count,
            "alerts": found[row.pk].alerts,
            "messages": dict(found[row.pk].messages),
        }
        for row in rows
    ]


def _tenant(slug: str) -> Tenant:
    found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        raise IncidentRefusedError(_("There is no tenant “%(slug)s”.") % {"slug": slug})
    return found


def _incident(number: int, tenant: str) -> Incident:
    rows = Incident.objects.filter(pk=number)
    found = (rows.filter(tenant=_tenant(tenant)) if tenant else rows).first()
    if found is None:
        words = _("There is no incident #%(number)d here: `incidents list --all` shows them.")
        raise IncidentRefusedError(words % {"number": number})
    return found


def _user(username: str) -> User | None:
    if not username:
        return None
    found = User.objects.filter(username=username, is_active=True).first()
    if found is None:
        raise IncidentRefusedError(_("There is no user “%(user)s”.") % {"user": username})
    return found
