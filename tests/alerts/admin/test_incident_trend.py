"""The trend of alerts: states now, incidents per day, how long people took, noisy and silent rules."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from alerts.models import AlertCheck, AlertStatus
from alerts.queries.days import last_days
from alerts.states import IncidentStatus, Severity
from tests.alerts.admin import incidentrows as rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
TREND = "/admin/alerts/incident/trend/"


def shown(client, query: str = ""):
    response = client.get(f"{TREND}?{query}")
    assert response.status_code == 200
    return response.context


def test_states_of_enabled_rules_are_counted(editor) -> None:
    by, off = rows.rule("on"), rows.rule("off", is_enabled=False)
    for number, (rule, state) in enumerate([(by, "ok"), (by, "ok"), (by, "stale"), (off, "error")]):
        AlertStatus.objects.create(rule=rule, subject=f"s{number}", state=state, state_at=timezone.now())
    counts = {str(one["label"]): one["count"] for one in shown(editor)["states"]}
    assert counts == {"OK": 2, "Pending": 0, "Firing": 0, "Check fails": 0, "No result in time": 1, "No data": 0}


def test_incidents_are_counted_by_day_and_severity(editor) -> None:
    rows.incident("a", ago=0, severity=Severity.CRITICAL)
    rows.incident("b", ago=0)
    rows.incident("c", ago=60 * 24 * 3)
    rows.incident("long ago", ago=60 * 24 * 20)
    rows.incident("foreign", of=jobs.tenant("other"))
    context = shown(editor)
    counts = {one.tone: list(one.counts) for one, _look in context["series"]}
    assert counts == {"bad": [0, 0, 0, 0, 0, 0, 1], "warn": [0, 0, 0, 1, 0, 0, 1], "info": [0] * 7}
    assert context["pace"].opened == 3
    assert shown(editor, "days=30")["pace"].opened == 4


def test_mean_times_are_of_what_was_acknowledged_and_resolved(editor) -> None:
    at = timezone.now() - timedelta(hours=5)
    for minutes in (10, 20):
        rows.incident(
            str(minutes),
            status=IncidentStatus.RESOLVED,
            opened_at=at,
            acknowledged_at=at + timedelta(minutes=minutes),
            resolved_at=at + timedelta(hours=2),
        )
    rows.incident("open")
    pace = shown(editor, "days=30")["pace"]
    assert (pace.to_acknowledge, pace.to_resolve) == (timedelta(minutes=15), timedelta(hours=2))
    assert (pace.opened, pace.acknowledged, pace.resolved) == (3, 2, 2)


def test_noisy_rules_come_first_and_silent_ones_are_named(editor) -> None:
    loud, calm, silent = rows.rule("loud"), rows.rule("calm"), rows.rule("silent")
    rows.rule("switched-off", is_enabled=False)
    for number in range(3):
        made = rows.incident(f"i{number}")
        status, _new = AlertStatus.objects.get_or_create(rule=loud, subject="x", defaults={"state_at": made.opened_at})
        made.members.create(status=status, joined_at=made.opened_at)
        AlertCheck.objects.create(status=status, at=timezone.now(), verdict="bad", state="firing")
    rows.member(rows.incident("other"), calm)
    context = shown(editor)
    assert [(one.name, one.incidents, one.bad_results) for one in context["noisiest"]] == [
        ("Loud", 3, 3),
        ("Calm", 1, 0),
    ]
    assert context["never_fired"] == [silent]


def test_a_tenant_without_alerts_has_an_empty_trend(as_role) -> None:
    context = shown(as_role("viewer"))
    assert (context["pace"].opened, context["to_resolve"], context["noisiest"]) == (0, "–", [])


def test_days_follow_the_clocks_of_their_zone() -> None:
    now = datetime.fromisoformat("2026-11-01T12:00:00+00:00")
    days = last_days(2, now=now, zone=ZoneInfo("America/New_York"))
    assert [day.date.isoformat() for day in days] == ["2026-10-31", "2026-11-01"]
    assert [day.ends.timestamp() - day.starts.timestamp() for day in days] == [24 * 3600, 25 * 3600]
    assert days[0].ends == days[1].starts


def test_without_a_rule_none_is_said_to_have_spoken(editor) -> None:
    assert "There is no alert rule yet." in editor.get(TREND).content.decode()
    rows.rule("quiet")
    assert "There is no alert rule yet." not in editor.get(TREND).content.decode()
