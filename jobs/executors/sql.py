"""SQL jobs: a script of one or more statements on a datasource, in one transaction."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from pydantic import Field, field_validator, model_validator

from datasources.problems import Code
from datasources.query import QueryError, ResultSet, Session, Statement, open_session, split
from datasources.sqltext import clean_sql
from jobs.executors.base import BUSINESS, KINDS, TECHNICAL, Context, Executor, ExecutorError, Outcome, Params
from jobs.executors.blast import BlastGuard
from jobs.reasons import Reason, quote, say
from jobs.states import ReasonCode
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Shown

RESULT_BYTES = 1024 * 1024
LOGGED_ROWS = 20
LOGGED_CELL = 60
_OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")


class SqlParams(Params):
    """A SQL script and where it runs."""

    datasource: Annotated[
        str,
        Shown(label=gettext_lazy("Datasource"), help=gettext_lazy("You need the right to use it."), is_datasource=True),
    ] = Field(min_length=1, max_length=50)
    sql: Annotated[
        str,
        Shown(
            label=gettext_lazy("SQL"),
            help=gettext_lazy(
                "Several statements end in “;” and run in one transaction. :name takes a run parameter's value."
            ),
            editor="sql",
            upload=".sql",
        ),
    ] = ""
    script: Annotated[
        str,
        Shown(
            label=gettext_lazy("Or a script of the library"),
            help=gettext_lazy("Then leave the SQL empty. What the script takes as parameters, a run takes too."),
            is_sql_script=True,
        ),
    ] = Field(default="", max_length=50, pattern=r"^[-a-zA-Z0-9_]*$")
    version: Annotated[
        int | None,
        Shown(
            label=gettext_lazy("Version of the script"),
            help=gettext_lazy("Empty: always the latest. A run keeps the version it was created with."),
        ),
    ] = Field(default=None, ge=1, le=2**31 - 1)
    max_rows: Annotated[
        int,
        Shown(label=gettext_lazy("Rows to keep"), help=gettext_lazy("Of the last statement that returns rows.")),
    ] = Field(default=1000, ge=1, le=100_000)
    max_affected_rows: Annotated[
        int | None,
        Shown(
            label=gettext_lazy("Changed rows at most"),
            help=gettext_lazy("More is undone until a second person approves it. Never above the datasource's own."),
        ),
    ] = Field(default=None, ge=0, le=2**31 - 1)
    dry_run: Annotated[
        bool,
        Shown(
            label=gettext_lazy("Rehearse only"),
            help=gettext_lazy("Runs everything, says how many rows each statement changes, and undoes it all."),
        ),
    ] = False
    on_rows: Annotated[
        Literal["none", "business_failure"],
        Shown(
            label=gettext_lazy("When rows come back"),
            help=gettext_lazy("For checks that look for what should not be there."),
            choices={
                "none": gettext_lazy("Keep them"),
                "business_failure": gettext_lazy("Keep them, and report a business failure"),
            },
        ),
    ] = "none"

    @field_validator("sql")
    @classmethod
    def _sql_is_usable(cls, value: str) -> str:
        return clean_sql(value) if value.strip() else ""

    @model_validator(mode="after")
    def _sql_or_script(self) -> SqlParams:
        """Both only in a revision, which holds the text of the version that it is pinned to."""
        if not self.sql and not self.script:
            words = _("The SQL is empty: write at least one statement, or choose a script of the library.")
            raise refused("sql", words)
        if self.version is not None and not self.script:
            raise refused("version", _("A version is of a script: choose the script, or leave the version out."))
        return self


@KINDS.register
class SqlExecutor(Executor):
    kind = "sql"
    label = gettext_lazy("SQL script")
    icon = "database"
    Params = SqlParams

    def run(self, context: Context) -> Outcome:
        params: SqlParams = context.params
        target = context.datasource(params.datasource)
        timeout = None if context.deadline is None else max(context.deadline - time.monotonic(), 0.1)
        guard = BlastGuard.of(context, target)
        affected: int | None = 0
        try:
            statements = split(params.sql, target.kind)
            with open_session(target, timeout=timeout, read_only=target.is_read_only, limit=guard.limit) as session:
                context.on_cancel(session.cancel)
                try:
                    guard.look(session, statements)
                    found = _run_all(session, statements, context)
                finally:
                    affected = session.affected
        except QueryError as error:
            return _failed(guard.asked(error, affected))
        return _judged(params, found, len(statements), affected if guard.limit else None)


def _run_all(session: Session, statements: list[Statement], context: Context) -> ResultSet | None:
    """Each statement, told in the log; the last result that has columns."""
    if not statements:
        raise ExecutorError(say(ReasonCode.BAD_DEFINITION, "bad_definition.no_statement"))
    kept = None
    most = min(context.params.max_rows, settings.PORTAL_SQL_MAX_ROWS)
    for number, statement in enumerate(statements, start=1):
        place = _("Statement %(number)d of %(count)d, line %(line)d") % {
            "number": number,
            "count": len(statements),
            "line": statement.line,
        }
        context.log(f"{place}: {_first_line(statement.text)}\n", "system")
        result = session.execute(statement, dict(context.run_params), max_rows=most, max_bytes=RESULT_BYTES)
        context.log(f"{_told(result)} · {result.elapsed * 1000:.0f} ms\n", "system")
        if result.affected is not None and (result.columns or result.affected != result.row_count):
            words = ngettext(
                "%(count)d row in all was changed.", "%(count)d rows in all were changed.", result.affected
            )
            context.log(f"{words % {'count': result.affected}}\n", "system")
        if result.columns:
            kept = result
            context.log(_table(result))
    if context.params.dry_run:
        context.log(_("This was a rehearsal: all of it is undone.") + "\n", "system")
    return kept


def _first_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:99]}…"


def _told(result: ResultSet) -> str:
    count = result.row_count
    if result.columns and result.truncated:
        return _("More than %(count)d rows came back; the rest was left out.") % {"count": count or 0}
    if result.columns:
        return ngettext("%(count)d row came back.", "%(count)d rows came back.", count or 0) % {"count": count or 0}
    if count is None:
        return _("Done.")
    return ngettext("%(count)d row was changed.", "%(count)d rows were changed.", count) % {"count": count}


def _table(result: ResultSet) -> str:
    """The first rows as people read them in a log; all kept rows are in the run's result."""
    shown = [result.columns, *result.rows[:LOGGED_ROWS]]
    cells = [["NULL" if cell is None else str(cell).replace("\n", " ")[:LOGGED_CELL] for cell in row] for row in shown]
    widths = [max(len(row[place]) for row in cells) for place in range(len(result.columns))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    if len(result.rows) > LOGGED_ROWS:
        lines.append("…")
    return "\n".join(lines) + "\n"


def _judged(params: SqlParams, found: ResultSet | None, count: int, affected: int | None) -> Outcome:
    rows = found.rows if found else []
    outputs = _outputs(found)
    if affected is not None:
        outputs = {**outputs, "affected_rows": str(affected)}
    outcome: dict[str, Any] = {"outputs": outputs, "result": _kept(found, count)}
    if rows and params.on_rows == "business_failure":
        why = say(ReasonCode.BUSINESS, "business.rows_came_back", count=len(rows))
        return Outcome.because(why, exit_code=BUSINESS, **outcome)
    return Outcome(**outcome)


def _outputs(found: ResultSet | None) -> Mapping[str, str]:
    """The number of rows; of a single row also its values, by column."""
    if found is None:
        return {}
    outputs = {"row_count": str(found.row_count or 0)}
    if len(found.rows) == 1:
        pairs = zip(found.columns, found.rows[0], strict=True)
        outputs |= {n: str(v)[:1000] for n, v in pairs if v is not None and _OUTPUT_NAME.fullmatch(n)}
    return outputs


def _kept(found: ResultSet | None, count: int) -> Mapping[str, Any]:
    if found is None:
        return {"statement_count": count}
    return {
        "statement_count": count,
        "columns": found.columns,
        "rows": found.rows,
        "row_count": found.row_count,
        "truncated": found.truncated,
    }


_CODES = {
    Code.DRIVER: ReasonCode.MISSING_DRIVER,
    Code.DEFINITION: ReasonCode.BAD_DEFINITION,
    Code.FOLDER: ReasonCode.BAD_DEFINITION,
    Code.LEDGER: ReasonCode.BAD_DEFINITION,
}


def _failed(error: QueryError) -> Outcome:
    """engine.md: constraint, syntax, permission are the script's own fault (1); the rest may pass (2)."""
    if error.code == Code.CANCELLED:
        return Outcome.because(_why(ReasonCode.NONE, error), exit_code=None, end="cancelled")
    if error.code == Code.TIMEOUT:
        return Outcome.because(_why(ReasonCode.TIMEOUT, error), exit_code=None, end="timeout")
    if error.category == "business":
        return Outcome.because(_why(ReasonCode.BUSINESS, error), exit_code=BUSINESS)
    code = _CODES.get(Code(error.code), ReasonCode.CONNECTION)
    return Outcome.because(_why(code, error), exit_code=TECHNICAL)


def _why(code: ReasonCode, error: QueryError) -> Reason:
    if error.line:
        return say(code, "any.at_line", line=error.line, cause=error.sentence)
    return quote(code, error.sentence)
