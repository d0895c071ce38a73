"""What is old goes, a batch at a time; what is open stays however old it is."""

from datetime import timedelta

import pytest
from django.db import connection

from alerts import clockwork, retention
from alerts.models import AlertCheck, Incident, Notification
from tests.alerts import rows
from tests.alerts.rows import NOW

pytestmark = pytest.mark.django_db


def test_old_history_goes_and_what_is_open_stays(job, ops, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    rows.notice(ops, alert_rule=rows.rule(job))
    for minute in range(3):
        rows.result(job, minute, 1)
    Notification.objects.update(status="sent")
    later = NOW + timedelta(days=500)
    assert retention.prune(NOW + timedelta(days=40)) == 0
    assert retention.prune(later) == 3
    assert retention.prune(later) == 1
    assert (AlertCheck.objects.count(), Notification.objects.count(), Incident.objects.count()) == (0, 0, 1)
    rows.result(job, 4)
    Incident.objects.update(resolved_at=NOW)
    retention.prune(later)
    assert not Incident.objects.exists()


def test_a_message_that_was_not_sent_stays(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job))
    rows.result(job, 0, 1)
    retention.prune(NOW + timedelta(days=500))
    assert Notification.objects.filter(status="pending").exists()


@pytest.mark.ledger("postgresql")
def test_what_is_old_is_found_by_an_index(job):
    rule = rows.rule(job)
    rows.result(job, 0, 1)
    status = rule.statuses.get()
    many = [AlertCheck(status=status, at=NOW - timedelta(minutes=minute), verdict="good") for minute in range(5000)]
    AlertCheck.objects.bulk_create(many)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE alerts_alertcheck")
    [checks, *_others] = retention._old(NOW + retention.CHECKS_KEPT - timedelta(days=3))
    assert "alertcheck_at" in checks[: retention.BATCH].explain()


def test_the_clock_deletes_nothing(job, at, monkeypatch):
    """Its transaction holds a turn that all others wait for."""
    rows.rule(job)
    rows.result(job, 0, 1)
    at(60 * 24 * 100)
    clockwork._last_round.clear()
    clockwork.pass_time()
    assert AlertCheck.objects.count() == 1
    assert retention.keep_up(NOW + timedelta(days=100)) == 1
