"""Who is on call must still belong to the tenant; when nobody is, that is no secret."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Membership
from alerts import clockwork
from alerts.models import EscalationPolicy, EscalationStep, InboxMessage, Incident, OnCallRota
from tests.alerts import rows
from tests.alerts.rows import MINUTE, NOW
from tests.cast import make_platform_admin
from tests.jobs.rows import user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("is_member", [True, False])
def test_only_a_member_of_the_tenant_is_called(job, at, is_member):
    admin, person = make_platform_admin(), user()
    rota = OnCallRota.objects.create(
        tenant=job.tenant, slug="r", name="Nights", members=[person.pk], starts=NOW - timedelta(days=1)
    )
    Membership.objects.filter(user=person).delete()
    if is_member:
        Membership.objects.create(user=person, tenant=job.tenant, role="operator")
    policy = EscalationPolicy.objects.create(tenant=job.tenant, slug="p", name="p")
    EscalationStep.objects.create(policy=policy, number=1, wait=MINUTE, rota=rota)
    rows.rule(job, escalation=policy)
    rows.result(job, 0, 1)
    at(2)
    clockwork.pass_time()
    assert InboxMessage.objects.get().user == (person if is_member else admin)
    said = [each.said.get("key") for each in Incident.objects.get().events.all()]
    assert ("incident.nobody_on_call" in said) is not is_member
