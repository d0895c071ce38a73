"""PostgreSQL through psycopg2."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from django.utils.translation import gettext_lazy
from pydantic import AfterValidator, Field
from sqlalchemy import URL, Connection, text

from datasources.drivers.base import (
    CONNECT_SECONDS,
    DRIVERS,
    Driver,
    DriverParams,
    problem,
    refuse_ledger,
    valid_host,
)
from datasources.powers import Held, Power, RoleReport
from datasources.problems import Code, ConnectionProblem
from datasources.target import ConnectionTarget
from portal.lib.paramtypes import Shown

# What libpq says while connecting: it gives no code there.
_CONNECTING = [
    ("could not translate host name", Code.UNKNOWN_HOST),
    ("Connection refused", Code.REFUSED),
    ("password authentication failed", Code.WRONG_PASSWORD),
    ("no password supplied", Code.WRONG_PASSWORD),
    ('FATAL:  role "', Code.WRONG_PASSWORD),
    ('FATAL:  database "', Code.UNKNOWN_DATABASE),
    ("no pg_hba.conf entry", Code.PERMISSION),
    ("too many clients", Code.BUSY),
    ("remaining connection slots", Code.BUSY),
    ("timeout expired", Code.UNREACHABLE),
    ("No route to host", Code.UNREACHABLE),
    ("Network is unreachable", Code.UNREACHABLE),
    ("SSL", Code.TLS),
    ("certificate", Code.TLS),
]
# SQLSTATE, whole or its class. https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES = {
    "57014": Code.TIMEOUT, "57": Code.LOST, "08": Code.LOST, "28": Code.WRONG_PASSWORD, "3D": Code.UNKNOWN_DATABASE,
    "53": Code.BUSY, "58": Code.SERVER, "XX": Code.SERVER, "40": Code.DEADLOCK, "55P03": Code.DEADLOCK,
    "25006": Code.READ_ONLY, "42501": Code.PERMISSION, "42": Code.SYNTAX, "23": Code.CONSTRAINT,
}  # fmt: skip


class PostgresParams(DriverParams):
    host: Annotated[str, AfterValidator(valid_host), Shown(label=gettext_lazy("Host"))] = Field(max_length=255)
    port: Annotated[int, Shown(label=gettext_lazy("Port"))] = Field(default=5432, ge=1, le=65535)
    database: Annotated[str, Shown(label=gettext_lazy("Database"))] = Field(min_length=1, max_length=63)
    user: Annotated[str, Shown(label=gettext_lazy("User"))] = Field(min_length=1, max_length=63)
    sslmode: Annotated[
        Literal["prefer", "require", "verify-ca", "verify-full", "disable"],
        Shown(label=gettext_lazy("Encryption (sslmode)")),
    ] = Field(default="prefer")
    schema_name: Annotated[
        str, Shown(label=gettext_lazy("Schema"), help=gettext_lazy("Empty: the search path of the database user."))
    ] = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", max_length=63)


@DRIVERS.register
class Postgres(Driver):
    kind: ClassVar[str] = "postgres"
    label = "PostgreSQL"
    module = "psycopg2"
    Params = PostgresParams
    bound_fields = frozenset({"host", "port", "database", "user", "sslmode"})

    def where(self, params: Mapping[str, Any]) -> str:
        return f"{params.get('host', '?')}:{params.get('port', 5432)}/{params.get('database', '?')}"

    def engine_url(self, target: ConnectionTarget) -> URL:
        p = self.params_of(target)
        return URL.create("postgresql+psycopg2", p.user, target.password, p.host, p.port, p.database)

    def engine_options(self, target: ConnectionTarget) -> dict[str, Any]:
        p = self.params_of(target)
        options = "-c standard_conforming_strings=on"
        if p.schema_name:
            options += f" -c search_path={p.schema_name}"
        return {
            "connect_args": {
                "connect_timeout": CONNECT_SECONDS,
                "sslmode": p.sslmode,
                "application_name": f"portal {target.tenant}/{target.slug}"[:63],
                "options": options,
                "passfile": f"{os.devnull}/none",  # the portal's own ~/.pgpass is not the tenant's
                "gssencmode": "disable",
                "keepalives_idle": 30,
                "keepalives_interval": 10,
                "keepalives_count": 3,
            }
        }

    def check_place(self, target: ConnectionTarget) -> None:
        p = self.params_of(target)
        refuse_ledger(p.host, p.port, p.database)

    def begin(self, connection: Connection, *, read_only: bool) -> None:
        if read_only:  # strings as the guard reads them, whatever a function left behind in a pooled connection
            connection.execute(text("SET TRANSACTION READ ONLY; SET LOCAL standard_conforming_strings = on"))

    def set_timeout(self, connection: Connection, seconds: float | None) -> None:
        connection.execute(text(f"SET LOCAL statement_timeout = {int(max(seconds or 0, 0) * 1000)}"))

    def cancel(self, raw: Any, target: ConnectionTarget) -> None:
        raw.cancel()

    def server_version(self, connection: Connection) -> str:
        version = str(connection.execute(text("SHOW server_version")).scalar_one())
        return f"PostgreSQL {version.split(maxsplit=1)[0]}"

    def changed_rows(self, connection: Connection) -> int | None:
        return int(connection.execute(text(_CHANGED)).scalar_one())  # of this transaction alone

    def powers(self, connection: Connection, target: ConnectionTarget) -> RoleReport:
        role = connection.execute(text(_ROLE)).one()
        if role.rolsuper:
            held = [Held(power=power) for power in (Power.SUPERUSER, Power.DEFINE, Power.WRITE)]
            return RoleReport(role=role.rolname, held=tuple(held))
        found = [(Power(power), name) for power, name in connection.execute(text(_POWERS))]
        if role.rolcreaterole:
            found.append((Power.ROLES, "CREATEROLE"))
        powers = dict.fromkeys(power for power, _name in found)
        held = [Held.on(power, [name for held_power, name in found if held_power == power]) for power in powers]
        return RoleReport(role=role.rolname, held=tuple(held))

    def least_privilege(self, params: Mapping[str, Any], *, read_only: bool) -> str:
        role, schema = "portal_reader" if read_only else "portal_writer", params.get("schema_name") or "public"
        rights = "SELECT" if read_only else "SELECT, INSERT, UPDATE, DELETE"
        return _LEAST.format(role=role, schema=quoted(schema), rights=rights, database=quoted(params.get("database")))

    def explain(self, error: BaseException) -> ConnectionProblem:
        words = str(error)
        state = getattr(error, "pgcode", None)
        if not state:
            lost = Code.LOST if type(error).__name__ in ("OperationalError", "InterfaceError") else Code.VALUE
            return problem(next((code for part, code in _CONNECTING if part in words), lost), error)
        code = _STATES.get(state) or _STATES.get(state[:2], Code.VALUE)
        line = re.search(r"^LINE (\d+):", words, re.MULTILINE)
        detail = getattr(getattr(error, "diag", None), "message_primary", None) or words
        return problem(code, Exception(detail), int(line[1]) if line else None)


def quoted(name: Any) -> str:
    """A name as SQL writes it."""
    return '"' + str(name or "?").replace('"', '""') + '"'


_CHANGED = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables"
_ROLE = "SELECT rolname, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user"
_TABLES = """
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_POWERS = """
(SELECT CASE WHEN f.rolname = 'pg_execute_server_program' THEN 'programs' ELSE 'files' END, f.rolname
  FROM pg_roles f WHERE pg_has_role(f.oid, 'member') AND f.rolname IN
  ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
UNION ALL
(SELECT 'define', n.nspname FROM pg_namespace n
  WHERE has_schema_privilege(n.oid, 'CREATE') AND n.nspname !~ '^pg_' ORDER BY 2 LIMIT 21)
UNION ALL
(SELECT 'define', format('%I.%I', n.nspname, c.relname) FROM TABLES AND pg_has_role(c.relowner, 'usage')
  ORDER BY 2 LIMIT 21)
UNION ALL
(SELECT 'write', format('%I.%I', n.nspname, c.relname) FROM TABLES
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
  ORDER BY 2 LIMIT 21)
UNION ALL
(SELECT DISTINCT 'others', n.nspname FROM TABLES AND n.nspname <> ALL (current_schemas(false))
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') ORDER BY 2 LIMIT 21)
""".replace("FROM TABLES", _TABLES.strip())
_LEAST = """\
CREATE ROLE {role} LOGIN PASSWORD 'choose-a-password';
-- REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC; -- PostgreSQL 14 and older let everybody create tables there
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {rights} ON TABLES TO {role};
"""
