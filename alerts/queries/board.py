"""What the incident board shows beside each incident: a fixed number of statements, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.db.models.expressions import OrderBy

from alerts.models import AlertRule, AlertStatus, Incident, IncidentMember, Notification
from alerts.shelf import target_of
from alerts.states import IncidentStatus, Severity
from jobs.models import Job

RECENT = timedelta(days=3)  # what was resolved since then stays on the board
MOST_RULES = 2_000  # of a tenant, that a filter by label looks at
MOST_NAMED = 50  # rules and jobs that a search takes up by their name
CAUSES = 5_000  # newest incidents whose cause a search reads


@dataclass(frozen=True, kw_only=True)
class BoardFacts:
    """`alerts` take part now, `past_alerts` did; `messages` are counted by their status."""

    alerts: int = 0
    past_alerts: int = 0
    messages: Mapping[str, int] = field(default_factory=dict)


def board_facts(ids: Iterable[int]) -> dict[int, BoardFacts]:
    """Incident id → its facts. Two statements."""
    wanted = list(ids)
    members = IncidentMember.objects.filter(incident__in=wanted).order_by().values("incident_id")
    counted = {
        row["incident_id"]: (row["now"], row["all"] - row["now"])
        for row in members.annotate(all=Count("pk"), now=Count("pk", filter=Q(left_at=None)))
    }
    messages: dict[int, dict[str, int]] = defaultdict(dict)
    sent = Notification.objects.filter(incident__in=wanted).order_by().values_list("incident_id", "status")
    for pk, status, number in sent.annotate(n=Count("pk")):
        messages[pk][status] = number
    return {
        pk: BoardFacts(alerts=counted.get(pk, (0, 0))[0], past_alerts=counted.get(pk, (0, 0))[1], messages=messages[pk])
        for pk in wanted
    }


def on_the_board(rows: QuerySet[Incident], now: datetime) -> QuerySet[Incident]:
    """What is not over, and what was resolved lately."""
    return rows.filter(Q(resolved_at=None) | Q(resolved_at__gte=now - RECENT))


def board_order() -> list[OrderBy | str]:
    """Open, acknowledged, resolved; the most urgent first, and of those the newest."""
    status = Case(
        When(status=IncidentStatus.OPEN, then=Value(0)),
        When(status=IncidentStatus.ACKNOWLEDGED, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    urgency = Case(
        *[When(status__in=_UNRESOLVED, severity=each, then=Value(-each.rank)) for each in Severity],
        default=Value(0),
        output_field=IntegerField(),
    )
    return [status.asc(), urgency.asc(), "-opened_at", "-id"]


_UNRESOLVED = [IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED]


def with_label(rows: QuerySet[Incident], rules: QuerySet[AlertRule], wanted: str) -> QuerySet[Incident]:
    """Incidents of alerts that carry the label ("team=payments", or "urgent"), or whose job does."""
    name, equals, value = wanted.partition("=")
    of_rules = [rule.pk for rule in rules.only("pk", "labels")[:MOST_RULES] if _fits(rule.labels, name, equals, value)]
    about_jobs = AlertStatus.objects.filter(rule__in=rules.order_by().values("pk"), job__isnull=False)
    of_jobs = [
        status.pk
        for status in about_jobs.select_related("rule", "job").order_by("-pk")[:MOST_RULES]
        if _fits(target_of(status.job, status.rule).labels, name, equals, value)
    ]
    members = IncidentMember.objects.filter(Q(status__rule__in=of_rules) | Q(status__in=of_jobs))
    return rows.filter(pk__in=members.order_by().values("incident_id"))


def _fits(labels: Mapping[str, object] | None, name: str, equals: str, value: str) -> bool:
    found = labels or {}
    return name in found and (not equals or str(found[name]) == value)


def labels_of(rules: QuerySet[AlertRule]) -> list[str]:
    """The labels that rules carry, as a filter offers them."""
    found = set()
    for labels in rules.order_by("-pk").values_list("labels", flat=True)[:MOST_RULES]:
        found |= {f"{name}={value}" if value else str(name) for name, value in (labels or {}).items()}
    return sorted(found)


def search(rows: QuerySet[Incident], rules: QuerySet[AlertRule], jobs: QuerySet[Job], text: str) -> QuerySet[Incident]:
    """The incident of that number; those of rules and jobs so named; those whose cause says so, among the newest.

    `rules` and `jobs` are those the reader may see.
    """
    text = text.strip()
    number = text.removeprefix("#")
    if number.isdecimal() and number.isascii() and len(number) < 19:
        return rows.filter(pk=int(number))
    named = Q(name__icontains=text) | Q(slug__icontains=text)
    rule_ids = list(rules.filter(named).order_by("-pk").values_list("pk", flat=True)[:MOST_NAMED])
    job_ids = list(jobs.filter(named).order_by("-pk").values_list("pk", flat=True)[:MOST_NAMED])
    members = IncidentMember.objects.filter(Q(status__rule__in=rule_ids) | Q(status__job__in=job_ids))
    newest = list(rows.order_by("-id").values_list("pk", flat=True)[CAUSES - 1 : CAUSES])
    floor = newest[0] if newest else 0
    causes = Q(pk__gte=floor, cause__icontains=text)
    return rows.filter(Q(pk__in=members.order_by().values("incident_id")) | causes)
