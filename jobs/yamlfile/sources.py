"""The datasources and secrets of a definitions file."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from datasources import connections
from datasources.drivers import DRIVERS
from datasources.models import DataSource, Secret
from jobs.yamlfile.entries import DatasourceEntry, SecretEntry
from jobs.yamlfile.sections import Saved, Wanted
from jobs.yamlfile.writer import datasource_entry, secret_entry
from portal.lib.crypto import CryptoError
from portal.lib.encrypted import unseal
from portal.lib.fielderrors import FieldErrors

HIDDEN = "••••••"  # in a diff


def save_datasource(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug; without a password in the file the stored one stays."""
    entry: DatasourceEntry = wanted.entry
    source = DataSource.objects.select_for_update().filter(tenant=tenant, slug=entry.slug).first()
    before = datasource_entry(source) if source else None
    row = source or DataSource(tenant=tenant, slug=entry.slug, created_by=actor)
    errors = connections.refusals(row, kind=entry.kind, params=entry.params, password=entry.password or "")
    if errors:
        raise FieldErrors(errors)
    row.kind, row.params = (
        entry.kind,
        DRIVERS.get(entry.kind).Params.model_validate(entry.params).model_dump(mode="json"),
    )
    row.name, row.description = entry.name or row.name or entry.slug, entry.description
    row.is_read_only, row.is_active = entry.read_only, entry.active
    if "max_affected_rows" in entry.model_fields_set:  # a limit is never lifted by saying nothing of it
        row.max_affected_rows = entry.max_affected_rows
    password = _changed(row, "password_encrypted", entry.password)
    after = datasource_entry(row)
    if before == after and not password:
        return before, before
    try:
        given = entry.password or ""  # also when it is the stored one: a new host asks for it again
        connections.save_datasource(row, actor=actor, params=entry.params, password=given)
    except CryptoError as error:
        raise FieldErrors.of("password", str(error)) from None
    return before, {**after, "password": HIDDEN} if password else after


def save_secret(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by name; a name without a value must exist."""
    entry: SecretEntry = wanted.entry
    secret = Secret.objects.select_for_update().filter(tenant=tenant, name=entry.name).first()
    if secret is None and entry.value is None:
        words = _("There is no secret “%(name)s” in this tenant: create it there, or give its value as ${env:NAME}.")
        raise FieldErrors.of("name", words % {"name": entry.name[:60]})
    before = secret_entry(secret) if secret else None
    row = secret or Secret(tenant=tenant, name=entry.name, created_by=actor)
    value = _changed(row, "value_encrypted", entry.value)
    if secret is not None and not value and row.description == entry.description:
        return before, before
    row.description = entry.description
    try:
        connections.save_secret(row, actor=actor, value=value)
    except CryptoError as error:
        raise FieldErrors.of("value", str(error)) from None
    return before, {"name": row.name, "value": HIDDEN} if value else secret_entry(row)


def _changed(row: DataSource | Secret, column: str, wanted: str | None) -> str:
    """The wanted value when it differs from the stored one, else an empty string: keep what is there."""
    try:
        return "" if not wanted or wanted == unseal(row, column) else wanted
    except CryptoError:  # what is stored can't be read any more
        return wanted or ""
