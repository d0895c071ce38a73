"""SQLite files of a tenant: inside its own folder, never the ledger, and unable to open other files."""

from __future__ import annotations

import os
import shlex
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext_lazy
from pydantic import Field
from sqlalchemy import URL, Connection, NullPool

from datasources.drivers.base import DRIVERS, Driver, DriverParams, problem
from datasources.powers import Held, Power, RoleReport
from datasources.problems import Code, ConnectionProblem, QueryError
from datasources.target import ConnectionTarget
from portal.lib.paramtypes import Shown
from portal.lib.said import said as _

LOCK_SECONDS = 5
LONGEST_VALUE = 64 * 1024 * 1024
STEPS_BETWEEN_LOOKS = 4000
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION}
_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_PRAGMAS = frozenset({  # those that only look
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
    "foreign_key_check", "integrity_check", "quick_check", "database_list", "collation_list", "function_list",
    "compile_options", "data_version",
})  # fmt: skip
_PLAIN_PRAGMAS = frozenset({"user_version", "schema_version", "application_id", "encoding", "page_count", "page_size",
                            "freelist_count", "journal_mode", "read_uncommitted", "foreign_keys"})  # fmt: skip
_BY_CODE = {
    sqlite3.SQLITE_INTERRUPT: Code.TIMEOUT, sqlite3.SQLITE_BUSY: Code.DEADLOCK, sqlite3.SQLITE_LOCKED: Code.DEADLOCK,
    sqlite3.SQLITE_CONSTRAINT: Code.CONSTRAINT, sqlite3.SQLITE_READONLY: Code.READ_ONLY,
    sqlite3.SQLITE_AUTH: Code.PERMISSION, sqlite3.SQLITE_PERM: Code.PERMISSION, sqlite3.SQLITE_FULL: Code.SERVER,
    sqlite3.SQLITE_IOERR: Code.SERVER, sqlite3.SQLITE_NOMEM: Code.SERVER, sqlite3.SQLITE_CORRUPT: Code.NOT_A_DATABASE,
    sqlite3.SQLITE_NOTADB: Code.NOT_A_DATABASE, sqlite3.SQLITE_CANTOPEN: Code.NO_FILE,
    sqlite3.SQLITE_TOOBIG: Code.VALUE, sqlite3.SQLITE_MISMATCH: Code.VALUE, sqlite3.SQLITE_RANGE: Code.VALUE,
}  # fmt: skip


class SQLiteParams(DriverParams):
    path: Annotated[
        str,
        Shown(
            label=gettext_lazy("File"),
            help=gettext_lazy("Relative to the team's folder on the server, such as shop.sqlite3."),
        ),
    ] = Field(min_length=1, max_length=500)
    create: Annotated[bool, Shown(label=gettext_lazy("Create the file when it does not exist"))] = Field(default=False)


@DRIVERS.register
class SQLite(Driver):
    kind: ClassVar[str] = "sqlite"
    label = "SQLite"
    module = "sqlite3"
    Params = SQLiteParams
    has_password = False
    plan_prefix = "EXPLAIN QUERY PLAN"
    is_pooled = False  # opening a file is cheap, and each session sets its own authorizer

    def where(self, params: Mapping[str, Any]) -> str:
        return str(params.get("path", "?"))

    def engine_url(self, target: ConnectionTarget) -> URL:
        return URL.create("sqlite+pysqlite")

    def engine_options(self, target: ConnectionTarget) -> dict[str, Any]:
        return {"creator": lambda: _open(target, self.params_of(target).create), "poolclass": NullPool}

    def check_place(self, target: ConnectionTarget) -> None:
        path_of(target)

    def check(self, target: ConnectionTarget) -> None:
        path = path_of(target)
        may_create = self.params_of(target).create and not target.is_read_only
        if not path.is_file() and not may_create:
            raise QueryError.of(Code.NO_FILE, _("There is no file at this path. Check the path, or upload the file."))

    def begin(self, connection: Connection, *, read_only: bool) -> None:
        # A writer takes its lock at once: a reader that becomes a writer later may find the database changed.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
        if read_only:
            raw: Any = connection.connection.driver_connection
            raw.set_authorizer(_read_only_authorizer)

    def set_timeout(self, connection: Connection, seconds: float | None) -> None:
        raw: Any = connection.connection.driver_connection
        if seconds is None:
            raw.set_progress_handler(None, STEPS_BETWEEN_LOOKS)
            return
        until = time.monotonic() + seconds
        raw.set_progress_handler(lambda: int(time.monotonic() > until), STEPS_BETWEEN_LOOKS)

    def cancel(self, raw: Any, target: ConnectionTarget) -> None:
        raw.interrupt()

    def sever(self, raw: Any) -> None:
        raw.interrupt()

    def server_version(self, connection: Connection) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def changed_rows(self, connection: Connection) -> int | None:
        raw: Any = connection.connection.driver_connection
        return int(raw.total_changes)

    def powers(self, connection: Connection, target: ConnectionTarget) -> RoleReport:
        is_writable = os.access(path_of(target), os.W_OK)
        return RoleReport(held=(Held(power=Power.WRITABLE_FILE),) if is_writable else ())

    def least_privilege(self, params: Mapping[str, Any], *, read_only: bool) -> str:
        return f"chmod a-w {shlex.quote(str(params.get('path', '?')))}\n" if read_only else ""

    def explain(self, error: BaseException) -> ConnectionProblem:
        if isinstance(error, sqlite3.DatabaseError):
            number = getattr(error, "sqlite_errorcode", None)
            if number is not None:
                return problem(_BY_CODE.get(number & 0xFF, Code.SYNTAX), error)
            return problem(Code.SYNTAX, error)
        return problem(Code.VALUE, error)


def folder_of(tenant: str) -> Path:
    """Where relative paths of this tenant begin."""
    return Path(settings.PORTAL_SQLITE_ROOTS[0]) / tenant


def path_of(target: ConnectionTarget) -> Path:
    """The file, links resolved; raises `QueryError` when it is outside the tenant's folders or is the ledger."""
    wanted = str(target.params.get("path", ""))
    try:
        path = (folder_of(target.tenant) / wanted).resolve()
        roots = [(Path(root) / target.tenant).resolve() for root in settings.PORTAL_SQLITE_ROOTS]
    except (OSError, ValueError, RuntimeError):
        raise QueryError.of(Code.NO_FILE, _("This is not a path of a file.")) from None
    if "\0" in wanted or not any(path.is_relative_to(root) and path != root for root in roots):
        raise QueryError.of(
            Code.FOLDER, _("The file is outside the team's folder. Use a path relative to it, such as shop.sqlite3.")
        )
    if _is_ledger(path):
        raise QueryError.of(Code.LEDGER, _("This is the portal's own database; it can't be used as a datasource."))
    return path


def _is_ledger(path: Path) -> bool:
    ledger = settings.DATABASES["default"]
    name = Path(str(ledger["NAME"]))
    if not ledger["ENGINE"].endswith("sqlite3"):
        return False
    try:
        return path.samefile(name)  # a hard link is the ledger too
    except OSError:
        return path == name.resolve()


def _open(target: ConnectionTarget, create: bool) -> sqlite3.Connection:
    path = path_of(target)
    mode = "ro" if target.is_read_only else "rwc" if create else "rw"
    if mode == "rwc":
        path.parent.mkdir(parents=True, exist_ok=True)
    raw = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=LOCK_SECONDS,
        isolation_level=None,  # the session says BEGIN itself
        check_same_thread=False,  # interrupt() comes from another thread
    )
    try:
        raw.execute("PRAGMA schema_version").fetchone()  # reads the file: what is no database shows here
    except sqlite3.Error:
        raw.close()
        raise
    raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    raw.set_authorizer(_read_only_authorizer if target.is_read_only else _authorizer)
    return raw


def _read_only_authorizer(action: int, one: str | None, two: str | None, *rest: str | None) -> int:
    if action in _READING:
        return sqlite3.SQLITE_OK
    if action in (sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_PRAGMA):
        return _authorizer(action, one, two, *rest)
    return sqlite3.SQLITE_DENY


def _authorizer(action: int, one: str | None, two: str | None, *rest: str | None) -> int:
    """No other file, no extension, no pragma that sets something."""
    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (two or "").lower() in _FUNCTIONS:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA:
        name = (one or "").lower()
        looks = name in _PRAGMAS or (name in _PLAIN_PRAGMAS and two is None)
        return sqlite3.SQLITE_OK if looks else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
