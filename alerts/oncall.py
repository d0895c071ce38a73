"""On-call rotas as rows: who is on call now and next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from accounts.models import User
from alerts import escalation
from alerts.models import OnCallRota
from alerts.rota import Shift

SHOWN = 10
LOOK_AHEAD = timedelta(days=400)


@dataclass(frozen=True, kw_only=True)
class Duty:
    """One shift with the person in it; `person` is None while nobody is on call, or when they have left."""

    person: User | None
    starts_at: datetime
    ends_at: datetime
    is_override: bool
    is_now: bool = False


def members_of(row: OnCallRota) -> dict[int, User]:
    """The people of the rota who still belong to the tenant, by id."""
    ids = [*row.members, *(one.user_id for one in row.overrides.all())]
    return {user.pk: user for user in people_of(row.tenant_id).filter(pk__in=ids)}


def people_of(tenant_id: int) -> QuerySet[User]:
    """Who may be on call for the tenant: its active members."""
    return User.objects.filter(memberships__tenant=tenant_id, is_active=True).distinct()


def duties(row: OnCallRota, now: datetime, count: int = SHOWN) -> list[Duty]:
    """The shift that is under way and the next ones."""
    people = members_of(row)
    found: list[Duty] = []
    for shift in escalation.rota_of(row).shifts(now, now + LOOK_AHEAD):
        found.append(_duty(shift, people, is_now=not found))
        if len(found) > count:
            break
    return found


def _duty(shift: Shift, people: Mapping[int, User], *, is_now: bool) -> Duty:
    return Duty(
        person=people.get(int(shift.member)) if shift.member else None,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        is_override=shift.is_override,
        is_now=is_now,
    )
