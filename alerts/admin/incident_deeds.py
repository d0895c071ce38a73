"""What people do with incidents from the board and from the page: one service call each, and a word on what came of it.

The rights: `acknowledge` covers all that says "I look after it"; `resolve` says that it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from itertools import islice
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin_scope import user_of
from accounts.models import User
from accounts.permissions import can
from alerts import incidents
from alerts.incidents import IncidentRefusedError, Person
from alerts.models import Incident
from alerts.states import IncidentStatus
from jobs import dbclock

TOMORROW_AT = time(9, 0)
MOST_AT_ONCE = 500
MOST_SAID = 5
Posted = Mapping[str, Any]
Act = Callable[[Incident, Person, Posted], bool]


@dataclass(frozen=True, kw_only=True)
class Deed:
    """`act` says whether it changed something; `done` is the word when it did, `same` when not."""

    verb: str
    label: str | Promise
    act: Act
    done: str | Promise
    same: str | Promise = ""


def tomorrow() -> datetime:
    """09:00 of the next day in the reader's zone."""
    day = timezone.localtime().date() + timedelta(days=1)
    return timezone.make_aware(datetime.combine(day, TOMORROW_AT))


def _acknowledge(incident: Incident, by: Person, posted: Posted) -> bool:
    return incidents.acknowledge(incident, at=dbclock.now(), by=by)


def _take_back(incident: Incident, by: Person, posted: Posted) -> bool:
    if incident.status != IncidentStatus.ACKNOWLEDGED:
        return False
    incidents.take_back(incident, at=dbclock.now(), by=by)
    return True


def _resolve(incident: Incident, by: Person, posted: Posted) -> bool:
    incidents.resolve(incident, at=dbclock.now(), by=by)
    return True


def _comment(incident: Incident, by: Person, posted: Posted) -> bool:
    incidents.comment(incident, at=dbclock.now(), by=by)
    return True


def _snooze(until: Callable[[Posted], datetime], incident: Incident, by: Person, posted: Posted) -> bool:
    incidents.snooze(incident, until=until(posted), at=dbclock.now(), by=by)
    return True


def _end_snooze(incident: Incident, by: Person, posted: Posted) -> bool:
    return incidents.end_snooze(incident, at=dbclock.now(), by=by)


def _assign_me(incident: Incident, by: Person, posted: Posted) -> bool:
    if by.user is None or incident.owner_id == by.user.pk:
        return False
    incidents.assign(incident, owner=by.user, at=dbclock.now(), by=by)
    return True


def _assign(incident: Incident, by: Person, posted: Posted) -> bool:
    """`owner` is the id of one of the people the page offers; empty: nobody."""
    text = str(posted.get("owner", ""))
    people = {str(user.pk): user for user in incidents.possible_owners(incident)}
    if text and text not in people:
        raise IncidentRefusedError(_("This person may not see the incident: choose another one."))
    if text == str(incident.owner_id or ""):
        return False
    incidents.assign(incident, owner=people.get(text), at=dbclock.now(), by=by)
    return True


def _after(hours: int, posted: Posted) -> datetime:
    return dbclock.now() + timedelta(hours=hours)


def _chosen(posted: Posted) -> datetime:
    """What was filled in, in the reader's zone."""
    try:
        found = parse_datetime(str(posted.get("until", "")))
    except ValueError:
        found = None
    if found is None:
        raise IncidentRefusedError(_("Choose a time that is to come, at most 30 days from now."))
    return found if timezone.is_aware(found) else timezone.make_aware(found)


_SNOOZED = gettext_lazy("Nothing more is sent about %(name)s for now.")

DEEDS: dict[str, Deed] = {
    "acknowledge": Deed(
        verb="acknowledge",
        label=gettext_lazy("Acknowledge"),
        act=_acknowledge,
        done=gettext_lazy("%(name)s is acknowledged: reminders and escalation stop."),
        same=gettext_lazy("%(name)s was acknowledged already."),
    ),
    "take_back": Deed(
        verb="acknowledge",
        label=gettext_lazy("Take back"),
        act=_take_back,
        done=gettext_lazy("%(name)s is open again: the escalation begins anew."),
        same=gettext_lazy("Nobody has acknowledged %(name)s."),
    ),
    "snooze_1h": Deed(
        verb="acknowledge",
        label=gettext_lazy("Snooze for 1 hour"),
        act=partial(_snooze, partial(_after, 1)),
        done=_SNOOZED,
    ),
    "snooze_4h": Deed(
        verb="acknowledge",
        label=gettext_lazy("Snooze for 4 hours"),
        act=partial(_snooze, partial(_after, 4)),
        done=_SNOOZED,
    ),
    "snooze_tomorrow": Deed(
        verb="acknowledge",
        label=gettext_lazy("Snooze until tomorrow, 09:00"),
        act=partial(_snooze, lambda posted: tomorrow()),
        done=_SNOOZED,
    ),
    "snooze_until": Deed(
        verb="acknowledge", label=gettext_lazy("Snooze"), act=partial(_snooze, _chosen), done=_SNOOZED
    ),
    "end_snooze": Deed(
        verb="acknowledge",
        label=gettext_lazy("End the snooze"),
        act=_end_snooze,
        done=gettext_lazy("%(name)s is awake: reminders and escalation go on."),
        same=gettext_lazy("%(name)s was not snoozed."),
    ),
    "assign_me": Deed(
        verb="acknowledge",
        label=gettext_lazy("Assign to me"),
        act=_assign_me,
        done=gettext_lazy("You look after %(name)s."),
        same=gettext_lazy("You looked after %(name)s already."),
    ),
    "assign": Deed(
        verb="acknowledge",
        label=gettext_lazy("Assign"),
        act=_assign,
        done=gettext_lazy("%(name)s has another owner."),
        same=gettext_lazy("The owner of %(name)s is the same."),
    ),
    "comment": Deed(
        verb="acknowledge",
        label=gettext_lazy("Comment"),
        act=_comment,
        done=gettext_lazy("The comment is in the timeline."),
    ),
    "resolve": Deed(
        verb="resolve",
        label=gettext_lazy("Resolve"),
        act=_resolve,
        done=gettext_lazy("%(name)s is resolved. If the next result is bad again, a new incident opens."),
    ),
}


def person(request: HttpRequest) -> Person:
    return Person(user=user_of(request), text=str(request.POST.get("comment", "")))


def do(request: HttpRequest, incident: Incident, name: str) -> None:
    """One deed to one incident; what came of it is a message. PermissionDenied without the right."""
    deed = DEEDS[name]
    if not can(user_of(request), deed.verb, incident):
        raise PermissionDenied
    words = {"name": f"#{incident.pk}"}
    try:
        if deed.act(incident, person(request), request.POST):
            messages.success(request, str(deed.done) % words)
        else:
            messages.info(request, str(deed.same) % words)
    except IncidentRefusedError as refusal:
        messages.error(request, f"#{incident.pk}: {refusal}")


def do_to_many(request: HttpRequest, rows: Iterable[Incident], name: str) -> None:
    """One deed to each chosen incident the user may do it to; the counts become messages. Of too many none is done."""
    deed, user = DEEDS[name], user_of(request)
    chosen = list(islice(rows, MOST_AT_ONCE + 1))
    if len(chosen) > MOST_AT_ONCE:
        words = _("At most %(count)d incidents are changed at once: choose fewer.")
        messages.error(request, words % {"count": MOST_AT_ONCE})
        return
    done = same = refused = 0
    refusals: list[str] = []
    by = Person(user=user)
    for incident in chosen:
        if not can(user, deed.verb, incident):
            refused += 1
            continue
        try:
            was_done = deed.act(incident, by, {})
        except IncidentRefusedError as refusal:
            refusals.append(f"#{incident.pk}: {refusal}")
            continue
        done, same = done + was_done, same + (not was_done)
    _report(request, deed, done=done, same=same, refused=refused)
    _say_refusals(request, refusals)


def _say_refusals(request: HttpRequest, refusals: Sequence[str]) -> None:
    for words in refusals[:MOST_SAID]:
        messages.error(request, words)
    left = len(refusals) - MOST_SAID
    if left > 0:
        words = ngettext("%(n)d more incident was refused.", "%(n)d more incidents were refused.", left)
        messages.error(request, words % {"n": left})


def _report(request: HttpRequest, deed: Deed, *, done: int, same: int, refused: int) -> None:
    if done:
        words = ngettext("%(deed)s: %(n)d incident.", "%(deed)s: %(n)d incidents.", done)
        messages.success(request, words % {"deed": deed.label, "n": done})
    if same:
        words = ngettext("%(n)d incident was so already.", "%(n)d incidents were so already.", same)
        messages.info(request, words % {"n": same})
    if refused:
        words = ngettext("You may not do this to %(n)d incident.", "You may not do this to %(n)d incidents.", refused)
        messages.warning(request, words % {"n": refused})


def allowed(user: User, incident: Incident) -> frozenset[str]:
    """The verbs the user may do to it."""
    return frozenset(verb for verb in ("acknowledge", "resolve") if can(user, verb, incident))
