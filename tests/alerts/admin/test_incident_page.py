"""The page of one incident: what it shows, what people do there, and what is left when rows are gone."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from alerts.models import EscalationPolicy, EscalationStep, Incident, OnCallRota
from alerts.states import IncidentStatus
from alerts.wording import say
from jobs.models import Run
from tests.alerts.admin import incidentrows as rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
ACK, OPEN, RESOLVED = IncidentStatus.ACKNOWLEDGED, IncidentStatus.OPEN, IncidentStatus.RESOLVED
EVIDENCE = {
    "columns": ["id", "name", "amount"],
    "rows": [[1, None, 12.5], [2, "=1+1", -3], [3, "x" * 500, None]],
    "marks": ["new", "known", "known"],
    "total": 40,
    "is_truncated": True,
    "notes": [say("rows.duplicates", count=2).stored],
    "sentence": say("rows.counts", new=1, known=2, resolved=0).stored,
}


def text_of(client, incident: Incident) -> str:
    response = client.get(rows.page(incident))
    assert response.status_code == 200
    return str(response.content.decode())


def shown(client, incident: Incident):
    return client.get(rows.page(incident)).context


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_evidence_shows_null_marks_new_rows_and_cuts_long_cells(editor) -> None:
    page = text_of(editor, rows.incident(evidence=EVIDENCE))
    assert '<td class="p-cell--null">NULL</td>' in page
    assert page.count('<span class="p-badge p-badge--bad">new</span>') == 1
    assert page.count('<span class="p-badge p-badge--plain">known</span>') == 2
    assert f"<summary>{'x' * 120}…</summary>" in page
    assert "The first 3 rows are shown of 40." in page
    assert "2 rows have the key of another one" in page
    assert "1 new, 2 known, 0 resolved" in page


def test_evidence_comes_as_a_file_without_formulas(editor) -> None:
    made = rows.incident(evidence=EVIDENCE)
    response = editor.get(reverse("admin:alerts_incident_evidence", args=[made.pk]))
    lines = b"".join(response.streaming_content).decode("utf-8-sig").splitlines()
    assert lines[:3] == ["id,name,amount", "1,,12.5", "2,'=1+1,-3"]
    assert response["Content-Disposition"] == f'attachment; filename="incident-{made.pk}.csv"'
    entry = AuditEntry.objects.get(verb="alerts.incident.evidence_exported")
    assert (entry.details, entry.actor is not None) == ({"rows": 3}, True)


@pytest.mark.parametrize(
    "evidence",
    [{}, [], {"columns": None, "rows": 3}, {"columns": ["a"], "rows": [[1, 2], [], "x"], "marks": 7, "total": "many"}],
)
def test_damaged_evidence_breaks_nothing(editor, evidence) -> None:
    assert "Evidence" in text_of(editor, rows.incident(evidence=evidence, title={"key": "no.such"}, kind="odd"))


def test_alerts_lead_to_their_job_and_to_the_log_of_the_last_run(editor) -> None:
    made, job = rows.incident(), jobs.job("nightly")
    run = jobs.run(job)
    rows.member(made, rows.rule("unpaid", description="Call the bank."), job, run_id=run.pk)
    page = text_of(editor, made)
    for wanted in (f"/admin/jobs/job/{job.pk}/change/", f"/admin/jobs/run/{run.pk}/change/#log", "Call the bank."):
        assert wanted in page


def test_a_run_that_is_not_kept_any_more_is_no_link(editor) -> None:
    made, job = rows.incident(), jobs.job("nightly")
    run = jobs.run(job)
    rows.member(made, rows.rule("unpaid"), job, run_id=run.pk)
    Run.objects.all().delete()
    page = text_of(editor, made)
    assert f"Run #{run.pk} is not kept any more" in page
    assert f"/jobs/run/{run.pk}/" not in page


def test_an_incident_whose_rule_was_deleted_says_that_nothing_resolves_it(editor) -> None:
    made, by = rows.incident(), rows.rule()
    rows.member(made, by)
    rows.message(rows.channel(), made, alert_rule=by)
    by.delete()
    context = shown(editor, made)
    assert context["is_orphan"] is True
    assert "Resolve it by hand" in text_of(editor, made)


def test_the_timeline_names_who_did_what_in_the_readers_language(editor) -> None:
    made = rows.incident()
    rows.event(made, "escalated", said=say("incident.escalated", step=1, names="Ops").stored)
    rows.event(made, "commented", text="<b>hot</b>", actor=User.objects.get(), actor_name="ed")
    rows.event(made, "unheard_of")
    page = text_of(editor, made)
    for words in ("Step 1: Ops", "&lt;b&gt;hot&lt;/b&gt;", "unheard_of"):
        assert words in page
    assert [line["who"] for line in shown(editor, made)["events"]] == ["", "ed", ""]
    chinese = editor.get(rows.page(made), headers={"accept-language": "zh-hans"}).content.decode()
    assert "Step 1: Ops" not in chinese
    assert "Escalated" not in chinese


def test_messages_say_who_was_told_when_or_why_not(editor) -> None:
    made, ops, boss = rows.incident(), rows.channel("ops"), rows.channel("boss")
    failed = rows.message(ops, made, status="dead", why={"msgid": "There was no answer.", "args": {}})
    rows.attempt(failed, 1, is_ok=False, problem={"msgid": "There was no answer."})
    rows.message(boss, made, stands_in_for=failed, recipients=["a@example.com"])
    until = timezone.now() + timedelta(hours=1)
    rows.message(ops, made, status="suppressed", why=say("notice.silenced", until_at=until).stored)
    page = text_of(editor, made)
    for words in ("Given up", "There was no answer.", "Instead of “Ops”", "a@example.com", "A silence lasts until"):
        assert words in page
    assert shown(editor, made)["is_nobody_told"] is False


def test_when_nothing_was_sent_the_page_says_so(editor) -> None:
    made = rows.incident()
    assert "No message was written" in text_of(editor, made)
    rows.message(rows.channel(), made, status="dead")
    assert shown(editor, made)["is_nobody_told"] is True


def policy(**fields) -> EscalationPolicy:
    made = EscalationPolicy.objects.create(tenant=jobs.tenant(), slug="night", name="Night", **fields)
    EscalationStep.objects.create(policy=made, number=1, wait=timedelta(minutes=5))
    second = EscalationStep.objects.create(policy=made, number=2, wait=timedelta(minutes=5), rota=rota())
    second.channels.add(rows.channel("ops"))
    return made


def rota() -> OnCallRota:
    person = jobs.user("nora", "operator")
    starts = timezone.now() - timedelta(days=1)
    return OnCallRota.objects.create(
        tenant=jobs.tenant(), slug="r", name="Rota", members=[person.pk], starts=starts, timezone="UTC"
    )


def test_the_next_step_of_the_escalation_is_told_with_its_time_and_people(editor) -> None:
    due = timezone.now() + timedelta(minutes=3)
    made = rows.incident(escalation=policy(repeat_count=2), step_number=3, next_step_at=due)
    step = shown(editor, made)["escalation"]
    assert (step["step"].number, step["step"].total, step["step"].turn, step["at"]) == (2, 2, 1, due)
    assert step["who"] == "Ops, nora"
    assert "repetition 1 of 2" in text_of(editor, made)


def test_a_rota_of_an_unknown_zone_breaks_no_page(editor) -> None:
    made = rows.incident(escalation=policy(), step_number=1, next_step_at=timezone.now())
    OnCallRota.objects.update(timezone="Mars/Olympus")
    assert shown(editor, made)["escalation"]["who"] == "Ops, nobody in the rota “Rota”"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"step_number": 2, "next_step_at": None}, "All steps were taken"),
        ({"status": ACK, "next_step_at": timezone.now()}, "the steps begin anew"),
        ({"status": ACK, "next_step_at": None}, "Nobody more is called"),
        ({"status": RESOLVED}, "Nobody more is called"),
        ({"next_step_at": timezone.now(), "step_number": 0}, "nobody: the step has no channel and no rota"),
    ],
)
def test_an_escalation_that_rests_says_why(editor, fields, words) -> None:
    assert words in text_of(editor, rows.incident(escalation=policy(), **fields))


def test_the_live_part_is_no_whole_page(editor) -> None:
    page = editor.get(reverse("admin:alerts_incident_live", args=[rows.incident().pk])).content.decode()
    assert "<html" not in page
    assert 'name="deed" value="acknowledge"' in page


# --- what people do ---------------------------------------------------------------------------------------------------


def post(client, incident: Incident, deed: str, **values: str) -> Incident:
    response = client.post(rows.deed(incident), {"deed": deed, **values})
    assert response.status_code == 302, response.status_code
    incident.refresh_from_db()
    return incident


def test_acknowledging_with_a_comment_stops_the_escalation(as_role) -> None:
    made = rows.incident(escalation=policy(), next_step_at=timezone.now())
    post(as_role("operator"), made, "acknowledge", comment="I call them")
    assert (made.status, made.acknowledged_by, made.next_step_at) == (ACK, "acme-operator", None)
    event = made.events.get()
    assert event.actor is not None
    assert (event.what, event.text, event.actor.username) == ("acknowledged", "I call them", "acme-operator")


def test_taken_back_the_escalation_begins_anew(as_role) -> None:
    made = rows.incident(status=ACK, escalation=policy(), acknowledged_by="x")
    post(as_role("operator"), made, "take_back")
    assert (made.status, made.acknowledged_by) == (OPEN, "")
    assert made.next_step_at is not None


def test_it_is_snoozed_until_a_chosen_time_and_woken(as_role) -> None:
    operator, made = as_role("operator"), rows.incident()
    until = timezone.localtime() + timedelta(days=2)
    post(operator, made, "snooze_until", until=f"{until:%Y-%m-%dT%H:%M}")
    assert made.snoozed_until == until.replace(second=0, microsecond=0)
    post(operator, made, "end_snooze")
    assert made.snoozed_until is None
    assert [event.what for event in made.events.all()] == ["snoozed", "woken"]


@pytest.mark.parametrize("until", ["", "yesterday", "2001-01-01T10:00", "2099-01-01T10:00", "2026-99-99T10:00"])
def test_a_snooze_needs_a_time_to_come_within_a_month(editor, until) -> None:
    made = rows.incident()
    response = editor.post(rows.deed(made), {"deed": "snooze_until", "until": until}, follow=True)
    assert "Choose a time that is to come" in str(next(iter(response.context["messages"])))
    made.refresh_from_db()
    assert made.snoozed_until is None


def test_a_step_that_waited_for_the_end_of_a_snooze_is_due_when_it_ends_early(editor) -> None:
    until = timezone.now() + timedelta(hours=3)
    made = rows.incident(escalation=policy(), snoozed_until=until, next_step_at=until)
    post(editor, made, "end_snooze")
    assert made.next_step_at is not None
    assert made.next_step_at < until - timedelta(hours=2)


def test_it_is_assigned_to_a_member_who_may_see_it_and_to_nobody_else(editor) -> None:
    made, nora = rows.incident(), jobs.user("nora", "viewer")
    foreign = jobs.user("mallory", "admin", jobs.tenant("other"))
    post(editor, made, "assign", owner=str(nora.pk))
    assert made.owner == nora
    post(editor, made, "assign", owner=str(foreign.pk))
    assert made.owner == nora
    assert "mallory" not in text_of(editor, made)
    post(editor, made, "assign", owner="")
    assert made.owner is None


def test_a_comment_needs_words_and_may_come_after_the_end(as_role) -> None:
    operator, made = as_role("operator"), rows.incident(status=RESOLVED)
    post(operator, made, "comment", comment="  ")
    assert made.events.count() == 0
    post(operator, made, "comment", comment="It was the switch.")
    assert made.events.get().text == "It was the switch."


def test_an_editor_resolves_and_what_comes_back_is_new(editor) -> None:
    made = post(editor, rows.incident(), "resolve", comment="over")
    assert (made.status, made.open_key) == (RESOLVED, None)
    response = editor.post(rows.deed(made), {"deed": "acknowledge"}, follow=True)
    assert "what comes back is a new one" in str(list(response.context["messages"])[-1])


@pytest.mark.parametrize(
    ("role", "deed", "status"),
    [
        ("viewer", "acknowledge", 403),
        ("viewer", "comment", 403),
        ("viewer", "resolve", 403),
        ("operator", "resolve", 403),
        ("operator", "acknowledge", 302),
        ("editor", "resolve", 302),
        ("admin", "resolve", 302),
        ("editor", "no_such_deed", 302),
    ],
)
def test_what_a_role_may_do(as_role, role, deed, status) -> None:
    made = rows.incident()
    assert as_role(role).post(rows.deed(made), {"deed": deed, "comment": "c"}).status_code == status
    made.refresh_from_db()
    assert (made.status == OPEN) == (status == 403 or deed == "no_such_deed")


def test_a_viewer_reads_the_page_and_finds_no_button(as_role) -> None:
    assert 'name="deed"' not in text_of(as_role("viewer"), rows.incident(evidence=EVIDENCE))


def test_a_get_changes_nothing_and_a_post_needs_its_token(editor) -> None:
    made = rows.incident()
    assert editor.get(rows.deed(made), {"deed": "acknowledge"}).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())
    assert strict.post(rows.deed(made), {"deed": "acknowledge"}).status_code == 403
    assert editor.post(rows.page(made), {"status": "resolved"}).status_code == 403
    made.refresh_from_db()
    assert made.status == OPEN


def test_an_incident_of_another_tenant_does_not_exist(editor) -> None:
    foreign = rows.incident(of=jobs.tenant("other"))
    for address in (rows.page(foreign), f"{rows.BOARD}{foreign.pk}/live/", f"{rows.BOARD}{foreign.pk}/evidence/"):
        assert editor.get(address).status_code == 404
    assert editor.post(rows.deed(foreign), {"deed": "resolve"}).status_code == 404


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("rule:1/job:1", ""),
        ("datasource:shop", "The datasource “shop”"),
        ("job:7", "The job “Orders”"),
        ("disk", "disk"),
    ],
)
def test_what_the_alerts_have_in_common_is_said_in_words(editor, cause, words) -> None:
    incident = rows.incident(cause)
    rows.member(incident, rows.rule(), jobs.job("orders", name="Orders"))
    assert shown(editor, incident)["cause"] == words


def test_the_cause_of_a_deleted_job_has_its_number(editor) -> None:
    assert shown(editor, rows.incident("job:999"))["cause"] == "The job “#999”"
