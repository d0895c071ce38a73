"""What a driver is: how to reach one kind of database, bound a statement in it, cancel it and explain its errors.

A driver touches no row of ours and keeps no state; it gets a frozen `ConnectionTarget`.
"""

from __future__ import annotations

import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

from django.conf import settings
from django.utils.functional import Promise
from pydantic import BaseModel, ConfigDict
from sqlalchemy import URL, Connection
from sqlalchemy import exc as sa_exc

from datasources.powers import RoleReport
from datasources.problems import Code, ConnectionProblem, QueryError
from datasources.target import ConnectionTarget
from portal.lib.plugins import Registry
from portal.lib.said import said as _

CONNECT_SECONDS = 5
HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._:-]*[A-Za-z0-9_])?\Z|::[A-Fa-f0-9:.]*\Z")


class DriverParams(BaseModel):
    """Base of every driver's parameters; its fields are the allow-list of connection options."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Driver(ABC):
    """One kind of database."""

    kind: ClassVar[str]
    label: ClassVar[str | Promise]
    module: ClassVar[str]  # the Python driver's import name
    Params: ClassVar[type[DriverParams]]
    has_password: ClassVar[bool] = True
    is_pooled: ClassVar[bool] = True
    plan_prefix: ClassVar[str] = "EXPLAIN"  # before a SELECT it asks for the plan and runs nothing
    # Whoever changes one of these must know the password: else it could be sent to a server of theirs.
    bound_fields: ClassVar[frozenset[str]] = frozenset()

    def missing(self) -> str:
        """Why this machine can't use the driver, or an empty string."""
        if find_spec(self.module) is not None:
            return ""
        return _("The Python package “%(name)s” is not installed on this machine.") % {"name": self.module}

    def params_of(self, target: ConnectionTarget) -> Any:
        return self.Params.model_validate(dict(target.params))

    @abstractmethod
    def where(self, params: Mapping[str, Any]) -> str:
        """Where it points, for lists: "host:port/database". Never the password; tolerates bad parameters."""

    @abstractmethod
    def engine_url(self, target: ConnectionTarget) -> URL:
        """What SQLAlchemy connects to."""

    def engine_options(self, target: ConnectionTarget) -> dict[str, Any]:
        """`connect_args` or a `creator` for `create_engine`."""
        return {}

    def check_place(self, target: ConnectionTarget) -> None:  # noqa: B027 - optional
        """Raise `QueryError` when the target must never be opened: the ledger, a foreign folder."""

    def check(self, target: ConnectionTarget) -> None:
        """Raise `QueryError` when the target can't be opened now."""
        self.check_place(target)

    @abstractmethod
    def begin(self, connection: Connection, *, read_only: bool) -> None:
        """Open the transaction, read-only where asked."""

    @abstractmethod
    def set_timeout(self, connection: Connection, seconds: float | None) -> None:
        """Bound the next statement, in the database itself."""

    @abstractmethod
    def cancel(self, raw: Any, target: ConnectionTarget) -> None:
        """Interrupt the statement that runs on the DB-API connection `raw`; called from another thread."""

    def stop_reading(self, raw: Any, target: ConnectionTarget) -> None:  # noqa: B027 - optional
        """Called before a half-read result is closed, where closing would read the rest."""

    def sever(self, raw: Any) -> None:
        """Cut the connection under a call that does not come back."""
        end = socket.socket(fileno=socket.dup(raw.fileno()))
        with end:
            end.shutdown(socket.SHUT_RDWR)

    @abstractmethod
    def server_version(self, connection: Connection) -> str: ...

    def changed_rows(self, connection: Connection) -> int | None:
        """A count that rises with every row that is changed, triggers included; None when the database keeps none."""
        return None

    def unsafe_tables(self, connection: Connection) -> frozenset[str]:
        """Names, in small letters, of tables whose changes no rollback undoes."""
        return frozenset()

    def powers(self, connection: Connection, target: ConnectionTarget) -> RoleReport:
        """What the role that we log in with may do besides reading."""
        return RoleReport()

    def least_privilege(self, params: Mapping[str, Any], *, read_only: bool) -> str:
        """Statements for an administrator of the database: a role that may do no more than needed. May be empty."""
        return ""

    @abstractmethod
    def explain(self, error: BaseException) -> ConnectionProblem:
        """The database's own error in words."""

    def explain_error(self, error: BaseException) -> ConnectionProblem:
        """Any error of SQLAlchemy or the database as one cause and one sentence."""
        if isinstance(error, QueryError):
            return ConnectionProblem(code=Code(error.code), sentence=error.sentence, line=error.line)
        if isinstance(error, sa_exc.TimeoutError):
            return ConnectionProblem(
                code=Code.BUSY, sentence=_("All connections to this datasource are in use. Try again later.")
            )
        original = getattr(error, "orig", None)
        if original is None and isinstance(error, sa_exc.SQLAlchemyError | ValueError | TypeError | OverflowError):
            return problem(Code.VALUE, error)
        return self.explain(original or error)


DRIVERS: Registry[Driver] = Registry("portal.datasource_drivers")


def problem(code: Code, error: BaseException, line: int | None = None) -> ConnectionProblem:
    """The usual sentence for this cause, with the database's own words where they help."""
    words = " ".join(str(error.args[-1] if error.args else error).split())[:300]
    return ConnectionProblem(code=code, sentence=_sentences()[code] % {"words": words}, line=line)


def _sentences() -> dict[Code, str]:
    return {
        Code.UNKNOWN_HOST: _("The host name is unknown: check its spelling, or the name server."),
        Code.REFUSED: _("The server refused the connection: check host and port, and that the database is running."),
        Code.UNREACHABLE: _("The server can't be reached from here: check the address, the network and the firewall."),
        Code.WRONG_PASSWORD: _("The server did not accept the user name or the password."),
        Code.UNKNOWN_DATABASE: _("There is no database of this name on the server."),
        Code.TLS: _("The encrypted connection (TLS) failed: %(words)s"),
        Code.BUSY: _("The server takes no more connections at the moment. Try again later."),
        Code.LOST: _("The connection to the database was lost: %(words)s"),
        Code.DEADLOCK: _("Another transaction was in the way (deadlock or lock). Try again: %(words)s"),
        Code.TIMEOUT: _("The database took longer than allowed, so the statement was stopped."),
        Code.CANCELLED: _("The statement was cancelled."),
        Code.SERVER: _("The database reported an error of its own: %(words)s"),
        Code.PERMISSION: _("The database user may not do this: %(words)s"),
        Code.SYNTAX: _("The database does not understand the statement: %(words)s"),
        Code.CONSTRAINT: _("A rule of the database forbids this: %(words)s"),
        Code.VALUE: _("The database refused a value or the statement: %(words)s"),
        Code.READ_ONLY: _("This datasource is read-only, so nothing may be changed."),
        Code.NOT_A_DATABASE: _("The file is not a SQLite database."),
        Code.NO_FILE: _("The file can't be opened: check the path and its permissions."),
    }


def valid_host(value: str) -> str:
    """A name or an address of one host; no socket path, no list (they would reach what the portal's own user may)."""
    if not HOST_NAME.match(value):
        raise ValueError(_("Give one host name or address, without scheme, path or port."))
    return value


def refuse_ledger(host: str, port: int, database: str) -> None:
    """The portal's own database is never a datasource, under whatever name its host is given."""
    ledger = settings.DATABASES["default"]
    if ledger["ENGINE"].endswith("sqlite3") or database != str(ledger["NAME"]):
        return
    same_port = str(ledger.get("PORT") or port) == str(port)
    if same_port and _addresses(host) & _addresses(ledger.get("HOST") or "localhost"):
        raise QueryError.of(Code.LEDGER, _("This is the portal's own database; it can't be used as a datasource."))


def _addresses(host: str) -> set[str]:
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)} | {host}
    except OSError:
        return {host}
