"""Key rotation reaches every encrypted column."""

from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command, execute_from_command_line

from accounts.models import Tenant
from datasources.models import DataSource, Secret
from portal.lib import crypto
from portal.lib.encrypted import EncryptedTextField, encrypted_columns, seal, unseal

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return Tenant.objects.create(slug="acme", name="Acme")


@pytest.fixture
def rows(tenant):
    datasource = DataSource(tenant=tenant, slug="shop", name="Shop", kind="postgres")
    seal(datasource, "password_encrypted", "pa55")
    datasource.save()
    secret = Secret(tenant=tenant, name="API_KEY")
    seal(secret, "value_encrypted", "k3y")
    secret.save()
    DataSource.objects.create(tenant=tenant, slug="empty", name="No password", kind="sqlite")
    return datasource, secret


def test_after_rotation_the_new_key_alone_is_enough(rows, settings, encryption_key):
    new = crypto.generate_key()
    settings.FIELD_ENCRYPTION_KEYS = [new, encryption_key]
    call_command("rotate_keys", stdout=StringIO())
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert unseal(DataSource.objects.get(slug="shop"), "password_encrypted") == "pa55"
    assert unseal(Secret.objects.get(), "value_encrypted") == "k3y"


def test_secrets_of_a_lost_key_are_named_and_left(rows, settings):
    before = DataSource.objects.get(slug="shop").password_encrypted
    settings.FIELD_ENCRYPTION_KEYS = [crypto.generate_key()]
    with pytest.raises(CommandError, match="2 secrets could not be read"):
        call_command("rotate_keys", stdout=StringIO(), stderr=StringIO())
    assert DataSource.objects.get(slug="shop").password_encrypted == before


def test_generate_prints_a_usable_key(settings):
    out = StringIO()
    call_command("rotate_keys", "--generate", stdout=out)
    settings.FIELD_ENCRYPTION_KEYS = [out.getvalue().strip()]
    crypto.ensure_keys()


def test_the_first_key_can_be_made_in_production(settings, capsys):
    settings.ENVIRONMENT, settings.FIELD_ENCRYPTION_KEYS = "production", []
    execute_from_command_line(["manage.py", "rotate_keys", "--generate"])  # with the system checks, as a shell does
    assert capsys.readouterr().out.strip()


def test_rotation_without_a_key_says_what_to_set(settings):
    settings.FIELD_ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="FIELD_ENCRYPTION_KEYS"):
        call_command("rotate_keys")


def test_a_ciphertext_copied_to_another_row_is_refused(rows, tenant):
    thief = DataSource(tenant=tenant, slug="thief", name="T", kind="postgres")
    thief.password_encrypted = rows[0].password_encrypted
    with pytest.raises(crypto.BoundElsewhereError):
        unseal(thief, "password_encrypted")


def test_every_column_named_encrypted_is_known_to_rotation():
    named = {
        (model, field.attname)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.attname.endswith("_encrypted")
    }
    assert named == set(encrypted_columns())


def test_every_encrypted_column_can_be_bound_to_its_row():
    for model, column in encrypted_columns():
        assert {"key", "tenant"} <= {field.name for field in model._meta.get_fields()}
        assert isinstance(model._meta.get_field(column), EncryptedTextField)
        assert not model._meta.get_field(column).editable
