"""The banner above every page: what is silent now, and what was silent lately, until its reader takes it off."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin_scope import user_of
from accounts.permissions import visible_to
from jobs import outages
from jobs.models import Job, Outage
from jobs.outages import QUEUE_PREFIX, STOPS_FIRING

SHOWN_AFTER = timedelta(hours=12)
MOST_SHOWN = 4
DISMISSED = "outages_dismissed"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """`since` and `until` are the period in which due moments may have been missed; empty where none can have been."""

    text: str
    advice: str
    is_over: bool
    since: str = ""
    until: str = ""


def notices(request: HttpRequest) -> list[Notice]:
    """One statement for a page; a second one only while a queue is silent."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_staff:
        return []
    if not user.is_superuser and not getattr(request, "tenants", []):
        return []
    now = timezone.now()
    lately = Q(ended_at__gt=_shown_from(request, now))
    found = list(Outage.objects.filter(Q(ended_at=None) | lately).order_by("-pk")[: 2 * MOST_SHOWN])
    if not user.is_superuser and any(outages.queue_of(each.subject) for each in found):
        seen = set(outages_for(request, Outage.objects.filter(pk__in=[each.pk for each in found])).values_list("pk"))
        found = [each for each in found if (each.pk,) in seen]
    found.sort(key=lambda each: (each.ended_at is not None, -each.pk))
    return [_notice(each, is_platform=user.is_superuser) for each in found[:MOST_SHOWN]]


def outages_for(request: HttpRequest, rows: QuerySet[Outage]) -> QuerySet[Outage]:
    """The outages that concern the reader."""
    user = user_of(request)
    if user.is_superuser:
        return rows
    queues: list[str] = []
    if rows.filter(subject__startswith=QUEUE_PREFIX).exists():
        queues = list(visible_to(user, Job.objects.filter(archived_at=None)).values_list("queue", flat=True).distinct())
    return outages.seen_by(rows, is_platform=False, queues=queues)


def dismiss(request: HttpRequest) -> None:
    """Forget what is over by now; what ends later is shown again."""
    request.session[DISMISSED] = timezone.now().isoformat()


def _shown_from(request: HttpRequest, now: datetime) -> datetime:
    try:
        dismissed = datetime.fromisoformat(request.session.get(DISMISSED, ""))
    except (TypeError, ValueError):
        return now - SHOWN_AFTER
    return max(dismissed, now - SHOWN_AFTER)


def _notice(outage: Outage, *, is_platform: bool) -> Notice:
    is_over = outage.ended_at is not None
    stops = outage.subject in STOPS_FIRING
    # A minute more on both sides: the moments at the edges are what people look for.
    until = (outage.ended_at or timezone.now()) + timedelta(minutes=1)
    return Notice(
        text=outages.sentence(outage),
        advice=outages.advice(outage) if is_platform and not is_over else "",
        is_over=is_over,
        since=(outage.began_at - timedelta(minutes=1)).isoformat() if stops else "",
        until=until.isoformat() if stops else "",
    )
