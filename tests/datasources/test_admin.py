"""The admin of datasources and secrets, as people use it."""

import pytest
from django.urls import reverse

from accounts.models import AuditEntry, Membership, Tenant, User
from datasources import connections
from datasources.models import DataSource, Secret
from portal.lib.encrypted import unseal

pytestmark = pytest.mark.django_db
CANARY = "canary-pa55word"
LIST = "admin:datasources_datasource_changelist"
FORM = {
    "name": "Shop",
    "slug": "shop",
    "description": "",
    "kind": "postgres",
    "postgres_host": "127.0.0.1",
    "postgres_port": "1",
    "postgres_database": "shop",
    "postgres_user": "reader",
    "postgres_sslmode": "prefer",
    "password": CANARY,
    "is_active": "on",
    "is_read_only": "on",
}


@pytest.fixture
def tenant():
    return Tenant.objects.create(slug="acme", name="Acme")


@pytest.fixture
def log_in(client, tenant):
    def as_role(role):
        user = User.objects.create_user(role, is_staff=True)
        Membership.objects.create(user=user, tenant=tenant, role=role)
        client.force_login(user)
        return client

    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return as_role


@pytest.fixture
def row(tenant):
    row = DataSource(tenant=tenant, slug="shop", name="Shop", kind="postgres")
    params = {"host": "127.0.0.1", "port": 1, "database": "shop", "user": "reader"}
    return connections.save_datasource(row, actor=None, params=params, password=CANARY)


def change_url(row):
    return reverse("admin:datasources_datasource_change", args=[row.pk])


def test_url(row):
    return reverse("admin:datasources_datasource_test", args=[row.pk])


test_url.__test__ = False  # type: ignore[attr-defined]


def text(response):
    return response.content.decode()


def test_a_datasource_is_made_through_the_form(log_in):
    response = log_in("admin").post(reverse("admin:datasources_datasource_add"), FORM)
    assert response.status_code == 302, text(response)
    row = DataSource.objects.get()
    assert row.params["host"] == "127.0.0.1"
    assert unseal(row, "password_encrypted") == CANARY


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"postgres_port": "many"}, "postgres_port"),
        ({"postgres_port": "0"}, "postgres_port"),
        ({"postgres_host": "a b"}, "postgres_host"),
        ({"postgres_host": ""}, "postgres_host"),
        ({"postgres_database": ""}, "postgres_database"),
        ({"slug": "not a slug"}, "slug"),
        ({"kind": "oracle"}, "kind"),
        ({"kind": "sqlite", "sqlite_path": "/etc/passwd"}, "sqlite_path"),
    ],
)
def test_bad_input_is_one_sentence_at_its_field(log_in, change, field):
    response = log_in("admin").post(reverse("admin:datasources_datasource_add"), FORM | change)
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [field]
    assert not DataSource.objects.exists()


def test_what_stands_in_another_kinds_block_does_not_matter(log_in, roots):
    form = FORM | {"kind": "sqlite", "sqlite_path": "shop.sqlite3", "postgres_port": "many"}
    assert log_in("admin").post(reverse("admin:datasources_datasource_add"), form).status_code == 302
    assert DataSource.objects.get().params == {"path": "shop.sqlite3", "create": False}


def test_a_taken_slug_is_said_at_the_slug(log_in, row):
    response = log_in("admin").post(reverse("admin:datasources_datasource_add"), FORM)
    assert "slug" in response.context["adminform"].form.errors


def test_the_password_is_never_in_a_page(log_in, row):
    client = log_in("admin")
    for url in (change_url(row), reverse(LIST)):
        page = text(client.get(url))
        assert CANARY not in page
        assert row.password_encrypted not in page
    assert "leave empty to keep" in text(client.get(change_url(row)))


def test_the_form_keeps_the_password_and_asks_for_it_when_the_host_changes(log_in, row):
    client = log_in("admin")
    assert client.post(change_url(row), FORM | {"password": "", "name": "Renamed"}).status_code == 302
    row.refresh_from_db()
    assert (row.name, unseal(row, "password_encrypted")) == ("Renamed", CANARY)
    response = client.post(change_url(row), FORM | {"password": "", "postgres_host": "evil.example"})
    assert list(response.context["adminform"].form.errors) == ["password"]


def test_each_kind_has_its_block_of_fields(log_in):
    page = text(log_in("admin").get(reverse("admin:datasources_datasource_add")))
    assert "data-job-kind" in page
    for kind in ("postgres", "mysql", "sqlite"):
        assert f"kind-fields-{kind}" in page


def test_testing_is_a_post_and_says_the_result(log_in, row):
    client = log_in("editor")
    assert client.get(test_url(row)).status_code == 405
    response = client.post(test_url(row), follow=True)
    assert "refused the connection" in text(response)
    row.refresh_from_db()
    assert row.test_ok is False
    assert "Failing since" in text(client.get(reverse(LIST)))


def test_save_and_test_does_both(log_in, row):
    response = log_in("admin").post(change_url(row), FORM | {"name": "Renamed", "save_and_test": "1"}, follow=True)
    row.refresh_from_db()
    assert (row.name, row.test_ok) == ("Renamed", False)
    assert "refused the connection" in text(response)


def test_several_are_tested_at_once(log_in, row, tenant, sqlite_target):
    other = DataSource(tenant=tenant, slug="file", name="File", kind="sqlite")
    connections.save_datasource(other, actor=None, params={"path": "shop.sqlite3"})
    data = {"action": "test_chosen", "_selected_action": [row.pk, other.pk]}
    page = text(log_in("editor").post(reverse(LIST), data, follow=True))
    assert "refused the connection" in page
    assert "Connected to SQLite" in page


def test_a_viewer_looks_and_does_not_test(log_in, row):
    client = log_in("viewer")
    page = text(client.get(change_url(row)))
    assert "127.0.0.1:1/shop" in page
    assert CANARY not in page
    assert "Test connection" not in page + text(client.get(reverse(LIST)))
    assert client.post(test_url(row)).status_code == 403
    assert client.post(change_url(row), FORM | {"name": "Renamed"}).status_code == 403


def test_a_foreign_datasource_is_not_there(log_in, row):
    other = Tenant.objects.create(slug="other", name="Other")
    user = User.objects.create_user("stranger", is_staff=True)
    Membership.objects.create(user=user, tenant=other, role="admin")
    client = log_in("viewer")
    client.force_login(user)
    assert client.post(test_url(row)).status_code == 404
    assert client.get(change_url(row)).status_code == 404
    assert "Shop" not in text(client.get(reverse(LIST)))


def test_a_missing_key_is_a_sentence_not_a_traceback(log_in, settings):
    client = log_in("admin")
    settings.FIELD_ENCRYPTION_KEYS = []
    response = client.post(reverse("admin:datasources_datasource_add"), FORM)
    assert response.status_code == 200
    assert "rotate_keys --generate" in text(response)
    assert not DataSource.objects.exists()


def test_a_secret_is_written_and_never_shown(log_in, tenant):
    client = log_in("admin")
    add = reverse("admin:datasources_secret_add")
    assert client.post(add, {"name": "API_KEY", "description": "", "value": CANARY}).status_code == 302
    secret = Secret.objects.get()
    assert unseal(secret, "value_encrypted") == CANARY
    change = reverse("admin:datasources_secret_change", args=[secret.pk])
    assert CANARY not in text(client.get(change))
    assert client.post(change, {"name": "API_KEY", "description": "changed", "value": ""}).status_code == 302
    secret.refresh_from_db()
    assert unseal(secret, "value_encrypted") == CANARY
    assert CANARY not in str([entry.__dict__ for entry in AuditEntry.objects.all()])


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "lower", "value": "long enough"}, "name"),
        ({"name": "A_KEY", "value": ""}, "value"),
        ({"name": "A_KEY", "value": "abc"}, "value"),
    ],
)
def test_a_bad_secret_is_refused_at_its_field(log_in, form, field):
    response = log_in("admin").post(reverse("admin:datasources_secret_add"), form)
    assert list(response.context["adminform"].form.errors) == [field]


def test_what_the_role_may_do_is_listed_with_advice_for_those_who_may_test(log_in, row):
    held = [{"power": "superuser", "names": []}, {"power": "write", "names": ["public.items"]}]
    DataSource.objects.filter(pk=row.pk).update(test_ok=True, role_name="boss", role_powers=held)
    page = text(log_in("admin").get(change_url(row)))
    assert "What the database user “boss” may do" in page
    assert "is a superuser" in page
    assert "could write rows. (public.items)" in page
    assert "CREATE ROLE portal_reader" in page
    assert "data-role-powers" not in text(log_in("viewer").get(change_url(row)))


def test_a_changed_definition_forgets_what_its_role_could_do(log_in, row):
    DataSource.objects.filter(pk=row.pk).update(test_ok=True, role_name="boss", role_powers=[{"power": "files"}])
    assert log_in("admin").post(change_url(row), FORM | {"postgres_user": "other"}).status_code == 302
    row.refresh_from_db()
    assert (row.role_name, row.role_powers) == ("", [])
