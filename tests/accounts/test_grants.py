"""Rights on single objects."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts.grants import grantable_verbs, granted_verbs, set_grants
from accounts.models import AuditEntry
from accounts.permissions import can
from datasources.models import DataSource
from tests.cast import make_cast, make_platform_admin, make_stranger
from tests.jobs import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours():
    return make_cast("acme")


def test_a_tenant_admin_shares_a_job(ours):
    job = rows.job(of=ours.tenant)
    assert set_grants(job, actor=ours.owner, user=ours.viewer, verbs=["run"])
    assert can(ours.viewer, "run", job)
    assert granted_verbs(job) == {ours.viewer: {"run"}}
    assert AuditEntry.objects.get().details == {"user": "acme-viewer", "before": [], "after": ["run"]}


def test_an_editor_shares_nothing_though_able_to_change_it(ours):
    job = rows.job(of=ours.tenant)
    assert grantable_verbs(ours.editor, job) == []
    with pytest.raises(PermissionDenied):
        set_grants(job, actor=ours.editor, user=ours.viewer, verbs=["view"])


def test_a_right_goes_to_members_only(ours):
    with pytest.raises(PermissionDenied, match="members"):
        set_grants(rows.job(of=ours.tenant), actor=ours.owner, user=make_stranger(), verbs=["view"])


def test_a_right_can_be_taken_back(ours):
    job = rows.job(of=ours.tenant)
    set_grants(job, actor=ours.owner, user=ours.viewer, verbs=["run"])
    set_grants(job, actor=ours.owner, user=ours.viewer, verbs=[])
    assert not can(ours.viewer, "run", job)


def test_nobody_grants_what_they_lack(ours):
    job = rows.job(of=ours.tenant)
    with pytest.raises(PermissionDenied):
        set_grants(job, actor=ours.owner, user=ours.viewer, verbs=["add"])


def test_the_use_of_a_datasource_can_be_granted(ours):
    source = DataSource.objects.create(tenant=ours.tenant, slug="shop", name="Shop", kind="sqlite")
    set_grants(source, actor=make_platform_admin(), user=ours.operator, verbs=["use"])
    assert can(ours.operator, "use", source)


def test_a_row_without_a_grant_table_is_not_shared(ours):
    assert grantable_verbs(ours.owner, ours.tenant) == []
