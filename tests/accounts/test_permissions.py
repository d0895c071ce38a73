"""The two doors, for the whole cast."""

import pytest
from guardian.shortcuts import assign_perm

from accounts.models import Membership, RoleName, Tenant, User
from accounts.permissions import can, can_any, manages, visible_to
from datasources.models import DataSource
from jobs.models import Attempt, Job, Run, Schedule
from tests.cast import join, make_cast, make_platform_admin, make_stranger, make_user
from tests.jobs import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours():
    return make_cast("acme")


@pytest.fixture
def theirs():
    return make_cast("other")


@pytest.mark.parametrize(
    ("verb", "allowed"),
    [
        ("view", {"owner", "editor", "operator", "viewer"}),
        ("run", {"owner", "editor", "operator"}),
        ("change", {"owner", "editor"}),
        ("delete", {"owner", "editor"}),
    ],
)
def test_each_role_may_do_to_a_job_what_the_table_says(ours, verb, allowed):
    job = rows.job(of=ours.tenant)
    assert {name for name, user in ours.members.items() if can(user, verb, job)} == allowed


@pytest.mark.parametrize("verb", ["view", "run", "change", "delete"])
def test_a_member_of_another_tenant_may_do_nothing(ours, theirs, verb):
    job = rows.job(of=ours.tenant)
    assert not any(can(user, verb, job) for user in theirs.members.values())


def test_a_stranger_sees_nothing(ours):
    rows.job(of=ours.tenant)
    assert not visible_to(make_stranger(), Job.objects.all()).exists()
    assert not can_any(make_stranger("another"), "view", Job)


def test_an_inactive_user_may_do_nothing(ours):
    job = rows.job(of=ours.tenant)
    ours.owner.is_active = False
    assert not can(ours.owner, "view", job)
    assert not visible_to(ours.owner, Job.objects.all()).exists()


def test_an_inactive_tenant_is_closed_to_its_members_and_to_grants(ours):
    job = rows.job(of=ours.tenant)
    guest = make_stranger()
    assign_perm("jobs.view_job", guest, job)
    Tenant.objects.update(is_active=False)
    assert not can(ours.owner, "view", job)
    assert not can(guest, "view", job)
    assert not visible_to(guest, Job.objects.all()).exists()


def test_a_platform_admin_may_do_everything(ours):
    job = rows.job(of=ours.tenant)
    root = make_platform_admin()
    assert can(root, "delete", job)
    assert visible_to(root, Job.objects.all()).get() == job


def test_a_user_of_two_tenants_has_each_role_in_its_own_tenant(ours, theirs):
    both = join(join(make_user("both"), ours.tenant, RoleName.VIEWER), theirs.tenant, RoleName.EDITOR)
    mine, other = rows.job("a", of=ours.tenant), rows.job("b", of=theirs.tenant)
    assert can(both, "change", other)
    assert not can(both, "change", mine)
    assert set(visible_to(both, Job.objects.all())) == {mine, other}
    assert set(visible_to(both, Job.objects.all(), "change")) == {other}


def test_a_grant_opens_one_object_for_one_verb(ours):
    granted, other = rows.job("a", of=ours.tenant), rows.job("b", of=ours.tenant)
    assign_perm("jobs.change_job", ours.viewer, granted)
    assert can(ours.viewer, "change", granted)
    assert not can(ours.viewer, "delete", granted)
    assert not can(ours.viewer, "change", other)
    assert list(visible_to(ours.viewer, Job.objects.all(), "change")) == [granted]


def test_a_grant_to_view_a_job_opens_its_runs_and_schedules_and_no_others(ours):
    guest = make_stranger()
    granted, other = rows.job("a", of=ours.tenant), rows.job("b", of=ours.tenant)
    assign_perm("jobs.view_job", guest, granted)
    mine, foreign = rows.run(granted), rows.run(other)
    planned = rows.schedule(granted)
    rows.schedule(other)
    assert can(guest, "view", mine)
    assert not can(guest, "view", foreign)
    assert list(visible_to(guest, Run.objects.all())) == [mine]
    assert list(visible_to(guest, Schedule.objects.all())) == [planned]
    assert list(visible_to(guest, Attempt.objects.filter(pk=rows.attempt(mine).pk))) != []


def test_a_grant_to_run_a_job_does_not_show_it(ours):
    guest = make_stranger()
    job = rows.job(of=ours.tenant)
    assign_perm("jobs.run_job", guest, job)
    assert can(guest, "run", job)
    assert not can(guest, "view", job)


def test_nobody_but_the_engine_writes_history(ours):
    run = rows.run(rows.job(of=ours.tenant))
    assert not any(can(user, verb, run) for user in ours.members.values() for verb in ("add", "change", "delete"))


def test_visible_rows_are_one_query(ours, django_assert_num_queries):
    rows.run(rows.job(of=ours.tenant))
    with django_assert_num_queries(1):
        assert len(visible_to(ours.viewer, Run.objects.all())) == 1


def test_can_and_visible_to_agree(ours, theirs):
    both = [rows.job("a", of=ours.tenant), rows.job("b", of=theirs.tenant)]
    assign_perm("jobs.run_job", ours.viewer, both[0])
    for user in [*ours.members.values(), *theirs.members.values(), make_stranger()]:
        for verb in ("view", "run", "change", "delete"):
            seen = set(visible_to(user, Job.objects.all(), verb))
            assert seen == {job for job in both if can(user, verb, job)}


def test_adding_is_asked_with_an_unsaved_row(ours, theirs):
    assert can(ours.owner, "add", DataSource(tenant=ours.tenant))
    assert not can(ours.owner, "add", DataSource(tenant=theirs.tenant))
    assert not can(ours.editor, "add", DataSource(tenant=ours.tenant))
    assert not can(ours.owner, "add", DataSource())


def test_a_tenant_admin_reads_shared_people_but_changes_only_own_ones(ours, theirs):
    shared = join(join(make_user("both"), ours.tenant, RoleName.VIEWER), theirs.tenant, RoleName.VIEWER)
    assert can(ours.owner, "view", shared)
    assert not can(ours.owner, "change", shared)
    assert can(ours.owner, "change", ours.viewer)
    assert shared not in visible_to(ours.owner, User.objects.all(), "change")
    assert shared in visible_to(ours.owner, User.objects.all())


def test_a_tenant_admin_does_not_change_a_platform_admin_who_is_a_member(ours):
    root = join(make_platform_admin(), ours.tenant, RoleName.VIEWER)
    assert not can(ours.owner, "change", root)


def test_only_the_admin_manages_a_tenant(ours, theirs):
    assert {name for name, user in ours.members.items() if manages(user, ours.tenant.pk)} == {"owner"}
    assert not manages(theirs.owner, ours.tenant.pk)


def test_memberships_of_other_tenants_stay_hidden(ours, theirs):
    assert {row.tenant for row in visible_to(ours.owner, Membership.objects.all())} == {ours.tenant}
