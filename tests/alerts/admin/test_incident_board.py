"""The incident board: its order, its columns, its filters, its buttons."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from alerts.models import Incident
from alerts.states import IncidentStatus, Severity
from jobs import freezes
from tests.alerts.admin import incidentrows as rows
from tests.alerts.admin.incidentrows import BOARD
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
ACK, RESOLVED = IncidentStatus.ACKNOWLEDGED, IncidentStatus.RESOLVED


def causes(client, query: str = "") -> list[str]:
    return [row.cause for row in client.get(f"{BOARD}?{query}").context["cl"].result_list]


def statements(client, query: str = "") -> int:
    freezes.forget()
    with CaptureQueriesContext(connection) as found:
        assert client.get(f"{BOARD}?{query}").status_code == 200
    return len(found)


def fill(count: int) -> None:
    to, by = rows.channel(f"c{Incident.objects.count()}"), rows.rule(f"r{Incident.objects.count()}")
    for number in range(count):
        job = jobs.job(f"j{Incident.objects.count()}-{number}")
        made = rows.incident(f"cause {job.slug}")
        rows.member(made, by, job)
        rows.message(to, made)


def test_open_ones_come_first_the_most_urgent_on_top_and_what_was_resolved_long_ago_is_not_there(editor) -> None:
    rows.incident("over", status=RESOLVED)
    rows.incident("long over", status=RESOLVED, ago=60 * 24 * 9)
    rows.incident("taken", status=ACK)
    rows.incident("old", ago=600)
    rows.incident("new", ago=1)
    rows.incident("urgent", severity=Severity.CRITICAL, ago=900)
    assert causes(editor) == ["urgent", "new", "old", "taken", "over"]


@pytest.mark.parametrize("query", ["", "status__exact=resolved", "period=all", "q=cause", "owner=nobody"])
def test_more_incidents_take_no_more_statements(editor, query) -> None:
    fill(2)
    statements(editor, query)
    few = statements(editor, query)
    fill(30)
    assert statements(editor, query) == few <= 30


def test_a_row_says_who_was_told_and_how_many_alerts_take_part(editor) -> None:
    made = rows.incident("cause", is_flapping=True, snoozed_until=timezone.now() + timedelta(hours=1))
    rows.member(made, rows.rule("a"))
    rows.member(made, rows.rule("b"))
    rows.message(rows.channel(), made, status="dead")
    text = editor.get(BOARD).content.decode()
    for words in ("2 alerts", "Not delivered", "Flapping", "Snoozed", "cause fires", "1 bad result"):
        assert words in text


def test_an_incident_that_nobody_was_told_of_says_so(editor) -> None:
    rows.incident()
    assert "Nobody</span>" in editor.get(BOARD).content.decode()


def test_a_title_is_in_the_readers_language(editor) -> None:
    rows.incident("Umsatz")
    text = editor.get(BOARD, headers={"accept-language": "zh-hans"}).content.decode()
    assert "Umsatz" in text
    assert "Umsatz fires" not in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status__exact=acknowledged", {"taken"}),
        ("severity__exact=critical", {"bad"}),
        ("kind__exact=error", {"broken"}),
        ("owner=nobody", {"bad", "broken", "taken", "labelled"}),
        ("owner=me", {"mine"}),
        ("label=team%3Dpayments", {"labelled"}),
        ("label=urgent", {"labelled"}),
        ("label=team%3Dother", set()),
        ("period=all", {"bad", "broken", "taken", "mine", "labelled", "past"}),
        ("period=week&status__exact=resolved", {"past"}),
        ("owner=x", {"bad", "broken", "taken", "mine", "labelled"}),
    ],
)
def test_filters(editor, query, expected) -> None:
    rows.incident("bad", severity=Severity.CRITICAL)
    rows.incident("broken", kind="error")
    rows.incident("taken", status=ACK)
    rows.incident("mine", owner=User.objects.get())
    labelled = rows.incident("labelled")
    rows.member(labelled, rows.rule(labels={"team": "payments", "urgent": ""}))
    rows.incident("past", status=RESOLVED, ago=60 * 24 * 5)
    assert set(causes(editor, query)) == expected


def test_a_rule_leads_to_its_incidents(editor) -> None:
    made, by = rows.incident("this"), rows.rule()
    rows.member(made, by)
    rows.incident("that")
    assert causes(editor, f"rule={by.pk}") == ["this"]


@pytest.mark.parametrize("text", ["Unpaid", "nightly", "data%20base", "%23{pk}", "{pk}"])
def test_search_finds_by_rule_job_cause_and_number_also_what_is_long_over(editor, text) -> None:
    made = rows.incident("data base", status=RESOLVED, ago=60 * 24 * 40)
    rows.member(made, rows.rule("unpaid"), jobs.job("nightly"))
    rows.incident("else")
    assert causes(editor, f"q={text.format(pk=made.pk)}") == ["data base"]


def test_live_part_is_only_the_rows_and_its_buttons_lead_back_to_the_page(editor) -> None:
    rows.incident("one")
    page = editor.get(f"{BOARD}?severity__exact=warning&_live=1").content.decode()
    assert "<html" not in page
    assert "severity__exact=warning&amp;_live=1" in page.split("data-refresh-url")[1][:200]
    back = page.split("deed/?next=")[1].split('"')[0]
    assert back == "/admin/alerts/incident/%3Fseverity__exact%3Dwarning"


def test_the_empty_board_says_that_nothing_is_wrong(editor) -> None:
    assert "Nothing is wrong" in editor.get(BOARD).content.decode()
    assert "No incident matches" in editor.get(f"{BOARD}?severity__exact=info").content.decode()


# --- buttons and actions ----------------------------------------------------------------------------------------------


def act(client, action: str, *chosen: Incident):
    values = {"action": f"{action}_chosen", "_selected_action": [one.pk for one in chosen]}
    return client.post(BOARD, values, follow=True)


def said(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_many_are_acknowledged_at_once_and_counted(as_role) -> None:
    open_one, taken = rows.incident("a"), rows.incident("b", status=ACK)
    response = act(as_role("operator"), "acknowledge", open_one, taken)
    assert said(response) == ["Acknowledge: 1 incident.", "1 incident was so already."]
    open_one.refresh_from_db()
    assert (open_one.status, open_one.acknowledged_by) == (ACK, "acme-operator")


@pytest.mark.parametrize("action", ["snooze_1h", "snooze_4h", "snooze_tomorrow"])
def test_many_are_snoozed_at_once(as_role, action) -> None:
    made = rows.incident()
    act(as_role("operator"), action, made)
    made.refresh_from_db()
    assert made.snoozed_until is not None
    assert made.events.get().what == "snoozed"


def test_tomorrow_is_nine_o_clock_of_the_readers_zone(as_role, settings) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    timezone.get_default_timezone.cache_clear()  # type: ignore[attr-defined]
    made = rows.incident()
    act(as_role("operator"), "snooze_tomorrow", made)
    made.refresh_from_db()
    local = timezone.localtime(made.snoozed_until)
    assert (local.hour, local.minute, local.date() - timezone.localdate()) == (9, 0, timedelta(days=1))


def test_an_operator_resolves_nothing_but_an_editor_does(as_role) -> None:
    made = rows.incident()
    act(as_role("operator"), "resolve", made)
    made.refresh_from_db()
    assert made.status == IncidentStatus.OPEN
    act(as_role("editor"), "resolve", made)
    made.refresh_from_db()
    assert made.status == RESOLVED


def test_what_is_resolved_already_is_said_and_the_others_are_done(editor) -> None:
    over, alive = rows.incident("a", status=RESOLVED), rows.incident("b")
    response = act(editor, "acknowledge", over, alive)
    assert any(f"#{over.pk}: The incident is resolved" in words for words in said(response))
    alive.refresh_from_db()
    assert alive.status == ACK


def test_of_many_refusals_five_are_said_and_the_others_counted(editor) -> None:
    made = [rows.incident(f"c{number}", status=RESOLVED) for number in range(8)]
    found = said(act(editor, "acknowledge", *made))
    assert len([words for words in found if words.startswith("#")]) == 5
    assert "3 more" in found[-1]


def test_too_many_at_once_are_refused_and_none_is_done(editor, monkeypatch) -> None:
    monkeypatch.setattr("alerts.admin.incident_deeds.MOST_AT_ONCE", 2)
    made = [rows.incident(f"c{number}") for number in range(3)]
    assert said(act(editor, "resolve", *made)) == ["At most 2 incidents are changed at once: choose fewer."]
    assert not Incident.objects.filter(status=RESOLVED).exists()


def test_a_viewer_is_offered_no_action_and_no_button(as_role) -> None:
    made = rows.incident()
    viewer = as_role("viewer")
    assert "deed/" not in viewer.get(BOARD).content.decode()
    act(viewer, "acknowledge", made)
    made.refresh_from_db()
    assert made.status == IncidentStatus.OPEN


def test_a_rows_button_leads_back_to_the_list_it_stood_in(editor) -> None:
    made = rows.incident()
    where = f"{BOARD}?severity__exact=warning"
    response = editor.post(f"{rows.deed(made)}?next={where}", {"deed": "assign_me"})
    assert response["Location"] == where
    made.refresh_from_db()
    assert made.owner == User.objects.get()
    foreign = editor.post(f"{rows.deed(made)}?next=https://evil.example/", {"deed": "assign_me"})
    assert foreign["Location"] == rows.page(made)
