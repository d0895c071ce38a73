"""Datasources and secrets: saved, tested, and opened for those who may use them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from pydantic import ValidationError as ParamsError

from accounts import audit
from accounts.models import Tenant, User
from accounts.permissions import can
from datasources import engines
from datasources.drivers import DRIVERS, Driver
from datasources.models import DataSource, Secret
from datasources.powers import RoleReport
from datasources.query import QueryError, Session
from datasources.target import ConnectionTarget
from portal.lib.crypto import CryptoError
from portal.lib.encrypted import seal, unseal
from portal.lib.fielderrors import FieldError, FieldErrors, field_errors
from portal.lib.plugins import UnknownKindError
from portal.lib.redact import SHORTEST
from portal.lib.said import said as _

TEST_SECONDS = 5.0


class AccessRefusedError(Exception):
    """The datasource or secret may not be used; `sentence` is one for the user."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """`sentence` says it all but the warnings; `latency_ms` is from the first packet to the server's answer."""

    __test__ = False

    ok: bool
    sentence: str
    server_version: str = ""
    latency_ms: int = 0
    warnings: list[str] = field(default_factory=list)
    report: RoleReport = field(default_factory=RoleReport)


# --- saving -------------------------------------------------------------------------------------------------------


def refusals(datasource: DataSource, *, kind: str, params: Mapping[str, Any], password: str) -> list[FieldError]:
    """What speaks against saving this definition over what is stored, by field; empty when nothing does."""
    try:
        driver = DRIVERS.get(kind)
    except UnknownKindError:
        words = _("There is no kind of database named “%(kind)s” here. Choose one of: %(kinds)s.")
        return [FieldError(path="kind", message=words % {"kind": kind, "kinds": ", ".join(DRIVERS.kinds())})]
    try:
        clean = driver.Params.model_validate(dict(params)).model_dump(mode="json")
    except ParamsError as error:
        return [found.under("params") for found in field_errors(error)]
    target = _target(datasource, kind=kind, params=clean, password="")
    problems = _place_problems(driver, target)
    if not password and _needs_password_again(datasource, driver, clean):
        words = _("Enter the password again: where it is sent to has changed.")
        problems.append(FieldError(path="password", message=words))
    return problems


def save_datasource(
    datasource: DataSource, *, actor: User | None, params: Mapping[str, Any], password: str = ""
) -> DataSource:
    """Create or update. An empty password keeps the stored one. `actor` None is the platform itself.

    Raises `FieldErrors` with all that is wrong, `PermissionDenied`, or `CryptoError` when no key is configured.
    """
    _require(actor, "add" if datasource.pk is None else "change", datasource)
    _clean(datasource, "slug")
    errors = refusals(datasource, kind=datasource.kind, params=params, password=password)
    if errors:
        raise FieldErrors(errors)
    driver = DRIVERS.get(datasource.kind)
    datasource.params = driver.Params.model_validate(dict(params)).model_dump(mode="json")
    if not driver.has_password:
        datasource.password_encrypted = ""
    elif password:
        seal(datasource, "password_encrypted", password)
    with transaction.atomic():
        _save(datasource, actor, "datasources.datasource", ["kind", "params", "password_encrypted", "is_read_only"])
    engines.forget(str(datasource.key))
    return datasource


def save_secret(secret: Secret, *, actor: User | None, value: str = "") -> Secret:
    """Create or update. An empty value keeps the stored one. Raises as `save_datasource` does."""
    _require(actor, "add" if secret.pk is None else "change", secret)
    _clean(secret, "name")
    if not value and not secret.value_encrypted:
        raise FieldErrors.of("value", _("Enter the value of the secret."))
    if value and len(value) < SHORTEST:
        words = _("A secret has at least %(count)d characters: a shorter one can't be masked in logs.")
        raise FieldErrors.of("value", words % {"count": SHORTEST})
    if value:
        seal(secret, "value_encrypted", value)
    with transaction.atomic():
        _save(secret, actor, "datasources.secret", ["value_encrypted"])
    return secret


# --- testing ------------------------------------------------------------------------------------------------------


def test_connection(datasource: DataSource, actor: User | None) -> TestResult:
    """Connect as stored, ask for the version and the role's powers, keep the result on the row. About 10 s at most.

    Needs the right to use or to change the datasource.
    """
    if actor is not None and not (can(actor, "use", datasource) or can(actor, "change", datasource)):
        raise PermissionDenied
    result = _tried(datasource)
    now = timezone.now()
    message = " ".join([result.sentence, *result.warnings])[:500]
    since = None if result.ok else (datasource.failing_since or now)
    datasource.tested_at, datasource.test_ok, datasource.test_message = now, result.ok, message
    datasource.failing_since = since
    known = {"tested_at": now, "test_ok": result.ok, "test_message": message, "failing_since": since}
    if result.ok:  # a server that is away says nothing new about the role
        datasource.role_name, datasource.role_powers = result.report.role[:200], result.report.as_json()
        known |= {"role_name": datasource.role_name, "role_powers": datasource.role_powers}
    with transaction.atomic():
        DataSource.objects.filter(pk=datasource.pk).update(**known)
        details = {"ok": result.ok, "latency_ms": result.latency_ms}
        audit.record("datasources.datasource.tested", actor=actor, target=datasource, details=details)
    return result


test_connection.__test__ = False  # type: ignore[attr-defined]


def _tried(datasource: DataSource) -> TestResult:
    started = time.monotonic()
    try:
        target = _target(datasource, password=unseal(datasource, "password_encrypted"))
        session = Session(target, timeout=TEST_SECONDS, read_only=False, pooled=False)
        try:
            version, report = session.describe()
        finally:
            session.close()
    except (QueryError, CryptoError) as error:
        return TestResult(ok=False, sentence=str(error))
    latency = round((time.monotonic() - started) * 1000)
    words = _("Connected to %(version)s in %(latency)d ms.") % {"version": version, "latency": latency}
    warnings = report.warnings(read_only=datasource.is_read_only)
    return TestResult(
        ok=True, sentence=words, server_version=version, latency_ms=latency, warnings=warnings, report=report
    )


# --- using --------------------------------------------------------------------------------------------------------


def target_for(datasource: DataSource, *, user: User | None, audited: bool = False) -> ConnectionTarget:
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
    if audited:
        audit.record("datasources.datasource.used", actor=user, target=datasource)
    return _target(datasource, password=password)


def secret_values(tenant: Tenant, names: Iterable[str], *, user: User | None, audited: bool = False) -> dict[str, str]:
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
        if audited:
            audit.record("datasources.secret.used", actor=user, target=secret)
    return values


def report_of(datasource: DataSource) -> RoleReport:
    """What the last test that passed found out about the role."""
    return RoleReport.of(datasource.role_name, datasource.role_powers)


def least_privilege_of(datasource: DataSource) -> str:
    """Statements that make a role with no more rights than the datasource needs; empty when there are none."""
    try:
        driver = DRIVERS.get(datasource.kind)
    except UnknownKindError:
        return ""
    return driver.least_privilege(datasource.params, read_only=datasource.is_read_only)


def where_of(datasource: DataSource) -> str:
    """Where it points, for lists; never the password."""
    try:
        return DRIVERS.get(datasource.kind).where(datasource.params)
    except UnknownKindError:
        return "?"


# --- helpers ------------------------------------------------------------------------------------------------------


def _target(
    datasource: DataSource, *, password: str, kind: str = "", params: Mapping[str, Any] | None = None
) -> ConnectionTarget:
    return ConnectionTarget(
        slug=datasource.slug,
        kind=kind or datasource.kind,
        params=datasource.params if params is None else params,
        password=password,
        is_read_only=datasource.is_read_only,
        tenant=datasource.tenant.slug,
        key=str(datasource.key),
        max_affected_rows=datasource.max_affected_rows,
    )


def _place_problems(driver: Driver, target: ConnectionTarget) -> list[FieldError]:
    """A file outside the folder, or the ledger. A file that is not there yet is no reason to refuse."""
    try:
        driver.check_place(target)
    except QueryError as error:
        first = next(iter(driver.Params.model_fields))
        return [FieldError(path=f"params.{first}", message=error.sentence)]
    return []


def _needs_password_again(datasource: DataSource, driver: Driver, params: Mapping[str, Any]) -> bool:
    stored = DataSource.objects.filter(pk=datasource.pk).first() if datasource.pk else None
    if stored is None or not stored.password_encrypted or not driver.has_password:
        return False
    moved = any(stored.params.get(name) != params.get(name) for name in driver.bound_fields)
    return moved or stored.kind != driver.kind


def _require(actor: User | None, verb: str, row: Model) -> None:
    if actor is not None and not can(actor, verb, row):
        raise PermissionDenied


def _clean(row: DataSource | Secret, unique: str) -> None:
    """The row's own rules, "unique per tenant" said at the field the user can change."""
    try:
        row.full_clean(exclude=["value_encrypted"])  # filled only after all else is right
    except ValidationError as error:
        errors = []
        for name, messages in error.message_dict.items():
            taken = name == "__all__"
            sentence = _("This is taken. Choose another one.") if taken else " ".join(messages)
            errors.append(FieldError(path=unique if taken else name, message=sentence))
        raise FieldErrors(errors) from error


def _save(row: DataSource | Secret, actor: User | None, noun: str, tested: list[str]) -> None:
    """Save and audit; a changed definition makes an old test result worthless."""
    stored = type(row)._default_manager.filter(pk=row.pk).first() if row.pk else None
    names = [f.attname for f in row._meta.concrete_fields if f.attname not in ("created_at", "updated_at")]
    changed = [name for name in names if stored is not None and getattr(stored, name) != getattr(row, name)]
    if isinstance(row, DataSource) and set(changed) & set(tested):
        row.tested_at = row.test_ok = row.failing_since = None
        row.test_message = row.role_name = ""
        row.role_powers = []
    if stored is None and row.created_by_id is None:
        row.created_by = actor
    row.save()
    verb = f"{noun}.{'created' if stored is None else 'changed'}"
    audit.record(verb, actor=actor, target=row, details={"changed": changed} if stored else {})
