"""The datasources and secrets of a definitions file."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext as _
from pydantic import ValidationError

from accounts import audit
from accounts.models import Tenant, User
from accounts.permissions import can
from datasources.drivers import DRIVERS, Driver
from datasources.models import DataSource, Secret
from jobs.yamlfile.entries import DatasourceEntry, SecretEntry, Wanted
from jobs.yamlfile.writer import datasource_entry, secret_entry
from portal.lib.crypto import CryptoError
from portal.lib.encrypted import seal, unseal
from portal.lib.fielderrors import FieldErrors, field_errors
from portal.lib.plugins import UnknownKindError

Saved = tuple[str, str, Any, Any]  # what, name, entry before, entry after

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")
_HIDDEN = "••••••"


def save_datasource(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug; without a password in the file the stored one stays."""
    entry: DatasourceEntry = wanted.entry
    driver, params = _checked(entry)
    source = DataSource.objects.select_for_update().filter(tenant=tenant, slug=entry.slug).first()
    before = datasource_entry(source) if source else None
    row = source or DataSource(tenant=tenant, slug=entry.slug, created_by=actor)
    _require(actor, "change" if source else "add", row)
    changes_password = entry.password is not None and entry.password != _present(row, "password_encrypted")
    if source is not None:
        _refuse_moved(source, entry, driver, params)
    row.kind, row.params = entry.kind, params
    row.name = entry.name or row.name or entry.slug
    row.description = entry.description
    row.is_read_only, row.is_active = entry.read_only, entry.active
    after = datasource_entry(row)
    if before != after or changes_password:
        if changes_password:
            _seal(row, "password_encrypted", entry.password or "", "password")
            after = {**after, "password": _HIDDEN}
        row.save()
        verb = "datasources.datasource.updated" if source else "datasources.datasource.created"
        audit.record(verb, actor=actor, target=row, summary=row.slug)
    return "datasource", entry.slug, before, after


def save_secret(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by name; a name without a value must exist."""
    entry: SecretEntry = wanted.entry
    secret = Secret.objects.select_for_update().filter(tenant=tenant, name=entry.name).first()
    if secret is None and entry.value is None:
        words = _("There is no secret “%(name)s” in this tenant: create it there, or give its value as ${env:NAME}.")
        raise FieldErrors.of("name", words % {"name": entry.name[:60]})
    before = secret_entry(secret) if secret else None
    row = secret or Secret(tenant=tenant, name=entry.name, created_by=actor)
    changes_value = entry.value is not None and entry.value != _present(row, "value_encrypted")
    if secret is not None and not changes_value and row.description == entry.description:
        return "secret", entry.name, before, before
    _require(actor, "change" if secret else "add", row)
    row.description = entry.description
    if changes_value:
        _seal(row, "value_encrypted", entry.value or "", "value")
    try:
        row.clean_fields(exclude=["tenant", "created_by", "value_encrypted"])
    except DjangoValidationError as error:
        raise FieldErrors.of("name", " ".join(error.messages)) from None
    row.save()
    verb = "datasources.secret.updated" if secret else "datasources.secret.created"
    audit.record(verb, actor=actor, target=row, summary=row.name)
    after = secret_entry(row)
    return "secret", entry.name, before, {"name": row.name, "value": _HIDDEN} if changes_value else after


def _checked(entry: DatasourceEntry) -> tuple[Driver, dict[str, Any]]:
    if not _SLUG.fullmatch(entry.slug):
        raise FieldErrors.of("slug", _("A slug has letters, digits, “-” and “_”, at most 50, such as shop."))
    try:
        driver = DRIVERS.get(entry.kind)
    except UnknownKindError:
        words = _("There is no kind of datasource “%(kind)s”. Choose one of: %(kinds)s.")
        raise FieldErrors.of("kind", words % {"kind": entry.kind[:30], "kinds": ", ".join(DRIVERS.kinds())}) from None
    try:
        return driver, driver.Params.model_validate(entry.params).model_dump(mode="json")
    except ValidationError as exc:
        raise FieldErrors([error.under("params") for error in field_errors(exc)]) from None


def _refuse_moved(source: DataSource, entry: DatasourceEntry, driver: Driver, params: dict[str, Any]) -> None:
    """A stored password must not be sent to a host that somebody else chose."""
    moved = entry.kind != source.kind or any(params.get(n) != source.params.get(n) for n in driver.bound_fields)
    if moved and source.password_encrypted and entry.password is None:
        words = _("The address changes, so give the password again: password: ${env:NAME}.")
        raise FieldErrors.of("password", words)


def _require(actor: User | None, verb: str, row: DataSource | Secret) -> None:
    if actor is not None and not can(actor, verb, row):
        raise FieldErrors.of("", _("You may not do this here: ask a tenant admin for the right."))


def _present(row: DataSource | Secret, column: str) -> str | None:
    try:
        return unseal(row, column)
    except CryptoError:
        return None


def _seal(row: DataSource | Secret, column: str, value: str, field: str) -> None:
    try:
        seal(row, column, value)
    except CryptoError as error:
        raise FieldErrors.of(field, str(error)) from None
