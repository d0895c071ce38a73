"""What an event costs, and whom it concerns."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts import consume
from alerts.roster import Roster
from alerts.shelf import shelf
from alerts.states import Trigger
from jobs.states import RunStatus
from tests.alerts import rows
from tests.jobs.rows import tenant

pytestmark = pytest.mark.django_db


def test_own_rules_and_those_whose_selector_fits(job, ops):
    other = rows.sql_job("other")
    mine = rows.rule(job)
    many = rows.rule(job, "many", job=None, selector={"jobs": [job.slug, "third"]})
    rows.rule(job, "off", is_enabled=False)
    rows.rule(other, "theirs")
    all_of_them = rows.notice(ops, ["timeout"])
    roster = Roster.of([job, other])
    assert roster.alert_rules[job.pk] == [mine, many]
    assert roster.notification_rules[other.pk] == [all_of_them]
    assert roster.names(job, Trigger.TIMEOUT)
    assert not roster.names(job, Trigger.SUSPICIOUS)


def test_a_rule_never_fits_a_job_of_another_tenant(job):
    foreign = rows.sql_job("foreign", of=tenant("other"))
    rows.rule(job, "strange", tenant_id=job.tenant_id, job=None, selector={})
    rows.rule(foreign, "wrong", job=job)
    assert [rule.slug for rule in Roster.of([job, foreign]).alert_rules[job.pk]] == ["strange"]
    assert not Roster.of([foreign]).alert_rules.get(foreign.pk)


def count_statements(job, ended):
    for number in range(ended):
        rows.ended(job, number, RunStatus.SUCCEEDED)
    with CaptureQueriesContext(
        connection,
    ) as found:
        consume.consume_once()
    return len(found)


def test_events_that_no_rule_concerns_cost_no_statement_each(job, monkeypatch):
    monkeypatch.setattr(consume, "SQLITE_BATCH", 100)
    count_statements(job, 1)
    assert count_statements(job, 3) == count_statements(job, 50)


def test_other_jobs_rules_cost_nothing(job, ops):
    rows.notice(ops, alert_rule=rows.rule(job))
    for _event in range(3):
        few = count_statements(job, 1)
    for number in range(30):
        rows.rule(rows.sql_job(f"other-{number}"), f"rule-{number}")
        rows.rule(job, f"many-{number}", job=None, selector={"jobs": [f"other-{number}"]})
    shelf.clear()
    count_statements(job, 1)
    assert count_statements(job, 1) == few
