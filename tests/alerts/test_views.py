"""The page behind the signed link of a message: a GET shows, a POST acknowledges, and nothing else gets in."""

from datetime import timedelta

import pytest
from django.core import signing as django_signing
from django.test import Client
from django.utils import timezone

from alerts import signing
from alerts.models import Incident
from alerts.states import IncidentStatus
from tests.alerts.admin import incidentrows as rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
OPEN, ACK, RESOLVED = IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED, IncidentStatus.RESOLVED


def link(incident: Incident, recipient: str = "ops@example.com") -> str:
    token = signing.acknowledge_token(incident=incident.pk, notification=7, recipient=recipient)
    return f"/alerts/acknowledge/{token}/"


def is_untouched(incident: Incident) -> bool:
    incident.refresh_from_db()
    return incident.status == OPEN and not incident.events.exists()


@pytest.fixture
def incident():
    return rows.incident("cause", evidence={"columns": ["secret"], "rows": [["hidden-value"]]})


@pytest.mark.parametrize("method", ["get", "head"])
def test_who_only_opens_the_link_changes_nothing(client, incident, method) -> None:
    for _time in range(3):
        assert getattr(client, method)(link(incident)).status_code == 200
    assert is_untouched(incident)


def test_a_post_acknowledges_in_the_recipients_name(client, incident) -> None:
    response = client.post(link(incident), {"comment": "I look at it"})
    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by, incident.owner) == (ACK, "ops@example.com", None)
    event = incident.events.get()
    assert (event.what, event.text, event.actor) == ("acknowledged", "I look at it", None)
    assert "Acknowledged. Reminders and escalation stop." in response.content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_signed_before_an_acknowledgement_was_taken_back_is_worth_nothing(client, incident, method) -> None:
    old = link(incident)
    incident.events.create(what="reopened", at=timezone.now() + timedelta(seconds=5))
    response = getattr(client, method)(old)
    incident.refresh_from_db()
    assert (response.status_code, incident.status) == (410, OPEN)
    assert "taken back" in response.content.decode()


def test_a_link_signed_after_it_was_taken_back_is_good(client, incident) -> None:
    incident.events.create(what="reopened", at=timezone.now() - timedelta(seconds=5))
    assert client.post(link(incident)).status_code == 200
    incident.refresh_from_db()
    assert incident.status == ACK


def test_of_a_tenant_that_is_switched_off_nothing_is_shown_or_acknowledged(client, incident) -> None:
    incident.tenant.is_active = False
    incident.tenant.save()
    response = client.post(link(incident))
    assert response.status_code == 404
    assert is_untouched(incident)


def test_who_is_logged_in_acknowledges_in_their_own_name(client, incident) -> None:
    person = jobs.user("nora", "operator")
    client.force_login(person)
    client.post(link(incident))
    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.owner) == ("nora", person)


def test_who_is_logged_in_and_may_not_see_the_incident_is_no_owner_of_it(client, incident) -> None:
    client.force_login(jobs.user("mallory", "admin", jobs.tenant("other")))
    client.post(link(incident))
    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.owner) == ("ops@example.com", None)


def test_the_second_post_changes_nothing_and_says_who_was_first(client, incident) -> None:
    client.post(link(incident, "first@example.com"))
    response = client.post(link(incident, "second@example.com"))
    incident.refresh_from_db()
    assert incident.acknowledged_by == "first@example.com"
    assert incident.events.count() == 1
    assert "first@example.com looks after it." in response.content.decode()


def test_a_resolved_incident_stays_resolved(client, incident) -> None:
    Incident.objects.update(status=RESOLVED, open_key=None, resolved_at=timezone.now())
    response = client.post(link(incident))
    incident.refresh_from_db()
    assert (incident.status, incident.events.count()) == (RESOLVED, 0)
    assert "This incident is over." in response.content.decode()
    assert "<form" not in response.content.decode()


def forged(incident: Incident) -> list[str]:
    good = signing.acknowledge_token(incident=incident.pk, notification=7, recipient="x")
    head, _sep, rest = good.partition(":")
    return [
        good[:-2] + ("aa" if good[-2:] != "aa" else "bb"),
        f"{head[:-1]}A:{rest}",
        django_signing.dumps([incident.pk, 7, "x"], salt="another"),
        django_signing.dumps([incident.pk, 7, "x"], key="another key", salt=signing.ACKNOWLEDGE),
        django_signing.dumps({"incident": incident.pk}, salt=signing.ACKNOWLEDGE),
        "a" * 1500,
        f"{incident.pk}",
    ]


@pytest.mark.parametrize("number", range(7))
def test_a_forged_link_opens_nothing_and_says_nothing_of_the_incident(client, incident, number) -> None:
    address = f"/alerts/acknowledge/{forged(incident)[number]}/"
    for response in (client.get(address), client.post(address)):
        assert response.status_code == 404
        assert "This link is damaged" in response.content.decode()
        assert "cause" not in response.content.decode()
    assert is_untouched(incident)


def test_a_link_is_good_for_a_week(client, incident, monkeypatch) -> None:
    address, real = link(incident), signing.LINK_AGE
    later = (timezone.now() + real + timedelta(seconds=5)).timestamp()
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    response = client.post(address)
    assert response.status_code == 410
    assert "This link is too old" in response.content.decode()
    assert is_untouched(incident)


def test_a_link_acknowledges_no_other_incident(client, incident) -> None:
    other = rows.incident("other")
    client.post(link(other))
    assert is_untouched(incident)


def test_the_link_of_an_incident_that_is_gone_says_so(client, incident) -> None:
    address = link(incident)
    incident.delete()
    response = client.post(address)
    assert response.status_code == 404
    assert "does not exist any more" in response.content.decode()


def test_a_post_from_another_page_is_refused(incident) -> None:
    assert Client(enforce_csrf_checks=True).post(link(incident)).status_code == 403
    assert is_untouched(incident)


def test_the_page_shows_the_title_and_no_row_and_tells_nobody_its_address(client, incident) -> None:
    response = client.get(link(incident))
    page = response.content.decode()
    assert "cause fires" in page
    assert "hidden-value" not in page
    assert response["Referrer-Policy"] == "same-origin"
    assert "no-cache" in response["Cache-Control"]


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(client, incident, method) -> None:
    assert getattr(client, method)(link(incident)).status_code == 405
    assert is_untouched(incident)


def test_damaged_rows_break_no_page(client) -> None:
    made = rows.incident("cause", title={"key": "no.such"}, evidence=[])
    assert client.get(link(made)).status_code == 200
