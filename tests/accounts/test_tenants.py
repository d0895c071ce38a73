"""Services over tenants and members."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from guardian.shortcuts import assign_perm

from accounts import tenants
from accounts.models import AuditEntry, Membership, RoleName
from accounts.permissions import can
from tests.cast import join, make_cast, make_platform_admin, make_stranger, make_user
from tests.jobs import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours():
    return make_cast("acme")


def membership(user):
    return Membership.objects.get(user=user)


def test_a_platform_admin_creates_a_tenant():
    tenant = tenants.create_tenant(actor=make_platform_admin(), slug="new", name="New")
    assert AuditEntry.objects.get().tenant == tenant


def test_a_tenant_admin_creates_no_tenant(ours):
    with pytest.raises(PermissionDenied):
        tenants.create_tenant(actor=ours.owner, slug="new", name="New")


def test_a_new_member_may_log_in(ours):
    user = make_user("new", is_staff=False)
    tenants.add_member(ours.tenant, actor=ours.owner, user=user, role=RoleName.VIEWER)
    user.refresh_from_db()
    assert user.is_staff
    assert AuditEntry.objects.get().details == {"after": "viewer", "user": "new"}


def test_only_an_admin_adds_members(ours):
    with pytest.raises(PermissionDenied):
        tenants.add_member(ours.tenant, actor=ours.editor, user=make_stranger(), role=RoleName.VIEWER)


def test_an_admin_of_another_tenant_adds_nobody(ours):
    with pytest.raises(PermissionDenied):
        tenants.add_member(ours.tenant, actor=make_cast("b").owner, user=make_stranger(), role=RoleName.VIEWER)


def test_adding_a_member_twice_is_refused(ours):
    with pytest.raises(ValidationError, match="member already"):
        tenants.add_member(ours.tenant, actor=ours.owner, user=ours.viewer, role=RoleName.ADMIN)


def test_an_unknown_role_is_refused(ours):
    with pytest.raises(ValidationError, match="no such role"):
        tenants.add_member(ours.tenant, actor=ours.owner, user=make_stranger(), role="emperor")


def test_a_role_change_is_audited(ours):
    assert tenants.change_role(membership(ours.viewer), actor=ours.owner, role=RoleName.EDITOR)
    assert membership(ours.viewer).role == RoleName.EDITOR
    assert AuditEntry.objects.get().details == {"before": "viewer", "after": "editor", "user": "acme-viewer"}


def test_the_same_role_again_changes_nothing(ours):
    assert not tenants.change_role(membership(ours.viewer), actor=ours.owner, role=RoleName.VIEWER)
    assert not AuditEntry.objects.exists()


def test_the_last_admin_is_neither_demoted_nor_removed(ours):
    for deed in (
        lambda: tenants.change_role(membership(ours.owner), actor=ours.owner, role=RoleName.VIEWER),
        lambda: tenants.remove_member(membership(ours.owner), actor=make_platform_admin("r")),
    ):
        with pytest.raises(ValidationError, match="last admin"):
            deed()


def test_an_inactive_second_admin_does_not_count(ours):
    join(make_user("gone", is_active=False), ours.tenant, RoleName.ADMIN)
    with pytest.raises(ValidationError, match="last admin"):
        tenants.remove_member(membership(ours.owner), actor=ours.owner)


def test_a_removed_member_loses_grants_and_log_in(ours):
    job = rows.job(of=ours.tenant)
    assign_perm("jobs.view_job", ours.viewer, job)
    tenants.remove_member(membership(ours.viewer), actor=ours.owner)
    ours.viewer.refresh_from_db()
    assert not can(ours.viewer, "view", job)
    assert not ours.viewer.is_staff


def test_a_grant_in_another_tenant_survives_leaving(ours):
    other = make_cast("other")
    job = rows.job(of=other.tenant)
    assign_perm("jobs.view_job", ours.viewer, job)
    tenants.remove_member(membership(ours.viewer), actor=ours.owner)
    assert can(ours.viewer, "view", job)


def test_only_a_manager_gives_roles(ours):
    assert tenants.allowed_roles(ours.owner, ours.tenant) == list(RoleName.values)
    assert tenants.allowed_roles(ours.editor, ours.tenant) == []
    assert tenants.allowed_roles(ours.owner, None) == []
