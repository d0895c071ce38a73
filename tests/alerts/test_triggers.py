"""Whatever a form offers to be told of, the engine tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import clockwork, incidents
from alerts.admin import notice_fields, sql_alert_form
from alerts.incidents import Person
from alerts.models import EscalationPolicy, EscalationStep, Incident, Notification
from alerts.states import RUN_TRIGGERS, Trigger
from jobs.models import Outage
from jobs.states import RunStatus
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW, told
from tests.jobs import rows as job_rows

pytestmark = pytest.mark.django_db


def end(status, **fields):
    def act(job, at):
        rows.ended(job, 0, status, **fields)
        rows.drain()

    return act


def late(job, at):
    rows.ended(job, 0, started_at=NOW, scheduled_for=NOW - timedelta(hours=5))
    rows.drain()


def usual(job, seconds=60):
    for minute in range(20):
        ended = NOW + (minute - 300) * MINUTE
        rows.ended(job, minute - 300, started_at=ended - timedelta(seconds=seconds), outputs={"row_count": "1000"})
    rows.drain()


def suspicious(job, at):
    usual(job)
    rows.ended(job, 0, started_at=NOW - timedelta(seconds=60), outputs={"row_count": "0"})
    rows.drain()


def too_long(job, at):
    usual(job)
    job_rows.run(job, RunStatus.RUNNING, at=NOW, started_at=NOW, origin="schedule")
    at(60)
    clockwork._last_round.clear()
    clockwork.pass_time()


def fires(job, at):
    rows.rule(job, policy={"repeat_every": "30m", "stale_after": "3h"})
    rows.result(job, 0, 1)


def still_fires(job, at):
    fires(job, at)
    at(31)
    clockwork.pass_time()


def recovers(job, at):
    fires(job, at)
    rows.result(job, 1)


def check_fails(job, at):
    rows.rule(job)
    rows.failed(job, 0)


def is_stale(job, at):
    rows.rule(job, policy={"stale_after": "3h"})
    rows.result(job, 0)
    at(200)
    clockwork.pass_time()


def no_data(job, at):
    params = {"measure": "row_count", "against": "last", "direction": "rise", "limit": "0.5"}
    rows.rule(job, condition="compared", condition_params=params)
    rows.result(job, 0, 1)


def acknowledged(job, at):
    fires(job, at)
    incidents.acknowledge(Incident.objects.get(), at=NOW, by=Person(name="Li Wei"))


def escalated(job, at):
    policy = EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p")
    EscalationStep.objects.create(policy=policy, number=1, wait=5 * MINUTE)
    rows.rule(job, escalation=policy)
    rows.result(job, 0, 1)
    at(6)
    clockwork.pass_time()


def outage(job, at):
    rows.rule(job, job=None, source="portal", subjects=["workers"])
    Outage.objects.create(subject="workers", open_key="workers", began_at=NOW, noticed_at=NOW)
    clockwork.pass_time()


def outage_over(job, at):
    outage(job, at)
    Outage.objects.update(ended_at=NOW + MINUTE)
    clockwork.pass_time()


SCENES = {
    Trigger.SUCCESS: end(RunStatus.SUCCEEDED),
    Trigger.BUSINESS_FAILURE: end(RunStatus.BUSINESS_FAILURE),
    Trigger.TECHNICAL_FAILURE: end(RunStatus.TECHNICAL_FAILURE),
    Trigger.TIMEOUT: end(RunStatus.TIMED_OUT),
    Trigger.MISSED: end(RunStatus.MISSED),
    Trigger.SKIPPED: end(RunStatus.SKIPPED),
    Trigger.LOST: end(RunStatus.LOST),
    Trigger.LATE: late,
    Trigger.TOO_LONG: too_long,
    Trigger.SUSPICIOUS: suspicious,
    Trigger.FIRING: fires,
    Trigger.STILL_FIRING: still_fires,
    Trigger.RECOVERED: recovers,
    Trigger.ERROR: check_fails,
    Trigger.STALE: is_stale,
    Trigger.NO_DATA: no_data,
    Trigger.ACKNOWLEDGED: acknowledged,
    Trigger.ESCALATED: escalated,
    Trigger.OUTAGE: outage,
    Trigger.OUTAGE_OVER: outage_over,
}


def test_every_trigger_that_a_form_offers_has_a_scene():
    offered = {name for _group, choices in notice_fields.grouped_triggers() for name, _label in choices}
    assert {one.value for one in sql_alert_form.TRIGGERS} <= offered
    assert offered == {one.value for one in SCENES}


@pytest.mark.parametrize("trigger", SCENES)
def test_a_rule_that_names_nothing_else_is_told(job, ops, at, trigger):
    rows.notice(ops, [trigger.value], **({"job": job} if trigger in RUN_TRIGGERS else {}))
    SCENES[trigger](job, at)
    assert set(told()) == {trigger.value}


def test_a_channel_gets_one_message_of_an_outage(job, ops, at):
    rows.notice(ops, ["firing", "recovered"])
    rows.notice(ops, ["outage", "outage_over"], name="both")
    outage_over(job, at)
    assert told() == ["outage", "outage_over"]


def test_who_is_told_by_the_step_is_not_told_again_by_a_rule(job, ops, at):
    rows.notice(ops, ["escalated"])
    rows.notice(rows.channel(job, "others"), ["escalated"], name="others")
    policy = EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p")
    EscalationStep.objects.create(policy=policy, number=1, wait=5 * MINUTE).channels.add(ops)
    rows.rule(job, escalation=policy)
    rows.result(job, 0, 1)
    at(6)
    clockwork.pass_time()
    assert sorted(Notification.objects.values_list("channel__slug", flat=True)) == ["ops", "others"]
