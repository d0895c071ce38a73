"""What only the passing of time brings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import clockwork, escalation, incidents
from alerts.incidents import Person
from alerts.models import (
    AlertStatus,
    EscalationPolicy,
    EscalationStep,
    InboxMessage,
    Incident,
    OnCallRota,
    Silence,
)
from alerts.states import AlertState, IncidentStatus
from jobs.models import Job, Outage, Schedule
from jobs.states import ReasonCode, RunStatus
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW, told
from tests.cast import make_platform_admin
from tests.jobs.rows import schedule as schedule_of
from tests.jobs.rows import user

pytestmark = pytest.mark.django_db


def test_without_a_result_in_time_it_is_stale(job, ops, at):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"stale_after": "10m"}))
    rows.result(job, 0)
    at(9)
    assert clockwork.pass_time() == 0
    at(11)
    clockwork.pass_time()
    assert AlertStatus.objects.get().state == AlertState.STALE
    assert told() == ["stale"]
    rows.result(job, 12)
    assert told() == ["stale", "recovered"]


def test_a_result_that_waits_to_be_read_is_not_overdue(job, ops, at):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"stale_after": "10m"}))
    rows.result(job, 0)
    rows.ended(job, 9, result=rows.table())
    at(11)
    clockwork.pass_time()
    status = AlertStatus.objects.get()
    assert (status.state, status.wakes_at) == (AlertState.OK, NOW + 11 * MINUTE + clockwork.SOON)
    rows.drain()
    clockwork.pass_time()
    assert told() == []


def test_a_job_that_never_runs_is_stale(job, ops, at):
    rule = rows.rule(job, policy={"stale_after": "10m"})
    rows.notice(ops, alert_rule=rule)
    clockwork.begin(rule, NOW)
    at(11)
    clockwork.pass_time()
    assert told() == ["stale"]


def test_a_rule_that_nobody_has_begun_is_begun(job, ops, at):
    rows.rule(job)
    clockwork._last_round.clear()
    clockwork.pass_time()
    assert AlertStatus.objects.get().state_at == NOW


def test_a_schedule_says_when_a_result_is_due(job, ops, at):
    rule = rows.rule(job)
    rows.notice(ops, alert_rule=rule)
    schedule = schedule_of(job, next_fire_at=NOW + 10 * MINUTE)
    clockwork.begin(rule, NOW)
    assert AlertStatus.objects.get().wakes_at == NOW + 15 * MINUTE
    at(16)
    clockwork.pass_time()
    assert told() == ["stale"], "beat has not decided it"
    Schedule.objects.filter(pk=schedule.pk).update(next_fire_at=NOW + 70 * MINUTE)
    rows.result(job, 17)
    assert told() == ["stale", "recovered"]
    Schedule.objects.filter(pk=schedule.pk).update(is_enabled=False, next_fire_at=None)
    at(80)
    clockwork.pass_time()
    assert told() == ["stale", "recovered"], "nobody awaits a paused schedule"


def test_what_the_calendar_leaves_out_is_not_awaited(job, ops, at):
    rule = rows.rule(job)
    rows.notice(ops, alert_rule=rule)
    schedule = schedule_of(job, next_fire_at=NOW + 10 * MINUTE)
    clockwork.begin(rule, NOW)
    rows.ended(job, 10, RunStatus.SKIPPED, scheduled_for=NOW + 10 * MINUTE, reason_code=ReasonCode.CALENDAR)
    Schedule.objects.filter(pk=schedule.pk).update(next_fire_at=NOW + 70 * MINUTE)
    at(16)
    clockwork.pass_time()
    assert told() == []
    assert AlertStatus.objects.get().wakes_at == NOW + 75 * MINUTE


def test_an_outage_is_told_to_rules_and_to_the_platform(job, ops, at):
    admin = make_platform_admin()
    rows.notice(ops, alert_rule=rows.rule(job, job=None, source="portal", subjects=["workers"]))
    outage = Outage.objects.create(subject="workers", open_key="workers", began_at=NOW, noticed_at=NOW)
    clockwork.pass_time()
    clockwork.pass_time()
    assert told() == ["firing"]
    Outage.objects.filter(pk=outage.pk).update(ended_at=NOW + MINUTE)
    clockwork.pass_time()
    assert told() == ["firing", "recovered"]
    assert InboxMessage.objects.filter(user=admin).count() == 2


def test_escalation_goes_on_until_somebody_answers(job, ops, at):
    boss, policy = rows.channel(job, "boss"), EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p")
    for number, minutes in ((1, 5), (2, 10)):
        step = EscalationStep.objects.create(policy=policy, number=number, wait=minutes * MINUTE)
        step.channels.add(boss)
    rows.notice(ops, alert_rule=rows.rule(job, escalation=policy))
    rows.result(job, 0, 1)
    for minute in (4, 6, 7):
        at(minute)
        clockwork.pass_time()
    assert told() == ["firing", "escalated"]
    at(16)
    clockwork.pass_time()
    assert told() == ["firing", "escalated", "escalated"]
    at(60)
    clockwork.pass_time()
    assert told() == ["firing", "escalated", "escalated"]


def test_an_acknowledgement_stops_the_escalation_while_it_holds(job, ops, at):
    policy = EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p", ack_timeout=30 * MINUTE)
    EscalationStep.objects.create(policy=policy, number=1, wait=5 * MINUTE).channels.add(ops)
    rows.rule(job, escalation=policy)
    rows.result(job, 0, 1)
    incidents.acknowledge(Incident.objects.get(), at=NOW, by=Person(name="Li"))
    at(20)
    clockwork.pass_time()
    assert told() == []
    at(31)
    clockwork.pass_time()
    assert Incident.objects.get().status == IncidentStatus.OPEN
    at(37)
    clockwork.pass_time()
    assert told() == ["escalated"]


def test_after_an_acknowledgement_that_lapsed_the_first_step_is_told_again(job, ops, at):
    policy = EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p", ack_timeout=30 * MINUTE)
    EscalationStep.objects.create(policy=policy, number=1, wait=5 * MINUTE).channels.add(ops)
    rows.rule(job, escalation=policy)
    rows.result(job, 0, 1)
    at(6)
    clockwork.pass_time()
    incidents.acknowledge(Incident.objects.get(), at=NOW + 7 * MINUTE, by=Person(name="Li"))
    for minute in (38, 44):
        at(minute)
        clockwork.pass_time()
    assert told() == ["escalated", "escalated"]


@pytest.mark.parametrize("answer", [incidents.acknowledge, incidents.resolve])
def test_an_answer_of_the_last_moment_is_heard(job, ops, at, monkeypatch, answer):
    policy = EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p", ack_timeout=30 * MINUTE)
    EscalationStep.objects.create(policy=policy, number=1, wait=5 * MINUTE).channels.add(ops)
    rows.rule(job, escalation=policy)
    rows.result(job, 0, 1)
    real = escalation._step

    def step(*args):
        answer(Incident.objects.get(), at=NOW + 6 * MINUTE, by=Person(name="Li"))
        real(*args)

    monkeypatch.setattr(escalation, "_step", step)
    at(6)
    clockwork.pass_time()
    assert told() == []
    assert Incident.objects.get().status != IncidentStatus.OPEN


def test_the_timeline_names_nobody_whom_a_silence_spared(job, ops, at):
    policy = EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p")
    EscalationStep.objects.create(policy=policy, number=1, wait=5 * MINUTE).channels.add(ops)
    rows.rule(job, escalation=policy)
    Silence.objects.create(
        tenant=job.tenant, reason="move", selector={}, starts_at=NOW - MINUTE, ends_at=NOW + 10 * MINUTE
    )
    rows.result(job, 0, 1)
    at(6)
    clockwork.pass_time()
    event = Incident.objects.get().events.get(what="escalated")
    assert event.said["names"] == "–"


def test_who_is_on_call_gets_it_in_the_inbox(job, at):
    person = user()
    rota = OnCallRota.objects.create(
        tenant=job.tenant, slug="r", name="r", members=[person.pk], starts=NOW - timedelta(days=1)
    )
    policy = EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p")
    EscalationStep.objects.create(policy=policy, number=1, wait=MINUTE, rota=rota)
    rows.rule(job, escalation=policy)
    rows.result(job, 0, 1)
    at(2)
    clockwork.pass_time()
    assert InboxMessage.objects.get().user == person


def test_a_snooze_ends(job, ops, at):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"repeat_every": "5m"}))
    rows.result(job, 0, 1)
    incidents.snooze(Incident.objects.get(), until=NOW + 22 * MINUTE, at=NOW, by=Person(user=user()))
    for minute in (6, 12, 18):
        at(minute)
        clockwork.pass_time()
    assert told() == ["firing"]
    at(21)
    clockwork.pass_time()
    assert told() == ["firing"]
    at(26)
    clockwork.pass_time()
    assert told() == ["firing", "still_firing"]


def test_a_silent_scheduler_is_one_incident(ops, at):
    for number in range(3):
        each = rows.sql_job(f"check-{number}")
        rows.notice(ops, alert_rule=rows.rule(each, each.slug, policy={"stale_after": "10m"}))
        rows.result(each, 0)
    Outage.objects.create(subject="beat", open_key="beat", began_at=NOW, noticed_at=NOW + MINUTE)
    at(11)
    clockwork.pass_time()
    incident = Incident.objects.get()
    assert (incident.cause, incident.members.count(), told()) == ("portal:beat", 3, ["stale"])


def test_reminders_stop_when_somebody_looks_after_it(job, ops, at):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"repeat_every": "30m"}))
    rows.result(job, 0, 1)
    at(31)
    clockwork.pass_time()
    assert told() == ["firing", "still_firing"]
    assert incidents.acknowledge(Incident.objects.get(), at=NOW, by=Person(name="Li Wei"))
    at(61)
    clockwork.pass_time()
    assert told() == ["firing", "still_firing"]
    assert Incident.objects.get().acknowledged_by == "Li Wei"


@pytest.mark.parametrize("off", [{"is_enabled": False}, {"archived_at": NOW}])
def test_a_job_that_is_switched_off_is_not_awaited(job, ops, at, off):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"stale_after": "30m"}))
    rows.result(job, 0)
    Job.objects.filter(pk=job.pk).update(**off)
    for minute in (31, 62, 100):
        at(minute)
        clockwork.pass_time()
    assert told() == []
    Job.objects.filter(pk=job.pk).update(is_enabled=True, archived_at=None)
    at(125)
    clockwork.pass_time()
    assert told() == [], "it is awaited from when it was switched on"
    at(131)
    clockwork.pass_time()
    assert told() == ["stale"]
