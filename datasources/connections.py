"""Datasources and secrets, opened for those who may use them."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from accounts.permissions import can
from datasources.models import DataSource, Secret
from datasources.target import ConnectionTarget
from portal.lib.crypto import CryptoError
from portal.lib.encrypted import unseal


class AccessRefusedError(Exception):
    """The datasource or secret may not be used; `str()` is one sentence for the user."""


def target_for(datasource: DataSource, *, user: User | None) -> ConnectionTarget:
    """The datasource ready to be opened. `user` None is the platform itself (a definitions file, an operator)."""
    if not datasource.is_active:
        raise AccessRefusedError(_("The datasource “%(slug)s” is switched off.") % {"slug": datasource.slug})
    if user is not None and not can(user, "use", datasource):
        words = _("%(user)s may no longer use the datasource “%(slug)s”: ask a tenant admin for the right.")
        raise AccessRefusedError(words % {"user": user.get_username(), "slug": datasource.slug})
    try:
        password = unseal(datasource, "password_encrypted")
    except CryptoError as error:
        raise AccessRefusedError(str(error)) from error
    return ConnectionTarget(
        slug=datasource.slug,
        kind=datasource.kind,
        params=datasource.params,
        password=password,
        is_read_only=datasource.is_read_only,
        tenant=datasource.tenant.slug,
        key=str(datasource.key),
    )


def secret_values(tenant: Tenant, names: Iterable[str], *, user: User | None) -> dict[str, str]:
    """Name → value; refuses whole when one is missing or may not be used."""
    wanted = list(names)
    rows = {secret.name: secret for secret in Secret.objects.filter(tenant=tenant, name__in=wanted)}
    values = {}
    for name in wanted:
        secret = rows.get(name)
        if secret is None:
            raise AccessRefusedError(_("There is no secret “%(name)s” in this tenant: create it.") % {"name": name})
        if user is not None and not can(user, "use", secret):
            words = _("%(user)s may no longer use the secret “%(name)s”: ask a tenant admin for the right.")
            raise AccessRefusedError(words % {"user": user.get_username(), "name": name})
        try:
            values[name] = unseal(secret, "value_encrypted")
        except CryptoError as error:
            raise AccessRefusedError(str(error)) from error
    return values
