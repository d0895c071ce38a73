"""From the end of a run to states, incidents and messages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import evaluate, findings, incidents
from alerts.incidents import Person
from alerts.models import (
    AlertCheck,
    AlertRow,
    AlertStatus,
    Incident,
    Notification,
    NotificationRule,
    Silence,
)
from alerts.states import AlertState, Happened, IncidentStatus, NotificationStatus
from jobs.models import RunEvent
from jobs.states import ReasonCode, RunStatus
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW, told
from tests.jobs.rows import tenant, user

pytestmark = pytest.mark.django_db


def test_it_fires_once_and_recovers(job, ops):
    rule = rows.rule(job)
    rows.notice(ops, alert_rule=rule)
    for minute in (0, 1, 2):
        rows.result(job, minute, 1, 2)
    status = AlertStatus.objects.get()
    assert (status.state, status.value) == (AlertState.FIRING, 2.0)
    incident = Incident.objects.get()
    assert (incident.status, incident.count, incident.evidence["rows"]) == ("open", 3, [[1], [2]])
    assert told() == ["firing"]
    rows.result(job, 3)
    assert told() == ["firing", "recovered"]
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED
    assert incident.open_key is None
    checks = AlertCheck.objects.order_by("at")
    assert [(check.state, check.took_ms > 0) for check in checks] == [(AlertState.FIRING, True)] * 3 + [("ok", True)]


def test_every_event_is_looked_at_once(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job))
    rows.result(job, 0, 1)
    assert not RunEvent.objects.filter(processed_at=None).exists()
    RunEvent.objects.update(processed_at=None)  # as after a lost commit of the mark
    rows.drain()
    assert told() == ["firing"]
    assert Incident.objects.get().count == 1


def test_a_message_says_what_was_found_and_has_a_signed_link(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job))
    rows.result(job, 0, 7)
    message = Notification.objects.get()
    assert message.subject == "[Warning] too-many fires"
    assert "1 row came back" in message.body
    assert "/alerts/acknowledge/" in message.facts["acknowledge_url"]
    assert message.facts["value"] == 1.0
    assert (message.status, message.incident) == (NotificationStatus.PENDING, Incident.objects.get())


def test_a_failed_check_is_an_error_with_an_incident_of_its_own(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job))
    rows.result(job, 0, 1)
    rows.failed(job, 1, reason_code=ReasonCode.SCRIPT_FAILED, reason="no such table: orders")
    assert AlertStatus.objects.get().state == AlertState.ERROR
    assert told() == ["firing", "error"]
    assert Incident.objects.filter(resolved_at=None).count() == 2, "the condition's own stays open"
    rows.result(job, 2)
    assert told() == ["firing", "error", "recovered", "recovered"]
    assert not Incident.objects.filter(resolved_at=None).exists()


def test_a_dead_datasource_is_one_incident_however_many_alerts_wait_for_it(ops):
    jobs = [rows.sql_job(f"check-{number}") for number in range(5)]
    for each in jobs:
        rows.notice(ops, alert_rule=rows.rule(each, each.slug))
    for each in jobs:
        rows.failed(each, 0, reason_code=ReasonCode.CONNECTION, reason="refused")
    incident = Incident.objects.get()
    assert incident.cause == "datasource:shop"
    assert incident.members.count() == 5
    assert incident.title["count"] == 5
    assert told() == ["error"]
    for each in jobs[:4]:
        rows.result(each, 1)
    assert told() == ["error"]
    rows.result(jobs[4], 2)
    assert told() == ["error", "recovered"]
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED


def test_each_alert_tells_of_its_own_recovery(job, ops):
    other = rows.sql_job("other")
    rows.notice(ops, selector={"jobs": [job.slug]})
    rows.notice(rows.channel(other, "team-b"), alert_rule=rows.rule(other, "other"))
    rows.rule(job)
    for each in (job, other):
        rows.failed(each, 0, reason_code=ReasonCode.CONNECTION)
    rows.result(job, 1)
    last = rows.result(other, 2)
    found = Notification.objects.filter(trigger="recovered").order_by("channel__slug")
    assert [(each.channel.slug, each.job, each.run) for each in found] == [("ops", job, None), ("team-b", other, last)]


def test_another_rules_channel_is_told_of_a_joined_incident_too(job, ops):
    other = rows.sql_job("other")
    rows.notice(ops, alert_rule=rows.rule(job))
    rows.notice(rows.channel(other, "team-b"), alert_rule=rows.rule(other, "other"))
    rows.failed(job, 0, reason_code=ReasonCode.CONNECTION)
    rows.failed(other, 1, reason_code=ReasonCode.CONNECTION)
    assert list(Notification.objects.order_by("pk").values_list("channel__slug", flat=True)) == ["ops", "team-b"]


def test_what_a_person_has_resolved_comes_back_as_a_new_incident(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job))
    rows.result(job, 0, 1)
    incidents.resolve(Incident.objects.get(), at=NOW, by=Person(user=user()))
    rows.result(job, 1, 1)
    assert Incident.objects.count() == 2
    assert told() == ["firing", "firing"]


def test_a_silence_keeps_it_back_and_says_so(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job, labels={"team": "shop"}))
    Silence.objects.create(
        tenant=job.tenant, reason="maintenance", selector={"labels": ["team=shop"]},
        starts_at=NOW - MINUTE, ends_at=NOW + 10 * MINUTE,
    )  # fmt: skip
    rows.result(job, 0, 1)
    message = Notification.objects.get()
    assert (message.status, message.why["key"]) == (NotificationStatus.SUPPRESSED, "notice.silenced")
    assert AlertStatus.objects.get().notified_at is None


def test_quiet_hours_hold_it_back(job, ops):
    hours = {"timezone": "UTC", "spans": [{"starts": "11:00", "ends": "13:00"}]}
    rows.notice(ops, alert_rule=rows.rule(job), quiet_hours=hours)
    rows.result(job, 0, 1)
    message = Notification.objects.get()
    assert (message.status, message.not_before) == (NotificationStatus.HELD, NOW + timedelta(hours=1))


def test_nobody_is_told_in_secret(job):
    rows.rule(job)
    rows.result(job, 0, 1)
    events = Incident.objects.get().events.values_list("what", flat=True)
    assert Happened.NOTIFIED in set(events)


# --- each row by itself ---


def row_rule(job, ops):
    rule = rows.rule(job, is_row_level=True, key_columns=["id"], condition="not_empty", condition_params={})
    rows.notice(ops, alert_rule=rule)
    return rule


def test_only_new_rows_are_told(job, ops):
    row_rule(job, ops)
    rows.result(job, 0, (1, "a"), (2, "b"), columns=("id", "name"))
    rows.result(job, 1, (1, "a"), (2, "b"), columns=("id", "name"))
    assert told() == ["firing"]
    rows.result(job, 2, (2, "b"), (3, "c"), columns=("id", "name"))
    assert told() == ["firing", "firing"]
    found = {row.key[0]: row.resolved_at for row in AlertRow.objects.all()}
    assert [key for key, over in found.items() if over is None] == [2, 3]
    assert AlertStatus.objects.get().sentence["new"] == 1


def test_new_rows_of_an_incident_that_was_resolved_by_hand_are_told_once(job, ops):
    row_rule(job, ops)
    rows.result(job, 0, (1,), columns=("id",))
    incidents.resolve(Incident.objects.get(), at=NOW, by=Person(user=user()))
    rows.result(job, 1, (1,), (2,), columns=("id",))
    assert told() == ["firing", "firing"]


def test_rows_that_are_acknowledged_do_not_fire(job, ops):
    row_rule(job, ops)
    rows.result(job, 0, (1,), (2,), columns=("id",))
    AlertRow.objects.update(acknowledged_at=NOW, acknowledged_by="Li Wei")
    rows.result(job, 1, (1,), (2,), columns=("id",))
    assert AlertStatus.objects.get().state == AlertState.OK
    rows.result(job, 2, (1,), (2,), (3,), columns=("id",))
    assert AlertStatus.objects.get().state == AlertState.FIRING
    assert told() == ["firing", "recovered", "firing"]


def test_a_row_that_comes_back_is_new_and_not_acknowledged(job, ops):
    row_rule(job, ops)
    rows.result(job, 0, (1,), columns=("id",))
    AlertRow.objects.update(acknowledged_at=NOW)
    rows.result(job, 1, columns=("id",))
    rows.result(job, 2, (1,), columns=("id",))
    row = AlertRow.objects.get()
    assert (row.acknowledged_at, row.resolved_at, row.first_at) == (None, None, NOW + 2 * MINUTE)


# --- how runs end ---


def test_a_rule_of_outcomes(job, ops):
    rule = rows.rule(job, source="outcome", outcomes=["technical_failure", "missed"], condition="")
    rows.notice(ops, alert_rule=rule)
    rows.ended(job, 0, RunStatus.MISSED)
    rows.ended(job, 1, RunStatus.SUCCEEDED)
    rows.drain()
    assert told() == ["firing", "recovered"]


def test_rules_of_many_jobs_have_a_state_for_each(ops):
    jobs = [rows.sql_job(f"check-{number}") for number in range(3)]
    rule = rows.rule(
        jobs[0], job=None, source="outcome", outcomes=["timeout"], selector={"jobs": ["check-0", "check-1"]}
    )
    rows.notice(ops, alert_rule=rule)
    for each in jobs:
        rows.ended(each, 0, RunStatus.TIMED_OUT)
    rows.drain()
    assert set(AlertStatus.objects.values_list("job__slug", flat=True)) == {"check-0", "check-1"}
    assert told() == ["firing", "firing"]


def test_a_notification_rule_of_a_job(job, ops):
    rows.notice(ops, ["technical_failure", "recovered"], job=job, policy={"threshold": 2})
    for minute, status in enumerate(
        [RunStatus.TECHNICAL_FAILURE, RunStatus.TECHNICAL_FAILURE, RunStatus.SUCCEEDED, RunStatus.SUCCEEDED]
    ):
        rows.ended(job, minute, status)
    rows.drain()
    assert told() == ["technical_failure", "recovered"]
    assert Notification.objects.earliest("pk").facts["count"] == 2


def test_another_tenants_rules_are_not_concerned(job):
    other = rows.sql_job("theirs", of=tenant("other"))
    rows.notice(rows.channel(other), ["technical_failure"])
    rows.failed(job, 0)
    assert told() == []


def test_what_came_before_a_rule_was_enabled_does_not_count(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job, enabled_at=NOW))
    rows.result(job, -5, 1)
    assert AlertStatus.objects.count() == 0


def test_a_rule_that_crashes_says_so_and_harms_no_other(job, ops, monkeypatch):
    bad = rows.rule(job, "bad")
    rows.notice(ops, alert_rule=bad)
    rows.notice(ops, alert_rule=rows.rule(job, "good"), name="other")
    real = findings.look
    monkeypatch.setattr("alerts.consume.look", lambda rule, *rest: 1 // 0 if rule.slug == "bad" else real(rule, *rest))
    rows.result(job, 0, 1)
    assert {each.rule.slug: each.state for each in AlertStatus.objects.all()} == {"bad": "error", "good": "firing"}
    assert sorted(told()) == ["error", "firing"]


def test_the_policy_of_a_rule_that_cannot_be_used_does_not_silence_it(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"no": "such"}))
    rows.result(job, 0, 1)
    assert told() == ["firing"]


def test_flapping_is_told_once(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"flap_changes": 4, "flap_period": "1h"}))
    for minute in range(12):
        rows.result(job, minute, *([1] if minute % 2 == 0 else []))
    assert len(told()) <= 4
    assert Incident.objects.filter(is_flapping=True).count() == 1


def test_a_subject_has_one_name():
    rule = rows.rule(rows.sql_job())
    assert evaluate.subject_of(rule, "job:1") == f"rule:{rule.pk}/job:1"


def test_a_notification_rule_tells_nothing_of_before_it_was_made(job, ops):
    rule = rows.notice(ops, ["technical_failure"], job=job)
    NotificationRule.objects.filter(pk=rule.pk).update(created_at=NOW)
    rows.ended(job, -1, RunStatus.TECHNICAL_FAILURE)
    rows.drain()
    assert told() == []
    rows.failed(job, 1)
    assert told() == ["technical_failure"]


def test_very_old_events_are_passed_over(job, ops, at, monkeypatch):
    monkeypatch.setattr("alerts.consume.OLDEST", timedelta(days=7))
    rows.notice(ops, ["technical_failure"], job=job)
    at(60 * 24 * 8)
    rows.failed(job, 0)
    rows.failed(job, 60 * 24 * 2)
    assert told() == ["technical_failure"]
    assert not RunEvent.objects.filter(processed_at=None).exists()


def test_who_wants_to_know_is_told_that_somebody_looks_after_it(job, ops):
    rows.notice(ops, ["firing", "acknowledged"], alert_rule=rows.rule(job))
    rows.result(job, 0, 1)
    incident = Incident.objects.get()
    assert incidents.acknowledge(incident, at=NOW, by=Person(name="Li Wei"))
    assert not incidents.acknowledge(incident, at=NOW, by=Person(name="Li Wei"))
    assert told() == ["firing", "acknowledged"]
    assert "Acknowledged" in Notification.objects.get(trigger="acknowledged").subject
