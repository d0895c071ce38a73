"""The tenant of a request, and the end of a session."""

import time

import pytest
from django.test import Client
from django.urls import reverse
from guardian.shortcuts import assign_perm

from accounts import middleware
from accounts.models import Membership, RoleName, Tenant
from tests.cast import join, make_cast, make_platform_admin, make_stranger, make_user
from tests.jobs import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def both():
    user = make_user("both")
    for slug in ("a", "b"):
        join(user, Tenant.objects.create(slug=slug, name=f"Tenant {slug}"), RoleName.VIEWER)
    return user


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def tenant_of(client):
    tenant = client.get(reverse("admin:password_change")).wsgi_request.tenant
    return tenant and tenant.slug


def switch(client, tenant, **more):
    return client.post(reverse("admin:switch_tenant"), {"tenant": tenant and tenant.pk, **more})


def test_the_first_tenant_is_the_default(both):
    assert tenant_of(browser(both)) == "a"


def test_a_user_switches_between_own_tenants(both):
    client = browser(both)
    assert switch(client, Tenant.objects.get(slug="b")).status_code == 302
    assert tenant_of(client) == "b"


def test_a_foreign_tenant_is_a_404(both):
    client = browser(both)
    assert switch(client, Tenant.objects.create(slug="c", name="C")).status_code == 404
    assert tenant_of(client) == "a"


def test_all_tenants_is_for_platform_admins(both):
    assert switch(browser(both), "").status_code == 404
    assert switch(browser(make_platform_admin()), "").status_code == 302


def test_a_lost_membership_counts_at_once(both):
    client = browser(both)
    switch(client, Tenant.objects.get(slug="b"))
    Membership.objects.filter(tenant__slug="b").delete()
    assert tenant_of(client) == "a"


def test_switching_is_a_post_with_a_token(both):
    client = Client(enforce_csrf_checks=True)
    client.force_login(both)
    assert client.get(reverse("admin:switch_tenant")).status_code == 405
    assert switch(client, Tenant.objects.get(slug="b")).status_code == 403


def test_switching_redirects_to_own_pages_only(both):
    answer = switch(browser(both), Tenant.objects.get(slug="b"), next="https://evil.example/")
    assert answer.headers["Location"] == reverse("admin:index")


def test_a_stranger_is_told_that_there_is_nothing_to_show():
    answer = browser(make_stranger()).get(reverse("admin:index"), headers={"accept-language": "en"})
    assert "You belong to no tenant yet" in answer.content.decode()


def test_an_idle_session_ends(both, settings, monkeypatch):
    client = browser(both)
    assert client.get(reverse("admin:password_change")).status_code == 200
    later = time.time() + settings.SESSION_IDLE_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    answer = client.get(reverse("admin:password_change"))
    assert answer.status_code == 302
    assert "login" in answer.headers["Location"]


def test_a_busy_session_lives_on_but_not_beyond_its_absolute_end(both, settings, monkeypatch):
    client = browser(both)
    client.get(reverse("admin:password_change"))
    start = time.time()
    monkeypatch.setattr(time, "time", lambda: start + settings.SESSION_IDLE_SECONDS - 5)
    assert client.get(reverse("admin:password_change")).status_code == 200
    left = client.session.get_expiry_age()
    assert left <= settings.SESSION_COOKIE_AGE - settings.SESSION_IDLE_SECONDS + 10


def test_a_page_costs_one_query_for_the_tenant(django_assert_num_queries):
    cast = make_cast("acme")
    request = type("Request", (), {"user": cast.viewer, "session": {}})()
    with django_assert_num_queries(1):
        middleware.choose_tenant(request)
    assert request.tenant == cast.tenant


def test_a_page_that_refreshes_itself_does_not_keep_the_session_alive(both, settings, monkeypatch):
    client = browser(both)
    client.get(reverse("admin:password_change"))
    start = time.time()
    answers = []
    for minutes in (20, 40):
        monkeypatch.setattr(time, "time", lambda moment=start + minutes * 60: moment)
        answer = client.get(reverse("admin:password_change"), headers={"sec-fetch-dest": "empty"})
        answers.append(answer.status_code)
    assert answers == [200, 302]


def test_lists_show_the_current_tenant_and_people_shared_with_another_one(both):
    _first, second = Tenant.objects.order_by("slug")
    Membership.objects.filter(user=both).update(role=RoleName.ADMIN)
    join(make_user("only-b"), second, RoleName.VIEWER)
    client = browser(both)
    listed = {user.username for user in client.get(reverse("admin:accounts_user_changelist")).context["cl"].queryset}
    assert listed == {"both"}
    switch(client, second)
    listed = {user.username for user in client.get(reverse("admin:accounts_user_changelist")).context["cl"].queryset}
    assert listed == {"both", "only-b"}


def test_who_was_granted_one_job_gets_a_home_page_and_that_job():
    cast, guest = make_cast("acme"), make_stranger("guest")
    granted, other = rows.job("granted", of=cast.tenant), rows.job("other", of=cast.tenant)
    assign_perm("jobs.view_job", guest, granted)
    client = browser(guest)
    page = client.get(reverse("admin:index"), headers={"accept-language": "en"})
    assert "You belong to no tenant" not in page.content.decode()
    listed = client.get(reverse("admin:jobs_job_changelist")).content.decode()
    assert "granted" in listed
    assert client.get(reverse("admin:jobs_job_change", args=[other.pk])).status_code == 404
