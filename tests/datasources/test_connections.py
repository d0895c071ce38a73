"""Datasources and secrets: saved, tested, used."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import AuditEntry, Membership, Tenant, User
from datasources import connections
from datasources.connections import AccessRefusedError, secret_values, target_for
from datasources.models import DataSource, Secret
from portal.lib import crypto
from portal.lib.encrypted import unseal
from portal.lib.fielderrors import FieldErrors

pytestmark = pytest.mark.django_db
PARAMS = {"host": "127.0.0.1", "port": 1, "database": "shop", "user": "reader"}
CANARY = "canary-pa55word"


@pytest.fixture
def tenant():
    return Tenant.objects.create(slug="acme", name="Acme")


@pytest.fixture
def person(tenant):
    def make(role, where=tenant):
        user = User.objects.create_user(f"{role}-{where.slug}", is_staff=True)
        Membership.objects.create(user=user, tenant=where, role=role)
        return user

    return make


@pytest.fixture
def saved(tenant, person):
    row = DataSource(tenant=tenant, slug="shop", name="Shop", kind="postgres")
    return connections.save_datasource(row, actor=person("admin"), params=PARAMS, password=CANARY)


def sqlite_source(tenant, path="shop.sqlite3", **fields):
    row = DataSource(tenant=tenant, slug="file", name="File", kind="sqlite", **fields)
    return connections.save_datasource(row, actor=None, params={"path": path})


def errors(caught):
    return {error.path: error.message for error in caught.value.errors}


def test_the_password_is_stored_encrypted_and_audited_nowhere(saved):
    stored = DataSource.objects.get()
    assert CANARY not in stored.password_encrypted
    assert unseal(stored, "password_encrypted") == CANARY
    assert CANARY not in str([entry.__dict__ for entry in AuditEntry.objects.all()])
    assert AuditEntry.objects.get().verb == "datasources.datasource.created"


def test_an_empty_password_keeps_what_is_set(saved):
    connections.save_datasource(saved, actor=None, params=PARAMS)
    assert unseal(DataSource.objects.get(), "password_encrypted") == CANARY


@pytest.mark.parametrize(
    "change", [{"host": "evil.example"}, {"port": 2}, {"database": "x"}, {"user": "x"}, {"sslmode": "disable"}]
)
def test_sending_the_password_elsewhere_needs_it_again(saved, change):
    with pytest.raises(FieldErrors) as caught:
        connections.save_datasource(saved, actor=None, params=PARAMS | change)
    assert list(errors(caught)) == ["password"]
    connections.save_datasource(saved, actor=None, params=PARAMS | change, password="another")


def test_changing_the_kind_needs_the_password_again(saved):
    saved.kind = "mysql"
    with pytest.raises(FieldErrors) as caught:
        connections.save_datasource(saved, actor=None, params=PARAMS)
    assert list(errors(caught)) == ["password"]


@pytest.mark.parametrize(
    ("kind", "params", "path"),
    [
        ("oracle", {}, "kind"),
        ("postgres", PARAMS | {"options": "-c x"}, "params.options"),
        ("postgres", PARAMS | {"port": 99999}, "params.port"),
        ("postgres", PARAMS | {"host": "/var/run/postgresql"}, "params.host"),
        ("postgres", PARAMS | {"host": "a,b"}, "params.host"),
        ("postgres", {"host": "a"}, "params.database"),
        ("mysql", PARAMS | {"local_infile": True}, "params.local_infile"),
        ("sqlite", {"path": "/etc/passwd"}, "params.path"),
        ("sqlite", {"path": "../other/shop.sqlite3"}, "params.path"),
    ],
)
def test_bad_parameters_are_refused_at_their_field(tenant, roots, kind, params, path):
    row = DataSource(tenant=tenant, slug="x", name="X", kind=kind)
    with pytest.raises(FieldErrors) as caught:
        connections.save_datasource(row, actor=None, params=params)
    assert path in errors(caught)
    assert not DataSource.objects.exists()


def test_a_slug_is_taken_once_in_a_tenant_only(saved, tenant):
    with pytest.raises(FieldErrors) as caught:
        connections.save_datasource(
            DataSource(tenant=tenant, slug="shop", name="X", kind="postgres"), actor=None, params=PARAMS
        )
    assert list(errors(caught)) == ["slug"]
    other = Tenant.objects.create(slug="other", name="Other")
    connections.save_datasource(
        DataSource(tenant=other, slug="shop", name="X", kind="postgres"), actor=None, params=PARAMS
    )


@pytest.mark.parametrize("role", ["viewer", "operator", "editor"])
def test_only_tenant_admins_save(tenant, person, role):
    with pytest.raises(PermissionDenied):
        connections.save_datasource(
            DataSource(tenant=tenant, slug="x", name="X", kind="postgres"), actor=person(role), params=PARAMS
        )


def test_without_a_key_nothing_is_saved(tenant, settings):
    settings.FIELD_ENCRYPTION_KEYS = []
    with pytest.raises(crypto.NoKeyError):
        connections.save_datasource(
            DataSource(tenant=tenant, slug="x", name="X", kind="postgres"), actor=None, params=PARAMS, password="p"
        )
    assert not DataSource.objects.exists()


def test_a_test_says_what_it_found_and_is_kept(tenant, sqlite_target, person):
    row = sqlite_source(tenant)
    result = connections.test_connection(row, person("editor"))
    assert result.ok
    assert result.sentence.startswith("Connected to SQLite 3.")
    row.refresh_from_db()
    assert (row.test_ok, row.failing_since) == (True, None)
    assert row.test_message == result.sentence


def test_a_failing_test_says_why_and_since_when(saved):
    first = connections.test_connection(saved, None)
    assert (first.ok, "refused" in first.sentence) == (False, True)
    since = DataSource.objects.get().failing_since
    connections.test_connection(DataSource.objects.get(), None)
    assert DataSource.objects.get().failing_since == since
    assert CANARY not in DataSource.objects.get().test_message


def test_a_changed_definition_was_never_tested(saved):
    connections.test_connection(saved, None)
    connections.save_datasource(saved, actor=None, params=PARAMS | {"port": 2}, password="again")
    assert DataSource.objects.get().tested_at is None


def test_a_viewer_may_not_test(saved, person):
    with pytest.raises(PermissionDenied):
        connections.test_connection(saved, person("viewer"))


@pytest.mark.parametrize(("path", "words"), [("missing.sqlite3", "no file"), ("text.sqlite3", "not a SQLite database")])
def test_a_bad_file_is_said_in_words(tenant, roots, path, words):
    (roots / "acme" / "text.sqlite3").write_text("this is no database at all, but some text" * 50)
    assert words in connections.test_connection(sqlite_source(tenant, path), None).sentence


@pytest.mark.services
@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_dangerous_roles_are_warned_about(tenant, request, kind):
    target = request.getfixturevalue(f"{kind}_target")
    row = DataSource(tenant=tenant, slug="real", name="Real", kind=kind, is_read_only=True)
    connections.save_datasource(row, actor=None, params=target.params, password=target.password)
    result = connections.test_connection(row, None)
    assert result.ok
    assert result.latency_ms < 5000
    assert ["superuser" in result.warnings[0], "could write" in result.warnings[-1]] == [True, True]


@pytest.mark.parametrize(
    ("role", "allowed"), [("viewer", False), ("operator", False), ("editor", True), ("admin", True)]
)
def test_using_needs_the_right_to_use(saved, role, allowed, person, tenant):
    user = User.objects.filter(username=f"{role}-acme").first() or person(role)
    if allowed:
        assert target_for(saved, user=user).password == CANARY
        return
    with pytest.raises(AccessRefusedError, match="may no longer use"):
        target_for(saved, user=user)


def test_a_stranger_may_not_use(saved, person):
    other = Tenant.objects.create(slug="other", name="Other")
    with pytest.raises(AccessRefusedError):
        target_for(saved, user=person("admin", other))


def test_a_datasource_that_is_off_is_not_opened(saved):
    saved.is_active = False
    with pytest.raises(AccessRefusedError, match="switched off"):
        target_for(saved, user=None)


def test_use_is_audited_when_asked(saved):
    target_for(saved, user=None, audited=True)
    assert AuditEntry.objects.latest("id").verb == "datasources.datasource.used"


def test_a_password_never_shows_in_a_repr(saved):
    assert CANARY not in repr(target_for(saved, user=None))


def test_secrets_are_saved_and_given_to_those_who_may_use_them(tenant, person):
    editor = person("editor")
    connections.save_secret(Secret(tenant=tenant, name="API_KEY"), actor=person("admin"), value=CANARY)
    assert secret_values(tenant, ["API_KEY"], user=editor) == {"API_KEY": CANARY}
    with pytest.raises(AccessRefusedError, match="API_KEY"):
        secret_values(tenant, ["API_KEY"], user=person("operator"))
    with pytest.raises(AccessRefusedError, match="no secret"):
        secret_values(tenant, ["OTHER"], user=editor)


@pytest.mark.parametrize(
    ("name", "value", "path"), [("lower", "long enough", "name"), ("A_KEY", "abc", "value"), ("A_KEY", "", "value")]
)
def test_bad_secrets_are_refused_at_their_field(tenant, name, value, path):
    with pytest.raises(FieldErrors) as caught:
        connections.save_secret(Secret(tenant=tenant, name=name), actor=None, value=value)
    assert list(errors(caught)) == [path]
    assert not Secret.objects.exists()


def test_an_empty_value_keeps_the_secret(tenant):
    secret = connections.save_secret(Secret(tenant=tenant, name="A_KEY"), actor=None, value=CANARY)
    secret.description = "changed"
    connections.save_secret(secret, actor=None)
    assert secret_values(tenant, ["A_KEY"], user=None) == {"A_KEY": CANARY}
