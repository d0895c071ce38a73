"""The list of alert rules: what was found, filters, and the actions."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from alerts import incidents
from alerts.incidents import Part
from alerts.memory import Memory
from alerts.models import AlertRule, AlertStatus, Incident, RuleBook
from alerts.queries import rule_findings
from alerts.rules import save_rule
from alerts.states import AlertState, IncidentStatus
from tests.alerts.admin import rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/alertrule/"


def slugs(response):
    return {rule.slug for rule in response.context["cl"].result_list}


def test_the_worst_of_several_subjects_is_shown_with_its_words(editor) -> None:
    rule = rows.rule()
    rows.status(rule, AlertState.OK, jobs.job("a"), notified_at=timezone.now())
    sentence = {"key": "row_count.is", "count": 7, "operator": ">", "threshold": 0}
    rows.status(rule, AlertState.FIRING, jobs.job("b"), sentence=sentence, value=7.0)
    page = editor.get(LIST).content.decode()
    assert "Firing" in page
    assert "1 of 2" in page
    assert "7 rows came back" in page


def test_the_next_check_is_when_the_job_runs_next() -> None:
    job = jobs.job("a")
    at = timezone.now() + timedelta(hours=2)
    jobs.schedule(job, next_fire_at=at)
    rule, idle = rows.rule("one", job=job), rows.rule("two", job=job, is_enabled=False)
    found = rule_findings([rule, idle])
    assert (found[rule.pk].next_at, found[idle.pk].next_at) == (at, None)


def test_the_list_takes_as_many_queries_for_many_rules_as_for_one(editor, django_assert_max_num_queries) -> None:
    for number in range(12):
        rule = rows.rule(f"r{number}", job=jobs.job(f"j{number}"))
        rows.status(rule, AlertState.FIRING, rule.job)
    with django_assert_max_num_queries(30):
        assert len(slugs(editor.get(LIST))) == 12


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state": "firing"}, {"fires"}),
        ({"state": "unchecked"}, {"new"}),
        ({"severity": "critical"}, {"new"}),
        ({"label": "team=payments"}, {"fires"}),
        ({"source__exact": "portal"}, {"new"}),
        ({"is_enabled__exact": "0"}, {"calm"}),
    ],
)
def test_filters(editor, query, expected) -> None:
    rows.status(rows.rule("fires", labels={"team": "payments"}), AlertState.FIRING)
    rows.status(rows.rule("calm", is_enabled=False), AlertState.OK)
    rows.rule("new", severity="critical", source="portal", subjects=["beat"])
    assert slugs(editor.get(LIST, query)) == expected


def test_an_empty_list_and_another_tenants_rules(editor) -> None:
    rows.rule("theirs", jobs.tenant("other"))
    response = editor.get(LIST)
    assert slugs(response) == set()
    assert "Theirs" not in response.content.decode()


def act(client, action, *rules):
    return client.post(LIST, {"action": action, "_selected_action": [rule.pk for rule in rules]}, follow=True)


def test_enabling_begins_anew_and_disabling_leaves_what_was_found(editor) -> None:
    rule = rows.rule(is_enabled=False)
    status = rows.status(rule, AlertState.FIRING, memory={"version": 1}, value=3.0)
    act(editor, "enable_chosen", rule)
    rule.refresh_from_db()
    status.refresh_from_db()
    assert rule.is_enabled
    assert rule.enabled_at is not None
    assert Memory.from_json(status.memory).state == AlertState.OK
    assert (status.state, status.value, status.checked_at) == (AlertState.OK, None, None)
    assert rule_findings([rule])[rule.pk].state == ""  # nobody has looked: that is no OK
    assert slugs(editor.get(LIST, {"state": "unchecked"})) == {rule.slug}
    AlertStatus.objects.update(state=AlertState.FIRING)
    act(editor, "disable_chosen", rule)
    rule.refresh_from_db()
    status.refresh_from_db()
    assert (rule.is_enabled, status.state) == (False, AlertState.FIRING)
    assert RuleBook.objects.get().version == 2
    assert AuditEntry.objects.filter(verb__in=["alerts.alertrule.enabled", "alerts.alertrule.disabled"]).count() == 2


@pytest.mark.parametrize("end", ["disable", "delete", "form"])
def test_a_rule_that_is_switched_off_or_deleted_leaves_its_incidents(editor, end) -> None:
    rule = rows.rule()
    status = rows.status(rule, AlertState.FIRING)
    part = Part(
        rule=rule, status=status, cause="x", state=AlertState.FIRING, at=timezone.now(), sentence={}, evidence={}
    )
    incident, _is_new = incidents.join(part)
    if end == "disable":
        act(editor, "disable_chosen", rule)
    elif end == "delete":
        editor.post(f"{LIST}{rule.pk}/delete/", {"post": "yes"})
    else:
        rule.is_enabled = False
        save_rule(rule, actor=None)
    assert Incident.objects.get(pk=incident.pk).status == IncidentStatus.RESOLVED


def test_a_viewer_can_switch_nothing(as_role) -> None:
    rule = rows.rule()
    act(as_role("viewer"), "disable_chosen", rule)
    rule.refresh_from_db()
    assert rule.is_enabled


def test_what_is_looked_at_changes_the_memory_and_a_name_does_not() -> None:
    rule = rows.rule()
    status = rows.status(rule, AlertState.FIRING, memory={"version": 1})
    rule.name = "Other"
    save_rule(rule, actor=None)
    status.refresh_from_db()
    assert status.memory == {"version": 1}
    rule.outcomes = ["lost"]
    save_rule(rule, actor=None)
    status.refresh_from_db()
    assert Memory.from_json(status.memory).state == status.state == AlertState.OK


def test_deleting_makes_a_new_version_and_is_audited(editor) -> None:
    rule = rows.rule()
    editor.post(f"{LIST}{rule.pk}/delete/", {"post": "yes"})
    assert AlertRule.objects.count() == 0
    assert RuleBook.objects.get().version == 1
    assert AuditEntry.objects.filter(verb="alerts.alertrule.deleted").count() == 1
