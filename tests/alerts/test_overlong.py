"""Runs that take unusually long are told of while they run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts import backtest, clockwork
from alerts.baseline import Figures, is_too_long
from alerts.models import AlertCheck, Notification, NotificationRule
from alerts.overlong import too_long_after
from alerts.shelf import shelf
from jobs.models import Run
from jobs.states import RunStatus
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW, told
from tests.jobs import rows as run_rows

USUAL = [Figures(seconds=60.0 + number % 7) for number in range(40)]


def test_the_moment_is_where_it_begins_to_be_unusual():
    after = too_long_after(USUAL)
    assert after is not None
    seconds = after.total_seconds()
    assert is_too_long(USUAL, seconds + 1)
    assert not is_too_long(USUAL, seconds - 2)


def test_without_a_history_nothing_is_unusual():
    assert too_long_after(USUAL[:3]) is None


@pytest.fixture
def history(job):
    for number in range(40):
        at = NOW - timedelta(hours=50 - number)
        run_rows.run(job, at=at, ended_at=at + timedelta(seconds=60 + number % 7))
    return job


@pytest.mark.django_db
def test_it_is_told_once_while_the_run_goes_on(history, ops, at):
    rows.notice(ops, ["too_long"], job=history)
    run_rows.run(history, RunStatus.RUNNING, at=NOW)
    for minute in (1, 30, 31, 60):
        clockwork._last_round.clear()
        at(minute)
        clockwork.pass_time()
    assert told() == ["too_long"]
    run = Run.objects.get(status=RunStatus.RUNNING)
    Run.objects.filter(pk=run.pk).update(status=RunStatus.SUCCEEDED, ended_at=NOW + 61 * MINUTE)
    live = list(Notification.objects.values_list("happened_at", "trigger"))
    book = shelf.take([history.tenant_id])[history.tenant_id]
    rule = NotificationRule.objects.get()
    report = backtest.of_notice(
        rule, [history], book=book, since=NOW - timedelta(days=5), until=NOW + timedelta(days=1)
    )
    assert [(each.at, each.trigger.value) for each in report.written] == live


@pytest.mark.django_db
def test_a_run_that_was_told_of_is_written_no_more(history, ops, at):
    rows.notice(ops, ["too_long"], job=history)
    rows.rule(history, source="outcome", outcomes=["too_long"], condition="")
    run_rows.run(history, RunStatus.RUNNING, at=NOW)
    writes = []
    for minute in (30, 31):
        clockwork._last_round.clear()
        at(minute)
        with CaptureQueriesContext(connection) as found:
            clockwork.pass_time()
        writes.append([one["sql"] for one in found if one["sql"].startswith(("INSERT", "UPDATE"))])
    assert writes[0]
    assert [one for one in writes[1] if "alerts_" in one and "officeturn" not in one] == []
    assert AlertCheck.objects.count() == 1


@pytest.mark.django_db
def test_nobody_is_asked_of_jobs_that_no_rule_watches(history, ops, at):
    rows.notice(ops, ["timeout"], job=history)
    run_rows.run(history, RunStatus.RUNNING, at=NOW)
    clockwork._last_round.clear()
    at(60)
    clockwork.pass_time()
    assert told() == []
