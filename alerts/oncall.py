"""On-call rotas as rows: who is on call now and next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import Membership, User
from alerts import escalation
from alerts.escalation import people_of
from alerts.models import OnCallRota
from alerts.rota import Shift
from portal.lib.fielderrors import FieldError, FieldErrors

SHOWN = 10
LOOK_AHEAD = timedelta(days=400)
MOST_MEMBERS = 50


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


def members_of_many(rows: Collection[OnCallRota]) -> dict[int, dict[int, User]]:
    """As `members_of` for each of the rotas, by id, in two statements."""
    ids = {row.pk: {*row.members, *(one.user_id for one in row.overrides.all())} for row in rows}
    inside = set(
        Membership.objects.filter(tenant__in={row.tenant_id for row in rows}, user__is_active=True)
        .filter(user__in=set().union(*ids.values()))
        .values_list("tenant", "user")
    )
    people = User.objects.in_bulk({user for _tenant, user in inside})
    return {row.pk: {pk: people[pk] for pk in ids[row.pk] if (row.tenant_id, pk) in inside} for row in rows}


def members_named(names: Iterable[str], *, tenant_id: int, known: Collection[int] = ()) -> list[int]:
    """The ids of a rota's members in the order of their turns; FieldErrors when somebody can't be one.

    `known` are members that it has: one who has left the tenant since is no new mistake.
    """
    given = list(names)
    wanted = list(dict.fromkeys(given))
    if not wanted:
        raise FieldErrors.of("members", _("Name at least one member."))
    if len(wanted) > MOST_MEMBERS:
        raise FieldErrors.of("members", _("At most %(count)d members take turns.") % {"count": MOST_MEMBERS})
    inside = Q(pk__in=people_of(tenant_id).values("pk")) | Q(pk__in=list(known))
    people = dict(User.objects.filter(inside, username__in=wanted).values_list("username", "pk"))
    words = _("“%(name)s” is no active member of this tenant: write a user name of one.")
    unknown = [
        FieldError(path=f"members[{given.index(name)}]", message=words % {"name": name[:60]})
        for name in wanted
        if name not in people
    ]
    if unknown:
        raise FieldErrors(unknown)
    return [people[name] for name in wanted]


def duties(row: OnCallRota, now: datetime, count: int = SHOWN) -> list[Duty]:
    """The shift that is under way and the next ones."""
    if not escalation.has_zone(row):
        return []
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
