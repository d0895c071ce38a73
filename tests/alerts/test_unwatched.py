"""What nobody watches any more ends, and says why."""

from __future__ import annotations

import pytest

from alerts import clockwork
from alerts.models import AlertStatus, Incident, IncidentEvent
from alerts.states import AlertState, Happened, IncidentStatus
from jobs import catalog, labels
from jobs.models import Job
from tests.alerts import rows
from tests.alerts.rows import told

pytestmark = pytest.mark.django_db


def ended_because() -> str:
    (line,) = IncidentEvent.objects.filter(what=Happened.RESOLVED)
    return str(line.said["key"])


@pytest.fixture(autouse=True)
def every_look_is_a_round(monkeypatch):
    monkeypatch.setattr(clockwork, "_is_time_for_a_round", lambda now: True)


def test_an_incident_of_a_deleted_job_is_over(job, ops, at):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"repeat_every": "5m"}))
    rows.result(job, 0, 1)
    assert Incident.objects.get().status == IncidentStatus.OPEN
    catalog.delete_job(Job.objects.get(pk=job.pk), actor=None)
    at(20)
    clockwork.pass_time()
    assert (Incident.objects.get().status, ended_because()) == (IncidentStatus.RESOLVED, "incident.job_deleted")
    before = told()
    at(60)
    assert clockwork.pass_time() == 0, "there is nothing left to do"
    assert told() == before
    assert AlertStatus.objects.get().state == AlertState.OK


def test_an_incident_of_a_job_that_the_selector_no_longer_fits_is_over(job, ops, at):
    labels.save_labels(job, actor=None, labels={"team": "shop"})
    rows.rule(job, job=None, selector={"labels": ["team=shop"]})
    rows.result(job, 0, 1)
    at(10)
    clockwork.pass_time()
    assert Incident.objects.get().status == IncidentStatus.OPEN
    labels.save_labels(Job.objects.get(pk=job.pk), actor=None, labels={"team": "other"})
    clockwork.pass_time()
    assert (Incident.objects.get().status, ended_because()) == (IncidentStatus.RESOLVED, "incident.unconcerned")
