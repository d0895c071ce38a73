"""What is old goes, a batch at a time; what is open stays however old it is."""

from datetime import timedelta

import pytest

from alerts import retention
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
