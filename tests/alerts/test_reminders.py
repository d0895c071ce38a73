"""Reminders of an incident: each comes once, whatever happens between them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import backtest, clockwork
from alerts.backtest import Question
from alerts.models import AlertRule, Incident, Notification, NotificationRule
from alerts.shelf import shelf, target_of
from alerts.states import Happened
from jobs.states import Origin, ReasonCode
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW

pytestmark = pytest.mark.django_db

TEN = {"repeat_every": "10m"}


def minutes() -> list[float]:
    """When reminders were written."""
    found = Notification.objects.filter(trigger="still_firing").order_by("pk").values_list("happened_at", flat=True)
    return [(at - NOW) / MINUTE for at in found]


def notes() -> int:
    return Incident.objects.earliest("pk").events.filter(what=Happened.REMINDED).count()


def pass_minutes(at, first: int, last: int) -> None:
    for minute in range(first, last + 1):
        at(minute)
        clockwork.pass_time()


def test_they_go_on_after_an_interlude(job, ops, at):
    rule = rows.rule(job, policy=TEN)
    rows.notice(ops, ["firing", "still_firing"], alert_rule=rule)
    for minute in (0, 11, 21):
        bad(job, minute)
        pass_minutes(at, minute + 1, minute + 10)
    rows.failed(job, 31, reason_code=ReasonCode.SCRIPT_FAILED, origin=Origin.API)
    for minute in (32, 43, 53):
        bad(job, minute)
        pass_minutes(at, minute + 1, minute + 10)
    assert minutes() == [10, 20, 30, 42, 52, 62]
    assert of_backtest(rule, job, 63) == [10, 20, 30, 42, 52, 62]


def bad(job, minute: float) -> None:
    rows.ended(job, minute, origin=Origin.API, result=rows.table(1))
    rows.drain()


def of_backtest(rule: AlertRule, job, until: int) -> list[float]:
    asked = Question(
        rule=rule,
        job=job,
        notices=list(NotificationRule.objects.all()),
        book=shelf.take([job.tenant_id])[job.tenant_id],
        target=target_of(job, rule),
        since=NOW - timedelta(days=1),
        until=NOW + until * MINUTE,
    )
    return [(each.at - NOW) / MINUTE for each in backtest.of_alert(asked).written if each.trigger == "still_firing"]


def test_many_alerts_of_an_incident_remind_together(ops, at):
    for number in range(3):
        each = rows.sql_job(f"check-{number}")
        rows.notice(ops, alert_rule=rows.rule(each, each.slug, policy=TEN), name=each.slug)
        rows.failed(each, number, reason_code=ReasonCode.CONNECTION)
    pass_minutes(at, 3, 25)
    assert minutes() == [10, 20]
    assert notes() == 2


def test_who_reminds_more_seldom_is_not_kept_quiet_by_who_does_more_often(ops, at):
    for slug, every in (("often", "10m"), ("seldom", "25m")):
        each = rows.sql_job(slug)
        rows.notice(ops, alert_rule=rows.rule(each, slug, policy={"repeat_every": every}), name=slug)
        rows.failed(each, 0, reason_code=ReasonCode.CONNECTION)
    pass_minutes(at, 1, 26)
    assert minutes() == [10, 20, 25]


def test_the_timeline_has_no_reminder_that_nobody_gets(job, at):
    rows.rule(job, policy=TEN)
    rows.result(job, 0, 1)
    pass_minutes(at, 1, 25)
    assert notes() == 0
