"""The pages of accounts, as people use them."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import AuditEntry, Membership, RoleName, User
from tests.cast import join, make_cast, make_platform_admin, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery-9"


@pytest.fixture
def ours():
    return make_cast("acme")


def browser(user):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def new_person(**more):
    return {"username": "nora", "password1": PASSWORD, "password2": PASSWORD, "role": "editor", **more}


def test_a_tenant_admin_creates_a_user_in_the_tenant(ours):
    answer = browser(ours.owner).post(reverse("admin:accounts_user_add"), new_person())
    assert answer.status_code == 302, answer.context["errors"]
    made = Membership.objects.get(user__username="nora")
    assert (made.tenant, made.role, made.user.is_staff, made.user.is_superuser) == (
        ours.tenant, "editor", True, False
    )  # fmt: skip
    assert Client().login(username="nora", password=PASSWORD)


def test_superuser_and_permissions_cannot_be_posted_by_a_tenant_admin(ours):
    forged = {"is_superuser": "on", "is_staff": "on", "user_permissions": ["1"], "groups": ["1"]}
    browser(ours.owner).post(reverse("admin:accounts_user_add"), new_person(**forged))
    address = reverse("admin:accounts_user_change", args=[ours.viewer.pk])
    browser(ours.owner).post(address, {"username": "renamed", **forged})
    assert not User.objects.filter(is_superuser=True).exists()
    assert User.objects.get(pk=ours.viewer.pk).username == "renamed"


def test_an_editor_creates_no_user(ours):
    assert browser(ours.editor).get(reverse("admin:accounts_user_add")).status_code == 403


def test_a_tenant_admin_sets_the_password_of_an_own_user_only(ours):
    shared = join(join(make_user("both"), ours.tenant, RoleName.VIEWER), make_cast("b").tenant, RoleName.VIEWER)
    values = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    client = browser(ours.owner)
    own = client.post(reverse("admin:auth_user_password_change", args=[ours.viewer.pk]), values)
    foreign = client.post(reverse("admin:auth_user_password_change", args=[shared.pk]), values)
    assert (own.status_code, foreign.status_code) == (302, 404)
    assert Client().login(username=ours.viewer.username, password=PASSWORD)
    assert AuditEntry.objects.filter(verb="accounts.user.password_set", tenant=ours.tenant).count() == 1


def test_a_role_is_changed_on_the_members_page(ours):
    row = Membership.objects.get(user=ours.viewer)
    answer = browser(ours.owner).post(reverse("admin:accounts_membership_change", args=[row.pk]), {"role": "operator"})
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.role == "operator"


def test_demoting_the_last_admin_is_told_at_the_field(ours):
    row = Membership.objects.get(user=ours.owner)
    answer = browser(ours.owner).post(reverse("admin:accounts_membership_change", args=[row.pk]), {"role": "viewer"})
    assert "last admin" in str(answer.context["adminform"].form.errors["role"])


def test_removing_the_last_admin_is_refused_with_a_reason(ours):
    row = Membership.objects.get(user=ours.owner)
    answer = browser(ours.owner).post(reverse("admin:accounts_membership_delete", args=[row.pk]), {"post": "yes"})
    assert "last admin" in answer.content.decode()
    assert Membership.objects.filter(pk=row.pk).exists()


def test_a_member_is_removed(ours):
    row = Membership.objects.get(user=ours.viewer)
    browser(ours.owner).post(reverse("admin:accounts_membership_delete", args=[row.pk]), {"post": "yes"})
    assert not Membership.objects.filter(pk=row.pk).exists()


def test_a_platform_admin_adds_a_member_of_another_tenant(ours):
    other = make_cast("b")
    client = browser(make_platform_admin())
    client.post(reverse("admin:switch_tenant"), {"tenant": ours.tenant.pk})
    client.post(reverse("admin:accounts_membership_add"), {"user": other.viewer.pk, "role": "viewer"})
    assert Membership.objects.filter(tenant=ours.tenant, user=other.viewer).exists()


def test_a_tenant_admin_sees_the_limits_but_does_not_change_them(ours):
    address = reverse("admin:accounts_tenant_change", args=[ours.tenant.pk])
    client = browser(ours.owner)
    assert client.get(address).status_code == 200
    assert client.post(address, {"slug": "x", "name": "x"}).status_code == 403


def test_groups_and_other_packages_rows_have_no_pages():
    assert Group not in admin.site._registry
    closed = {"auth", "guardian", "sessions"}
    assert not any(model._meta.app_label in closed for model in admin.site._registry)
    with pytest.raises(NoReverseMatch):
        reverse("admin:view_on_site", args=[1, 1])


def test_unknown_user_and_wrong_password_get_the_same_answer(ours):
    def answer(name):
        page = Client().post(reverse("admin:login"), {"username": name, "password": "x"})
        return page.status_code, str(page.context["form"].non_field_errors())

    assert answer("acme-owner") == answer("nobody-at-all")


@pytest.mark.parametrize("role", ["owner", "editor", "operator", "viewer"])
def test_every_list_opens_within_a_bounded_number_of_queries(ours, role, django_assert_max_num_queries):
    client = browser(ours.members[role])
    for model, page in admin.site._registry.items():
        request = client.get(reverse("admin:password_change")).wsgi_request
        if not page.has_view_permission(request):
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        with django_assert_max_num_queries(30):
            assert client.get(reverse(name)).status_code == 200


def test_the_palette_finds_own_rows_only(ours):
    make_cast("b")
    text = browser(ours.owner).get("/admin/search/?s=viewer&extended=1").content.decode()
    assert "acme-viewer" in text
    assert "b-viewer" not in text


def test_a_log_in_is_audited(ours):
    ours.owner.set_password(PASSWORD)
    ours.owner.save()
    Client().post(reverse("admin:login"), {"username": "acme-owner", "password": "wrong"})
    Client().post(reverse("admin:login"), {"username": "acme-owner", "password": PASSWORD})
    assert [entry.actor for entry in AuditEntry.objects.filter(verb="accounts.user.logged_in")] == [ours.owner]
