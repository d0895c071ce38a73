"""What the home page says of alerts."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from alerts.states import IncidentStatus, Severity
from jobs.models import RunEvent
from jobs.states import RunStatus
from portal.dashboard.alertcards import engine_part
from tests.alerts.admin import incidentrows
from tests.jobs import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(rows.user("vi", "viewer"))
    return client


def test_open_incidents_are_counted_by_severity(viewer) -> None:
    incidentrows.incident("a", severity=Severity.CRITICAL)
    incidentrows.incident("b", severity=Severity.CRITICAL, status=IncidentStatus.ACKNOWLEDGED)
    incidentrows.incident("c", status=IncidentStatus.RESOLVED)
    incidentrows.incident("foreign", of=rows.tenant("other"))
    found = viewer.get("/admin/").context["alerts"]["open"]
    assert [(one.label, one.count, one.taken) for one in found] == [
        ("Critical", 1, 1),
        ("Warning", 0, 0),
        ("Info", 0, 0),
    ]


def test_a_channel_that_fails_is_named(viewer) -> None:
    since = timezone.now() - timedelta(hours=1)
    incidentrows.channel("ops", name="Ops mail", failing_since=since)
    incidentrows.channel("old", name="Old pager", failing_since=since, is_active=False)
    incidentrows.channel("foreign", of=rows.tenant("other"), name="Foreign mail", failing_since=since)
    page = viewer.get("/admin/?_live=1").content.decode()
    assert "A channel does not deliver:" in page
    assert "Ops mail" in page
    assert "Old pager" not in page
    assert "Foreign mail" not in page


def test_open_incidents_that_nobody_was_told_of_are_counted(viewer) -> None:
    incidentrows.message(incidentrows.channel(), incidentrows.incident("told"))
    incidentrows.incident("taken", status=IncidentStatus.ACKNOWLEDGED)
    incidentrows.incident("untold")
    assert viewer.get("/admin/").context["alerts"]["untold"] == 1
    assert "Nobody was told of 1 open incident" in viewer.get("/admin/").content.decode()


def test_a_quiet_tenant_is_not_alarmed(viewer) -> None:
    page = viewer.get("/admin/").content.decode()
    assert "does not deliver" not in page
    assert "Nobody was told" not in page


def test_who_may_see_no_incident_is_shown_none(client) -> None:
    client.force_login(rows.user("nobody", ""))
    assert "Open incidents" not in client.get("/admin/").content.decode()


@pytest.mark.parametrize(("seconds", "tone"), [(0, "good"), (5, "good"), (40, "warn"), (600, "bad")])
def test_the_engines_lag_is_a_part_of_the_machinery(seconds, tone) -> None:
    run = rows.run(rows.job())
    at = timezone.now() - timedelta(seconds=seconds)
    RunEvent.objects.create(run=run, old=RunStatus.RUNNING, new=RunStatus.SUCCEEDED, at=at)
    assert engine_part().tone == tone
    RunEvent.objects.update(processed_at=timezone.now())
    assert engine_part().tone == "good"
