"""The one door to users' databases: bounded in time, rows and bytes, guarded where read-only, cancellable.

    with open_session(target, timeout=30, read_only=False) as session:
        for statement in split(script, target.kind):
            result = session.execute(statement, {"day": "2026-01-31"}, max_rows=1000, max_bytes=1_000_000)

A writable session is one transaction: committed at the end of the block, rolled back when the block raises.
COMMIT and ROLLBACK in a script do what they say; BEGIN is understood and ignored, since one is always open.
A read-only session runs one guarded SELECT per call and always rolls back.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy import exc as sa_exc

from datasources.drivers import ConnectionTarget, Driver
from datasources.engines import build, driver_of, engine_for
from datasources.hazards import Hazard, hazards_of
from datasources.lexer import Statement, bind, split, tokens
from datasources.powers import RoleReport
from datasources.problems import Code, ConnectionProblem, QueryError
from datasources.sqlguard import GuardError, check_select
from datasources.tally import Limit, Tally
from datasources.values import JSON, size_of, to_json, type_of
from portal.lib.said import said as _

__all__ = ["ConnectionTarget", "QueryError", "ResultSet", "Session", "Statement", "open_session", "split"]

PARTITION = 200  # rows fetched at once: the most that is held besides the result
GRACE_SECONDS = 1.0  # how long after the database's own timeout the watchdog waits, and again before it cuts
SEVER_SECONDS = 5.0
AGAIN_SECONDS = 0.5  # between two requests to cancel
CANCEL_ATTEMPTS = 20
_CONTROL = re.compile(r"(begin|commit|end|rollback|start)(\s+(work|transaction))?\Z", re.IGNORECASE)
_KEEPS_STATE = re.compile(r"\b(set_config|pg_(try_)?advisory_\w+|get_lock)\b|:=", re.IGNORECASE)
_STATELESS = {"SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "EXPLAIN", "SHOW"}


@dataclass(frozen=True, kw_only=True)
class ResultSet:
    """`row_count`: rows kept of a result, or rows changed; None when the database does not say. `elapsed`: seconds."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[JSON]] = field(default_factory=list)
    row_count: int | None = None
    truncated: bool = False
    elapsed: float = 0.0
    types: list[str] = field(default_factory=list)  # of the columns, as `values.type_of` calls them; "" if all NULL
    affected: int | None = None  # rows changed, triggers included; only where the session has a limit


@contextlib.contextmanager
def open_session(
    target: ConnectionTarget, *, timeout: float | None, read_only: bool, limit: Limit | None = None
) -> Iterator[Session]:
    """A session of at most `timeout` seconds in all; None: as long as the installation allows by default.

    Raises `QueryError` only (besides what the block raises).
    """
    session = Session(target, timeout=timeout, read_only=read_only, limit=limit)
    try:
        yield session
        session.commit()
    except BaseException:
        with contextlib.suppress(QueryError):
            session.rollback()
        raise
    finally:
        session.close()


class Session:
    """One connection and one transaction. `cancel` may be called from any thread, the rest from one."""

    def __init__(
        self,
        target: ConnectionTarget,
        *,
        timeout: float | None,
        read_only: bool,
        pooled: bool = True,
        limit: Limit | None = None,
    ) -> None:
        timeout = settings.PORTAL_SQL_TIMEOUT_SECONDS if timeout is None else timeout
        self.read_only = read_only or target.is_read_only
        self.target = replace(target, is_read_only=self.read_only)
        self._driver: Driver = driver_of(target.kind)
        self._tally = Tally(limit, self._driver) if limit and not self.read_only else None
        self._deadline = time.monotonic() + timeout
        self._cancelled = threading.Event()
        self._expired = threading.Event()
        self._done = threading.Event()
        self._in_transaction = False
        self._keeps_state = False
        with self._in_words(None):
            self._driver.check(self.target)
            wanted = self._pool_target(target)
            engine = engine_for(wanted, self._driver) if pooled else build(wanted, self._driver, pooled=False)
            self._connection: Connection = engine.connect()
        self._raw: Any = self._connection.connection.driver_connection
        threading.Thread(target=self._watch, args=(timeout,), name="sql-watchdog", daemon=True).start()

    def execute(
        self,
        statement: str | Statement,
        params: Mapping[str, Any] | None = None,
        *,
        max_rows: int,
        max_bytes: int,
    ) -> ResultSet:
        """Run one statement with bound `:name` parameters and keep at most so many rows and bytes of its result."""
        if isinstance(statement, str):
            statement = Statement(statement, 1)
        sql = _admitted(statement, self.target.kind, read_only=self.read_only)
        if self._controlled(sql):
            return ResultSet()
        return self._run(sql, statement.line, dict(params or {}), (max_rows, max_bytes))

    def plan(
        self, statement: str | Statement, params: Mapping[str, Any] | None = None, *, max_rows: int, max_bytes: int
    ) -> ResultSet:
        """How the database would run one guarded SELECT, in its own words; it is not run. Read-only sessions only."""
        if not self.read_only:
            raise ValueError("a plan is asked for in a read-only session")
        if isinstance(statement, str):
            statement = Statement(statement, 1)
        sql = f"{self._driver.plan_prefix} {_admitted(statement, self.target.kind, read_only=True)}"
        return self._run(sql, statement.line, dict(params or {}), (max_rows, max_bytes))

    def _run(self, sql: str, line: int, params: dict[str, Any], caps: tuple[int, int]) -> ResultSet:
        bound, unknown = bind(sql, self.target.kind, frozenset(params))
        if unknown:
            words = _("The statement uses :%(name)s, but no parameter has that name.") % {"name": unknown[0]}
            raise QueryError.of(Code.SYNTAX, words, line)
        self._keeps_state |= _keeps_state(sql, self.target.kind)
        started = time.monotonic()
        with self._in_words(line):
            self._prepare()
            options = {"stream_results": _is_streamable(sql, self.target.kind), "max_row_buffer": PARTITION}
            result = self._connection.execute(text(bound), params, execution_options=options)
            found = self._counted(self._read(result, *caps))
        if self.read_only:
            self.rollback()
        return replace(found, elapsed=time.monotonic() - started)

    @property
    def affected(self) -> int:
        """Rows that the present or last transaction changed; 0 when the session has no limit."""
        return self._tally.total if self._tally else 0

    def hazards(self, statements: Iterable[Statement]) -> list[Hazard]:
        """What in these statements no rollback would undo or no count would see. Runs none of them."""
        with self._in_words(None):
            self._prepare()
            unsafe = self._driver.unsafe_tables(self._connection)
        return hazards_of(statements, self.target.kind, unsafe)

    def describe(self) -> tuple[str, RoleReport]:
        """The server's version, and what the role that we log in with may do."""
        with self._in_words(None):
            self._prepare()
            version = self._driver.server_version(self._connection)
            return version, self._driver.powers(self._connection, self.target)

    def commit(self) -> None:
        """Make what was done so far lasting; a read-only session and a rehearsal roll back."""
        if self.read_only or (self._tally and not self._tally.limit.keep):
            return self.rollback()
        with self._in_words(None):
            if self._in_transaction:
                self._raise_if_stopped()
                self._connection.commit()
        self._in_transaction = False
        return None

    def rollback(self) -> None:
        """Undo what was done since the last commit."""
        self._in_transaction = False
        with self._in_words(None):
            self._connection.rollback()

    def cancel(self) -> None:
        """Stop the statement that runs now, in the database; the session is of no use afterwards. Never raises."""
        self._cancelled.set()
        self._interrupt()
        if not self._done.is_set():
            threading.Thread(target=self._keep_cancelling, name="sql-cancel", daemon=True).start()

    def _keep_cancelling(self) -> None:
        """A statement that was about to start when it was cancelled starts all the same: ask until it ends."""
        for _attempt in range(CANCEL_ATTEMPTS):
            if self._done.wait(AGAIN_SECONDS):
                return
            self._interrupt()
        if not self._done.is_set():
            with contextlib.suppress(Exception):
                self._driver.sever(self._raw)

    def _interrupt(self) -> None:
        if not self._done.is_set():
            with contextlib.suppress(Exception):  # the server may be gone: then there is nothing to cancel
                self._driver.cancel(self._raw, self.target)

    def close(self) -> None:
        """Give the connection back, or close it when it may carry something over."""
        self._done.set()
        with contextlib.suppress(sa_exc.SQLAlchemyError, OSError):
            if self._keeps_state or self._cancelled.is_set() or self._expired.is_set():
                self._connection.invalidate()
        with contextlib.suppress(sa_exc.SQLAlchemyError, OSError):
            self._connection.close()

    def _pool_target(self, target: ConnectionTarget) -> ConnectionTarget:
        """Pooled connections serve both modes; a SQLite file is opened in the mode that is asked for."""
        return target if self._driver.is_pooled else replace(self.target, key=f"{target.key}:{self.read_only}")

    def _controlled(self, sql: str) -> bool:
        """Whether it was COMMIT, ROLLBACK or BEGIN, which the session does itself."""
        match = _CONTROL.match(sql.strip())
        if not match or (match[1].lower() == "start" and not match[3]):
            return False
        verb = match[1].lower()
        if verb in ("commit", "end"):
            if self._tally:
                words = _("COMMIT is not possible where the number of changed rows is limited.")
                raise QueryError.of(Code.LASTING, words)
            self.commit()
        elif verb == "rollback":
            self.rollback()
        return True

    def _prepare(self) -> None:
        self._raise_if_stopped()
        if not self._in_transaction:
            self._driver.begin(self._connection, read_only=self.read_only)
            self._in_transaction = True
            if self._tally:
                self._tally.begin(self._connection)
        self._driver.set_timeout(self._connection, self._remaining())

    def _counted(self, found: ResultSet) -> ResultSet:
        if self._tally is None:
            return found
        try:
            changed = None if found.columns else found.row_count
            return replace(found, affected=self._tally.add(self._connection, changed))
        except QueryError:
            self.rollback()
            raise

    def _read(self, result: CursorResult[Any], max_rows: int, max_bytes: int) -> ResultSet:
        if not result.returns_rows:
            return ResultSet(row_count=result.rowcount if result.rowcount >= 0 else None)
        columns, size = list(result.keys()), 0
        rows: list[list[JSON]] = []
        types = [""] * len(columns)
        for partition in result.partitions(PARTITION):
            self._raise_if_stopped()
            for record in partition:
                types = [known or type_of(value) for known, value in zip(types, record, strict=True)]
                row = [to_json(value) for value in record]
                size += size_of(row)
                if len(rows) >= max_rows or size > max_bytes:
                    self._abandon(result)
                    return ResultSet(columns=columns, rows=rows, row_count=len(rows), truncated=True, types=types)
                rows.append(row)
        return ResultSet(columns=columns, rows=rows, row_count=len(rows), types=types)

    def _abandon(self, result: CursorResult[Any]) -> None:
        with contextlib.suppress(Exception):  # the interrupted statement may report that it was interrupted
            self._driver.stop_reading(self._raw, self.target)
            result.close()

    def _remaining(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)

    def _raise_if_stopped(self) -> None:
        if self._cancelled.is_set():
            raise QueryError.of(Code.CANCELLED, _("The statement was cancelled."))
        if time.monotonic() >= self._deadline:
            self._expired.set()
            raise QueryError.of(Code.TIMEOUT, _timeout_words())

    def _watch(self, timeout: float) -> None:
        """For what the database's own timeout does not cover: fetching, a script that resets it, a silent network."""
        if self._done.wait(timeout + GRACE_SECONDS):
            return
        self._expired.set()
        self._interrupt()
        if not self._done.wait(SEVER_SECONDS):
            with contextlib.suppress(Exception):
                self._driver.sever(self._raw)

    @contextlib.contextmanager
    def _in_words(self, line: int | None) -> Iterator[None]:
        """Any error of the database or its driver becomes a `QueryError`; `line` is where the statement starts."""
        try:
            yield
        except QueryError as error:
            raise QueryError.of(Code(error.code), error.sentence, error.line or line) from error.__cause__
        except Exception as error:
            raise QueryError(self._problem(error, line)) from error

    def _problem(self, error: Exception, line: int | None) -> ConnectionProblem:
        found = self._driver.explain_error(error)
        at = line if found.line is None or line is None else line + found.line - 1
        if self._cancelled.is_set():
            return ConnectionProblem(code=Code.CANCELLED, sentence=_("The statement was cancelled."), line=at)
        if self._expired.is_set() or found.code == Code.TIMEOUT:
            self._expired.set()
            return ConnectionProblem(code=Code.TIMEOUT, sentence=_timeout_words(), line=at)
        return replace(found, line=at)


def _admitted(statement: Statement, kind: str, *, read_only: bool) -> str:
    """The one statement, if it may run here."""
    parts = split(statement.text, kind)
    if len(parts) != 1:
        words = _("Give exactly one statement at a time.")
        raise QueryError.of(Code.SYNTAX, words, statement.line)
    if read_only:
        try:
            check_select(parts[0].text, kind)
        except GuardError as error:
            raise QueryError.of(Code.READ_ONLY, str(error), statement.line) from error
    return parts[0].text


def _timeout_words() -> str:
    return _("The database took longer than allowed, so the statement was stopped.")


def _is_streamable(sql: str, kind: str) -> bool:
    """Whether PostgreSQL can give it through a cursor: a query that changes nothing."""
    words = [token.text.upper() for token in tokens(sql, kind) if token.kind == "word"]
    if not words or words[0] not in ("SELECT", "WITH", "VALUES", "TABLE"):
        return False
    return not {"INSERT", "UPDATE", "DELETE", "MERGE", "INTO"} & set(words)


def _keeps_state(sql: str, kind: str) -> bool:
    """Whether it may leave something in the connection that the next user of the pool would meet."""
    first = next((token.text.upper() for token in tokens(sql, kind) if token.kind == "word"), "")
    return first not in _STATELESS or bool(_KEEPS_STATE.search(sql))
