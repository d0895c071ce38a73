"""The passes look for something to do in one statement, and find whatever there is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import agenda, clockwork, consume, rows, shelf
from alerts.models import AlertRow, AlertStatus, Silence
from alerts.rowdiff import KeyedRow, RowDiff
from jobs import dbclock
from jobs.models import Outage, RunEvent
from tests.alerts import rows as made
from tests.alerts.admin.incidentrows import incident
from tests.alerts.rows import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def _alert(job, **values):
    AlertStatus.objects.create(rule=made.rule(job), subject="x", job=job, state_at=NOW, **values)


def _outage(job, **values):
    Outage.objects.create(subject="beat", began_at=NOW, noticed_at=NOW, **values)


def _incident(job, **values):
    incident(**values)


@pytest.mark.parametrize(
    ("make", "values", "is_due"),
    [
        (_alert, {"wakes_at": NOW}, True),
        (_alert, {"wakes_at": LATER}, False),
        (_alert, {"wakes_at": None}, False),
        (_incident, {"next_step_at": NOW}, True),
        (_incident, {"next_step_at": LATER}, False),
        (_incident, {"next_step_at": NOW, "resolved_at": NOW, "status": "resolved"}, False),
        (_incident, {"snoozed_until": NOW}, True),
        (_incident, {"snoozed_until": LATER}, False),
        (_incident, {"snoozed_until": NOW, "status": "resolved"}, False),
        (_outage, {}, True),
        (_outage, {"notified_at": NOW}, False),
        (_outage, {"notified_at": NOW, "ended_at": NOW}, True),
        (_outage, {"notified_at": NOW, "ended_at": NOW, "over_notified_at": NOW}, False),
    ],
)
def test_what_brings_a_pass_about(job, make, values, is_due):
    make(job, **values)
    assert agenda.has_come(NOW) is is_due


def test_events_that_no_rule_has_seen_are_consumed(job):
    assert not agenda.has_events()
    made.ended(job)
    assert agenda.has_events()
    assert consume.consume() == RunEvent.objects.count() > 0
    assert not agenda.has_events()


def test_with_nothing_to_do_a_pass_is_one_statement(django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(clockwork, "_last_round", [dbclock.now()])
    with django_assert_num_queries(1):
        assert consume.consume() == 0
    with django_assert_num_queries(1):
        assert clockwork.pass_time() == 0


def test_many_new_rows_cost_as_many_statements_as_few(job, django_assert_max_num_queries):
    """A row that comes back is the same row again, and nobody has acknowledged it this time."""
    status = AlertStatus.objects.create(rule=made.rule(job), subject="x", job=job, state_at=NOW)
    keyed = [KeyedRow(hash=f"{number:032x}", key=(number,), row=(number, "x")) for number in range(300)]
    with django_assert_max_num_queries(8):
        rows.keep_found(status, RowDiff(new=tuple(keyed)), ["id", "name"], NOW)
    AlertRow.objects.update(acknowledged_at=NOW, acknowledged_by="Li Wei", resolved_at=NOW)
    with django_assert_max_num_queries(8):
        rows.keep_found(status, RowDiff(new=tuple(keyed[:150])), ["id", "name"], LATER)
    again = AlertRow.objects.filter(acknowledged_at=None, acknowledged_by="", resolved_at=None, first_at=LATER)
    assert (AlertRow.objects.count(), again.count()) == (300, 150)


@pytest.mark.parametrize(("ago", "is_kept"), [(timedelta(days=1), True), (timedelta(days=30), False)])
def test_silences_that_are_long_over_are_not_kept_in_memory(job, monkeypatch, ago, is_kept):
    """One that ended a while ago is: an event of its time may come late."""
    monkeypatch.setattr(shelf, "MOST_LATE", timedelta(days=8))
    ends = dbclock.now() - ago
    row = Silence.objects.create(tenant=job.tenant, selector={}, starts_at=ends - ago, ends_at=ends, reason="x")
    assert [one.id for one in shelf.read(job.tenant_id, 1).silences] == ([row.pk] if is_kept else [])
