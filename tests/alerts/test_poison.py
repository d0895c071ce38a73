"""What nobody can evaluate keeps nothing else waiting."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import clockwork, consume, happenings, overlong
from alerts.models import AlertStatus, InboxMessage
from jobs.models import Run, RunEvent
from jobs.states import RunStatus
from tests.alerts import rows
from tests.alerts.rows import NOW, told
from tests.cast import make_platform_admin
from tests.jobs import rows as run_rows

pytestmark = pytest.mark.django_db


def test_a_count_of_rows_of_400_digits_is_none():
    assert happenings.figures_of(Run(outputs={"row_count": "9" * 400}), None).row_count is None
    assert happenings.figures_of(Run(outputs={"row_count": "9" * 15}), None).row_count == 10**15 - 1


def test_an_event_that_cannot_be_read_is_passed_over_alone_and_the_platform_is_told(job, ops, monkeypatch):
    admin = make_platform_admin()
    rows.notice(ops, ["technical_failure"], job=job)
    runs = [rows.ended(job, minute, RunStatus.TECHNICAL_FAILURE) for minute in range(5)]
    real = consume.feed_happenings

    def feed(found):
        real(found)
        if any(each.run == runs[2] for each in found):
            raise OverflowError("too large")

    monkeypatch.setattr(consume, "feed_happenings", feed)
    rows.drain()
    assert not RunEvent.objects.filter(processed_at=None).exists()
    assert told() == ["technical_failure"] * 4
    message = InboxMessage.objects.get(user=admin)
    assert f"#{runs[2].pk}" in message.subject


def test_a_success_that_cannot_be_weighed_is_a_success(job, ops, monkeypatch):
    rows.notice(ops, ["success", "suspicious"], job=job)
    monkeypatch.setattr(happenings, "suspicion_of", lambda run: 1 // 0)
    rows.result(job, 0)
    assert told() == ["success"]
    assert not InboxMessage.objects.exists()


def test_a_running_run_that_cannot_be_weighed_harms_no_other(job, ops, at, monkeypatch):
    rows.notice(ops, ["too_long"], job=job)
    for number in range(40):
        begun = NOW - timedelta(hours=50 - number)
        run_rows.run(job, at=begun, ended_at=begun + timedelta(seconds=60 + number % 7))
    bad, _good = (run_rows.run(job, RunStatus.RUNNING, at=NOW) for _number in range(2))
    real = happenings.history_before
    monkeypatch.setattr(overlong, "history_before", lambda run: 1 // 0 if run == bad else real(run))
    clockwork._last_round.clear()
    at(30)
    clockwork.pass_time()
    assert told() == ["too_long"]


def test_a_rule_that_cannot_be_begun_harms_no_other(job, at, monkeypatch):
    bad, good = rows.rule(job, "bad"), rows.rule(job, "good")
    real = clockwork.await_result
    monkeypatch.setattr(
        clockwork, "await_result", lambda status, now: 1 // 0 if status.rule == bad else real(status, now)
    )
    clockwork._last_round.clear()
    clockwork.pass_time()
    assert AlertStatus.objects.get().rule == good
