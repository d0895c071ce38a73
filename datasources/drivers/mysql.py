"""MySQL and MariaDB through PyMySQL: pure Python, so every machine has the same driver."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Set
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

# Fixed, so that quotes and backslashes mean what `datasources.lexer` reads (no ANSI_QUOTES, no
# NO_BACKSLASH_ESCAPES), whatever the server's default is.
SQL_MODE = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_NUMBERS = {
    Code.TIMEOUT: {1969, 3024},
    Code.CANCELLED: {1317, 1028},
    Code.LOST: {1053, 1152, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2014, 2027, 0},
    Code.BUSY: {1040, 1203, 1226},
    Code.DEADLOCK: {1205, 1213, 1614, 3572},
    Code.WRONG_PASSWORD: {1045, 1698, 1524, 1862, 2059},
    Code.UNKNOWN_DATABASE: {1049},
    Code.PERMISSION: {1044, 1130, 1141, 1142, 1143, 1227, 1370, 1410},
    Code.CONSTRAINT: {1022, 1048, 1062, 1169, 1216, 1217, 1364, 1451, 1452, 1557, 1586, 3819, 4025},
    Code.SYNTAX: {1046, 1051, 1052, 1054, 1064, 1066, 1091, 1109, 1146, 1149, 1305, 1318, 1582, 1584},
    Code.READ_ONLY: {1792},
    Code.SERVER: {1021, 1030, 1036, 1037, 1041, 1114, 1194, 1290, 1836, 3100},
    Code.TLS: {2026, 3159, 4098},
}
_CODES = {number: code for code, numbers in _NUMBERS.items() for number in numbers}
_GRANT = re.compile(
    r"GRANT (?P<rights>.+?) ON (?:TABLE |FUNCTION |PROCEDURE )?(?P<place>.+?) TO (?P<rest>.*)", re.DOTALL
)
# A routine runs with its owner's rights, so whoever may execute one may do what it does.
_WRITE = frozenset({"INSERT", "UPDATE", "DELETE", "DELETE HISTORY", "EXECUTE", "ALL PRIVILEGES"})
_DEFINE = frozenset({
    "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "EVENT", "CREATE VIEW", "CREATE ROUTINE", "ALTER ROUTINE",
    "REFERENCES", "ALL PRIVILEGES",
})  # fmt: skip
_CHANGED = """
SHOW SESSION STATUS WHERE Variable_name IN ('Handler_write', 'Handler_update', 'Handler_delete')
"""
_UNSAFE = """
SELECT t.table_name FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine
WHERE coalesce(e.transactions, 'NO') <> 'YES' AND t.table_type = 'BASE TABLE'
  AND t.table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
"""
_LEAST = """\
CREATE USER '{role}'@'%' IDENTIFIED BY 'choose-a-password';
GRANT {rights} ON `{database}`.* TO '{role}'@'%';
"""


class MySQLParams(DriverParams):
    host: Annotated[str, AfterValidator(valid_host), Shown(label=gettext_lazy("Host"))] = Field(max_length=255)
    port: Annotated[int, Shown(label=gettext_lazy("Port"))] = Field(default=3306, ge=1, le=65535)
    database: Annotated[str, Shown(label=gettext_lazy("Database"))] = Field(min_length=1, max_length=64)
    user: Annotated[str, Shown(label=gettext_lazy("User"))] = Field(min_length=1, max_length=80)
    tls: Annotated[Literal["off", "required", "verify"], Shown(label=gettext_lazy("Encryption (TLS)"))] = Field(
        default="off"
    )


@DRIVERS.register
class MySQL(Driver):
    kind: ClassVar[str] = "mysql"
    label = "MySQL / MariaDB"
    module = "pymysql"
    Params = MySQLParams
    bound_fields = frozenset({"host", "port", "database", "user", "tls"})

    def where(self, params: Mapping[str, Any]) -> str:
        return f"{params.get('host', '?')}:{params.get('port', 3306)}/{params.get('database', '?')}"

    def engine_url(self, target: ConnectionTarget) -> URL:
        p = self.params_of(target)
        return URL.create(
            "mysql+pymysql", p.user, target.password, p.host, p.port, p.database, query={"charset": "utf8mb4"}
        )

    def engine_options(self, target: ConnectionTarget) -> dict[str, Any]:
        options = {
            "connect_timeout": CONNECT_SECONDS,
            "local_infile": False,
            "init_command": f"SET SESSION sql_mode = '{SQL_MODE}'",
            **_tls(self.params_of(target).tls),
        }
        return {"connect_args": options}

    def check_place(self, target: ConnectionTarget) -> None:
        p = self.params_of(target)
        refuse_ledger(p.host, p.port, p.database)

    def begin(self, connection: Connection, *, read_only: bool) -> None:
        if read_only:  # strings as the guard reads them, whatever a function left behind in a pooled connection
            connection.execute(text(f"SET SESSION sql_mode = '{SQL_MODE}'"))
        # MariaDB's DDL commits a read-only transaction and goes on in the session's own mode; so that is read-only too.
        connection.execute(text(f"SET SESSION TRANSACTION READ {'ONLY' if read_only else 'WRITE'}"))
        connection.execute(text("START TRANSACTION READ ONLY" if read_only else "START TRANSACTION"))

    def set_timeout(self, connection: Connection, seconds: float | None) -> None:
        limit = max(seconds or 0, 0)
        if getattr(connection.dialect, "is_mariadb", False):
            connection.execute(text(f"SET SESSION max_statement_time = {limit:.3f}"))
        else:  # MySQL bounds only SELECT itself; the session's watchdog kills the rest
            connection.execute(text(f"SET SESSION max_execution_time = {int(limit * 1000)}"))

    def cancel(self, raw: Any, target: ConnectionTarget) -> None:
        import pymysql

        p = self.params_of(target)
        options = self.engine_options(target)["connect_args"]
        with contextlib.closing(
            pymysql.connect(
                host=p.host, port=p.port, user=p.user, password=target.password, read_timeout=5, **options
            )
        ) as side, side.cursor() as cursor:  # fmt: skip
            cursor.execute(f"KILL QUERY {int(raw.thread_id())}")

    def stop_reading(self, raw: Any, target: ConnectionTarget) -> None:
        """An unbuffered cursor reads all that is left when it is closed; so the server is told to stop sending."""
        self.cancel(raw, target)

    def sever(self, raw: Any) -> None:
        if raw._sock is not None:
            raw._sock.shutdown(socket.SHUT_RDWR)

    def server_version(self, connection: Connection) -> str:
        version = str(connection.execute(text("SELECT VERSION()")).scalar_one())
        number = version.split("-", maxsplit=1)[0]
        return f"MariaDB {number}" if "mariadb" in version.lower() else f"MySQL {number}"

    def changed_rows(self, connection: Connection) -> int | None:
        if not getattr(connection.dialect, "is_mariadb", False):
            return None  # MySQL counts its own temporary tables among them
        return sum(int(value) for _name, value in connection.execute(text(_CHANGED)))

    def unsafe_tables(self, connection: Connection) -> frozenset[str]:
        return frozenset(str(name).lower() for (name,) in connection.execute(text(_UNSAFE)))

    def powers(self, connection: Connection, target: ConnectionTarget) -> RoleReport:
        grants = [str(row[0]) for row in connection.execute(text("SHOW GRANTS"))]
        role = str(connection.execute(text("SELECT CURRENT_USER()")).scalar_one())
        return powers_of(role, grants, self.params_of(target).database)

    def least_privilege(self, params: Mapping[str, Any], *, read_only: bool) -> str:
        role, rights = "portal_reader", "SELECT"
        if not read_only:
            role, rights = "portal_writer", "SELECT, INSERT, UPDATE, DELETE"
        database = str(params.get("database", "?")).replace("`", "``")
        return _LEAST.format(role=role, rights=rights, database=database)

    def explain(self, error: BaseException) -> ConnectionProblem:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else None
        words = str(error)
        if number == 2003 or (number is None and isinstance(error, OSError)):
            return problem(_connecting(words), error)
        if number is None:
            return problem(Code.LOST if type(error).__name__ == "InterfaceError" else Code.VALUE, error)
        code = _CODES.get(number) or (Code.LOST if 2000 <= number < 3000 else Code.VALUE)
        line = re.search(r"at line (\d+)$", words.rstrip("')\" "))
        return problem(code, error, int(line[1]) if line else None)


def powers_of(role: str, grants: Iterable[str], database: str) -> RoleReport:
    """What the lines of SHOW GRANTS allow; `database` is the one that the datasource is for."""
    found: dict[Power, list[str]] = {}
    for match in filter(None, map(_GRANT.match, grants)):
        place = match["place"].replace("`", "").replace("\\", "")
        rights = {right.strip().upper() for right in re.sub(r"\([^)]*\)", "", match["rights"]).split(",")}
        for power in _powers_in(rights, is_everywhere=place == "*.*", may_grant="GRANT OPTION" in match["rest"]):
            found.setdefault(power, []).append(place)
        if rights not in ({"USAGE"}, {"PROXY"}) and place.split(".")[0] != database:
            found.setdefault(Power.OTHERS, []).append(place)
    if Power.SUPERUSER in found:
        found = {power: [] for power in (Power.SUPERUSER, Power.DEFINE, Power.WRITE)}
    return RoleReport(role=role, held=tuple(Held.on(power, found[power]) for power in Power if power in found))


def _powers_in(rights: Set[str], *, is_everywhere: bool, may_grant: bool) -> Iterator[Power]:
    if is_everywhere and rights & {"ALL PRIVILEGES", "SUPER"}:
        yield Power.SUPERUSER
    if is_everywhere and "FILE" in rights:
        yield Power.FILES
    if may_grant or "CREATE USER" in rights:
        yield Power.ROLES
    if rights & _DEFINE:
        yield Power.DEFINE
    if rights & _WRITE:
        yield Power.WRITE


def _tls(mode: str) -> dict[str, Any]:
    if mode == "off":
        return {"ssl_disabled": True}
    context = ssl.create_default_context()
    if mode == "required":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def _connecting(words: str) -> Code:
    for part, code in (
        ("Name or service not known", Code.UNKNOWN_HOST),
        ("name resolution", Code.UNKNOWN_HOST),
        ("getaddrinfo", Code.UNKNOWN_HOST),
        ("No address associated", Code.UNKNOWN_HOST),
        ("refused", Code.REFUSED),
        ("SSL", Code.TLS),
        ("certificate", Code.TLS),
    ):
        if part in words:
            return code
    return Code.UNREACHABLE
