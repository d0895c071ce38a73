"""How alerts have done: states now, incidents per day, how long people took, which rules are noisy or never spoke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Avg, Count, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.db.models.expressions import CombinedExpression

from alerts.models import AlertCheck, AlertRule, AlertStatus, Incident, IncidentMember
from alerts.queries.days import Day, counts_per_day
from alerts.states import AlertState, Severity

MOST_NOISY = 10
MOST_QUIET = 20


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Mean times of the incidents opened in a period; None when there was none to measure."""

    opened: int
    acknowledged: int
    resolved: int
    to_acknowledge: timedelta | None
    to_resolve: timedelta | None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How often alerts of a rule were part of an incident."""

    pk: int
    name: str
    incidents: int
    bad_results: int


def states_now(rules: QuerySet[AlertRule]) -> dict[str, int]:
    """State → how many alerts of enabled rules are in it."""
    statuses = AlertStatus.objects.filter(rule__in=rules.filter(is_enabled=True).order_by().values("pk")).order_by()
    found = dict(statuses.values_list("state").annotate(n=Count("pk")))
    return {state.value: found.get(state.value, 0) for state in AlertState}


def opened_per_day(incidents: QuerySet[Incident], days: Sequence[Day]) -> dict[str, list[int]]:
    """Severity → how many incidents opened on each day."""
    found = counts_per_day(incidents, days, at="opened_at", by="severity")
    return {severity.value: found.get(severity.value, [0] * len(days)) for severity in Severity}


def pace(incidents: QuerySet[Incident], days: Sequence[Day]) -> Pace:
    within = _within(incidents, days)
    found = within.aggregate(
        opened=Count("pk"),
        acknowledged=Count("acknowledged_at"),
        resolved=Count("resolved_at"),
        to_acknowledge=Avg(_took("acknowledged_at"), filter=Q(acknowledged_at__isnull=False)),
        to_resolve=Avg(_took("resolved_at"), filter=Q(resolved_at__isnull=False)),
    )
    return Pace(**found)


def _took(until: str) -> ExpressionWrapper[CombinedExpression]:
    return ExpressionWrapper(F(until) - F("opened_at"), output_field=DurationField())


def _within(incidents: QuerySet[Incident], days: Sequence[Day]) -> QuerySet[Incident]:
    return incidents.filter(opened_at__gte=days[0].starts, opened_at__lt=days[-1].ends).order_by()


def noisiest(incidents: QuerySet[Incident], days: Sequence[Day]) -> list[Noise]:
    """The rules whose alerts were part of most incidents."""
    members = IncidentMember.objects.filter(incident__in=_within(incidents, days).values("pk")).order_by()
    rows = members.values("status__rule", "status__rule__name").annotate(n=Count("incident", distinct=True))
    top = list(rows.order_by("-n", "status__rule")[:MOST_NOISY])
    bad = AlertCheck.objects.filter(status__rule__in=[row["status__rule"] for row in top], verdict="bad").order_by()
    bad = bad.filter(at__gte=days[0].starts, at__lt=days[-1].ends)
    results = dict(bad.values_list("status__rule").annotate(n=Count("pk")))
    return [
        Noise(
            pk=row["status__rule"],
            name=row["status__rule__name"],
            incidents=row["n"],
            bad_results=results.get(row["status__rule"], 0),
        )
        for row in top
    ]


def never_fired(rules: QuerySet[AlertRule]) -> tuple[list[AlertRule], int]:
    """Enabled rules that were never part of an incident, the oldest first; and how many there are."""
    ever = IncidentMember.objects.filter(status__rule=OuterRef("pk"))
    quiet = rules.filter(is_enabled=True).filter(~Exists(ever))
    return list(quiet.order_by("pk")[:MOST_QUIET]), quiet.count()
