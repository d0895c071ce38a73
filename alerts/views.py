"""The page behind the link of a message: who has it may acknowledge this one incident, and see what was found.

A GET only shows the page: mail scanners and chat previews follow links. The POST acts while the incident is open. The
link is worth nothing once an acknowledgement was taken back: later messages bring their own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.permissions import can
from alerts import incidents, wording
from alerts.incidents import IncidentRefusedError, Person
from alerts.models import Incident
from alerts.signing import Link, LinkError, read_acknowledge_token
from alerts.states import UNRESOLVED, Happened, IncidentStatus
from jobs import dbclock


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def acknowledge(request: HttpRequest, token: str) -> HttpResponse:
    """Of a token that is damaged, too old, or whose incident is gone: one sentence, and nothing else."""
    try:
        link = read_acknowledge_token(token)
    except LinkError as error:
        return _page(request, problem=str(error.sentence), status=410 if error.is_expired else 404)
    incident = Incident.objects.select_related("tenant").filter(pk=link.incident, tenant__is_active=True).first()
    if incident is None:
        return _page(request, problem=_("This incident does not exist any more."), status=404)
    if _is_outdated(link, incident):
        words = _("The acknowledgement was taken back after this message: use the link of a later one, or log in.")
        return _page(request, problem=words, status=410)
    done = problem = ""
    if request.method == "POST":
        try:
            was_first = incidents.acknowledge(incident, at=dbclock.now(), by=_person(request, link, incident))
            done = _("Acknowledged. Reminders and escalation stop.") if was_first else ""
        except IncidentRefusedError as error:
            problem = str(error)
        incident.refresh_from_db()
    return _page(request, incident=incident, done=done, problem=problem)


def _is_outdated(link: Link, incident: Incident) -> bool:
    """The signature knows whole seconds: a link that was made in the second of the event is good."""
    after = link.signed_at + timedelta(seconds=1)
    return incident.events.filter(what=Happened.REOPENED, at__gte=after).exists()


def _person(request: HttpRequest, link: Link, incident: Incident) -> Person:
    """Who is logged in and may see the incident is known by name; others by where the message went."""
    asker = request.user
    user = asker if asker.is_authenticated and can(asker, "view", incident) else None
    return Person(user=user, name="" if user else link.recipient, text=request.POST.get("comment", ""))


def _page(
    request: HttpRequest, *, incident: Incident | None = None, done: str = "", problem: str = "", status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {"done": done, "problem": problem}
    if incident is not None:
        evidence = incident.evidence if isinstance(incident.evidence, dict) else {}
        context |= {
            "incident": incident,
            "title_text": wording.render(incident.title, incident.cause),
            "found": wording.render(evidence.get("sentence")),
            "may_acknowledge": incident.status == IncidentStatus.OPEN,
            "is_over": incident.status not in UNRESOLVED,
        }
    answer = render(request, "alerts/acknowledge.html", context, status=status)
    # The address is a key. With "no-referrer" browsers send "Origin: null", and Django refuses the POST.
    answer["Referrer-Policy"] = "same-origin"
    return answer
