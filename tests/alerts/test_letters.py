"""The values that messages are written with."""

from __future__ import annotations

import pytest

from alerts import letters
from alerts.letters import Event
from alerts.models import AlertStatus, Incident
from alerts.shelf import target_of
from alerts.states import Severity, Trigger
from alerts.templatevars import VARIABLES
from tests.alerts import rows

pytestmark = pytest.mark.django_db


def test_every_variable_of_the_list_has_a_value_in_some_message(job, ops):
    rule = rows.rule(job)
    rows.notice(ops, alert_rule=rule)
    run = rows.result(job, 0, 1)
    assert run.ended_at
    incident = Incident.objects.get()
    event = Event(
        tenant=job.tenant,
        trigger=Trigger.FIRING,
        severity=Severity.WARNING,
        at=run.ended_at,
        key="k",
        target=target_of(job, rule),
        job=job,
        run=run,
        alert_rule=rule,
        status=AlertStatus.objects.get(),
        incident=incident,
        evidence=incident.evidence,
    )
    assert set(letters.variables(event, ack_url="x")) == set(VARIABLES)
