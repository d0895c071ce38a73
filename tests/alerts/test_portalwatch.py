"""Outages are told once, and never counted as told when the ledger failed."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from alerts import clockwork, evaluate
from alerts.models import AlertStatus
from alerts.states import AlertState
from jobs.models import Outage
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def outage(job, ops, at):
    rows.notice(ops, alert_rule=rows.rule(job, job=None, source="portal", subjects=["workers"]))
    return Outage.objects.create(subject="workers", open_key="workers", began_at=NOW, noticed_at=NOW)


def test_an_outage_that_the_ledger_could_not_take_is_told_later(outage, monkeypatch):
    def gone(*args, **kwargs):
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "feed", gone)
        with pytest.raises(OperationalError):
            clockwork.pass_time()
    outage.refresh_from_db()
    assert outage.notified_at is None
    clockwork.pass_time()
    assert told() == ["firing"]


def test_a_rule_that_crashes_over_an_outage_says_so(outage, monkeypatch):
    real, calls = evaluate.feed, []

    def once(*args, **kwargs):
        calls.append(args)
        return 1 // 0 if len(calls) == 1 else real(*args, **kwargs)

    monkeypatch.setattr(evaluate, "feed", once)
    clockwork.pass_time()
    assert AlertStatus.objects.get().state == AlertState.ERROR
    assert told() == ["error"]
    Outage.objects.filter(pk=outage.pk).update(ended_at=NOW + MINUTE)
    clockwork.pass_time()
    assert told() == ["error", "recovered"]
