"""What becomes of a message that several rules or alerts want, each in its own way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import backtest
from alerts.backtest import Question
from alerts.models import AlertRule, Incident, Notification, NotificationRule, Silence
from alerts.shelf import shelf, target_of
from alerts.states import NotificationStatus as N
from jobs.states import Origin, ReasonCode
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW

pytestmark = pytest.mark.django_db


def quiet(ends: str, action: str = "hold"):
    return {"timezone": "UTC", "spans": [{"starts": "11:00", "ends": ends}], "action": action}


DROPPED, HELD, LONGER = quiet("13:00", "drop"), quiet("13:00"), quiet("14:00")


@pytest.mark.parametrize(
    ("hours", "status", "hours_later"),
    [
        ([DROPPED, None], N.PENDING, 0),
        ([HELD, None], N.PENDING, 0),
        ([None, DROPPED], N.PENDING, 0),
        ([DROPPED, HELD], N.HELD, 1),
        ([LONGER, HELD], N.HELD, 1),
        ([HELD, LONGER], N.HELD, 1),
        ([DROPPED, DROPPED], N.SUPPRESSED, 0),
    ],
)
def test_the_most_urgent_rule_decides(job, ops, hours, status, hours_later):
    rule = rows.rule(job)
    for number, one in enumerate(hours):
        rows.notice(ops, alert_rule=rule, name=f"tell {number}", quiet_hours=one)
    rows.ended(job, 0, origin=Origin.API, result=rows.table(1))
    rows.drain()
    message = Notification.objects.get()
    assert (message.status, message.not_before) == (status, NOW + timedelta(hours=hours_later))
    assert [(each.fate.status, each.fate.at) for each in of_backtest(rule, job)] == [(status, message.not_before)]


def of_backtest(rule: AlertRule, job):
    asked = Question(
        rule=rule,
        job=job,
        notices=list(NotificationRule.objects.order_by("pk")),
        book=shelf.take([job.tenant_id])[job.tenant_id],
        target=target_of(job, rule),
        since=NOW - timedelta(days=1),
        until=NOW + MINUTE,
    )
    return backtest.of_alert(asked).written


def dead_datasource(ops, *labels):
    """Alerts of these labels find one datasource dead, one after the other."""
    checks = [rows.sql_job(f"check-{number}") for number in range(len(labels))]
    for each, label in zip(checks, labels, strict=True):
        rows.notice(ops, alert_rule=rows.rule(each, each.slug, labels={"team": label}), name=each.slug)
    Silence.objects.create(
        tenant=ops.tenant, reason="move", selector={"labels": ["team=quiet"]},
        starts_at=NOW - MINUTE, ends_at=NOW + 10 * MINUTE,
    )  # fmt: skip
    for minute, each in enumerate(checks):
        rows.failed(each, minute, reason_code=ReasonCode.CONNECTION, reason="refused")


def test_a_silenced_alert_does_not_silence_the_others(ops):
    dead_datasource(ops, "quiet", "shop", "shop")
    message = Notification.objects.get()
    assert (message.status, message.why, message.not_before) == (N.PENDING, {}, NOW + MINUTE)
    assert message.alert_rule == AlertRule.objects.get(slug="check-1")
    assert "check-1" in message.subject
    assert message.facts["acknowledge_url"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": N.SENT, "sent_at": NOW},
        {"status": N.SUPPRESSED, "why": {"key": "It is part of the digest."}},
        {"status": N.SENDING},
        {"status": N.DEAD},
    ],
)
def test_what_was_told_or_is_being_told_is_left_alone(ops, changes):
    dead_datasource(ops, "quiet")
    Notification.objects.update(**changes)
    second = rows.sql_job("second")
    rows.notice(ops, alert_rule=rows.rule(second, "second"), name="second")
    rows.failed(second, 1, reason_code=ReasonCode.CONNECTION)
    message = Notification.objects.get()
    assert (message.status, message.happened_at) == (changes["status"], NOW)


def test_that_a_silence_keeps_everything_back_is_no_secret(ops):
    dead_datasource(ops, "quiet", "quiet")
    notes = [event.said["key"] for event in Incident.objects.get().events.filter(what="notified")]
    assert notes == ["incident.kept_back"]
