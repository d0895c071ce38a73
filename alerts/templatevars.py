"""The variables of templates and their filters: one table for documents, forms and validation. PURE."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from alerts.cells import JSON, cell_text
from portal.lib.durations import format_duration

MOST_ROWS = 50
MOST_COLUMNS = 20
WIDEST_CELL = 40
MOST_DIGITS = 400
SHORT_SECONDS = 10
LONGEST_VALUE = 256 * 1024
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
_TIME_FORMAT = re.compile(r"(%[YmdHMSjyBbAaIpZz%]|[^%])*")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a result, as evidence. `count` is how many there are, when these are not all."""

    columns: Sequence[str]
    rows: Sequence[Sequence[JSON]]
    count: int | None = None


Plain = str | Promise | int | float | Decimal | bool | datetime | timedelta | Table | None


@dataclass(frozen=True, kw_only=True)
class Variable:
    """`sample` is what a preview without a real run shows."""

    name: str
    about: str | Promise
    sample: Plain


def _table(*variables: tuple[str, str | Promise, Plain]) -> dict[str, Variable]:
    return {name: Variable(name=name, about=about, sample=sample) for name, about, sample in variables}


_SAMPLE_ROWS = Table(columns=("id", "due"), rows=((1, "2026-01-02"), (2, None)), count=42)

VARIABLES: dict[str, Variable] = _table(
    ("task_id", _("The job's short name"), "daily-revenue"),
    ("task_name", _("The job's name"), "Daily revenue"),
    ("execution_id", _("The run's number"), 4711),
    ("execution_status", _("How the run ended"), "Technical failure"),
    ("execution_start_time", _("When the run started"), datetime.fromisoformat("2026-01-31T09:00:00+00:00")),
    ("execution_end_time", _("When the run ended"), datetime.fromisoformat("2026-01-31T09:02:05+00:00")),
    ("execution_duration", _("How long the run took"), timedelta(minutes=2, seconds=5)),
    ("execution_exit_code", _("The exit code"), 2),
    ("execution_attempt", _("Which attempt it was"), 3),
    ("execution_reason", _("Why it ended so, in a sentence"), "The server refused the connection."),
    ("execution_log_tail", _("The last lines of the log; write |lines:20 for fewer"), "line 1\nline 2\nline 3"),
    ("execution_url", _("The run's page"), "https://portal.example.com/admin/jobs/run/4711/change/"),
    ("scheduled_time", _("When the run was due"), datetime.fromisoformat("2026-01-31T09:00:00+00:00")),
    ("threshold_count", _("How many times in a row"), 3),
    ("rule_name", _("The alert's name"), "Unpaid orders"),
    ("rule_url", _("The alert's page"), "https://portal.example.com/admin/alerts/alertrule/7/change/"),
    ("trigger", _("What this message is about"), "Alert fires"),
    ("state", _("The alert's state"), "Firing"),
    ("severity", _("How urgent it is"), "Critical"),
    ("value", _("The value that was found"), 42),
    ("sentence", _("What was found, in a sentence"), "42 rows came back (> 0 is bad)."),
    ("since", _("Since when it is so"), datetime.fromisoformat("2026-01-31T09:00:00+00:00")),
    ("evidence", _("The rows that show it; write |rows:5 for fewer"), _SAMPLE_ROWS),
    ("new_rows", _("How many rows are new"), 2),
    ("resolved_rows", _("How many rows are gone"), 1),
    ("incident_id", _("The incident's number"), 12),
    ("incident_title", _("The incident's title"), "Unpaid orders"),
    ("incident_url", _("The incident's page"), "https://portal.example.com/admin/alerts/incident/12/change/"),
    ("ack_url", _("A link that acknowledges the incident"), "https://portal.example.com/alerts/acknowledge/…/"),
    ("owner", _("Who takes care of the incident"), "Li Wei"),
    ("time", _("When it happened"), datetime.fromisoformat("2026-01-31T09:02:05+00:00")),
    ("tenant", _("The tenant's name"), "Demo"),
    ("labels", _("The labels, such as team=payments"), "team=payments, urgent"),
    ("portal_url", _("The portal's address"), "https://portal.example.com/"),
)  # fmt: skip


# --- values as text


def shown(value: Plain) -> str:
    """A value without a filter."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return f"{seconds:.1f}s" if 0 < seconds < SHORT_SECONDS else format_duration(value)
    if isinstance(value, Table):
        return table_text(value)
    return _number_text(value) if isinstance(value, int | float) else str(value)


def moment_text(value: datetime) -> str:
    """With its distance from UTC: who reads it may be in another zone."""
    offset = value.strftime("%z")  # +0800
    if not offset:
        return value.strftime(TIME_FORMAT)
    return f"{value.strftime(TIME_FORMAT)} UTC{f'{offset[:3]}:{offset[3:5]}' if offset.strip('+-0') else ''}"


def _number_text(value: float) -> str:
    if isinstance(value, bool):
        return _now("yes") if value else _now("no")
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value) if value.bit_length() <= MOST_DIGITS * 4 else "…"


def table_text(table: Table) -> str:
    """Rows under their columns, in letters of one width."""
    columns, rows = [cell_text(name) for name in table.columns[:MOST_COLUMNS]], shown_rows(table)
    if not columns:
        return ""
    widths = [min(WIDEST_CELL, max(map(_width, cells))) for cells in zip(columns, *rows, strict=False)]
    lines = [_line(columns, widths), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths) for row in rows]
    left = left_out(table)
    return "\n".join([*lines, *([left] if left else [])])


def shown_rows(table: Table) -> list[list[str]]:
    """The cells that are shown, as text."""
    wide = len(table.columns[:MOST_COLUMNS])
    rows = [[cell_text(cell) if cell is not None else "NULL" for cell in row[:wide]] for row in table.rows[:MOST_ROWS]]
    return [row + [""] * (wide - len(row)) for row in rows]


def left_out(table: Table) -> str:
    """How many rows are not shown, in words; empty when all are."""
    count = max(len(table.rows), table.count or 0) - min(len(table.rows), MOST_ROWS)
    return _now("… and %(count)d more") % {"count": count} if count > 0 else ""


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    filled = [cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=False)]
    return "  ".join(filled).rstrip()


def _width(text: str) -> int:
    """Chinese letters take two places."""
    return sum(2 if "\u1100" <= letter <= "\uffdc" and not "\u2010" <= letter <= "\u2e7f" else 1 for letter in text)


# --- filters


@dataclass(frozen=True, kw_only=True)
class Filter:
    """`argument` is "number", "text" or "" (none); `is_needed`: it must be given."""

    name: str
    about: str | Promise
    argument: str
    apply: Callable[[Any, Any], Plain]
    is_needed: bool = True


def _as_text(value: Plain) -> str:
    return value if isinstance(value, str) else shown(value)


def _end(value: Plain) -> str:
    """Changing the case of a huge log takes many times its memory: only its end is looked at."""
    return _as_text(value)[-LONGEST_VALUE:]


def _lines(value: Plain, count: int) -> Plain:
    if isinstance(value, Table):
        return value
    text = _as_text(value).rstrip("\n")
    return "\n".join(text.rsplit("\n", count)[-count:]) if count else ""


def _first(value: Plain, count: int) -> Plain:
    if isinstance(value, Table):
        return value
    return "\n".join(_as_text(value).split("\n", count)[:count])


def _rows(value: Plain, count: int) -> Plain:
    if not isinstance(value, Table):
        return value
    whole = max(len(value.rows), value.count or 0)
    return Table(columns=value.columns, rows=value.rows[:count], count=whole)


def _cut(value: Plain, count: int) -> Plain:
    text = _as_text(value)
    return text if len(text) <= count else f"{text[: max(0, count - 1)]}…"


def _date(value: Plain, form: str) -> Plain:
    return value.strftime(form) if isinstance(value, datetime) else value


def _round(value: Plain, digits: int) -> Plain:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    try:
        if isinstance(value, Decimal) and abs(value.adjusted()) > MOST_DIGITS:
            return value  # 1E+999999 would be a million letters
        return f"{value:.{min(digits, 20)}f}"
    except (ArithmeticError, ValueError):
        return value


def _default(value: Plain, text: str) -> Plain:
    return text if value is None or value == "" else value


def _label(value: Plain, text: str) -> Plain:
    inside = _as_text(value)
    return f"{text}{inside}" if inside.strip() else ""


FILTERS: dict[str, Filter] = {
    one.name: one
    for one in (
        Filter(name="lines", about=_("The last lines"), argument="number", apply=_lines),
        Filter(name="first_lines", about=_("The first lines"), argument="number", apply=_first),
        Filter(name="rows", about=_("The first rows of a table"), argument="number", apply=_rows),
        Filter(name="cut", about=_("At most so many characters"), argument="number", apply=_cut),
        Filter(name="round", about=_("So many digits after the point"), argument="number", apply=_round),
        Filter(name="date", about=_("A time as in “%Y-%m-%d %H:%M”"), argument="text", apply=_date),
        Filter(name="default", about=_("This text instead of nothing"), argument="text", apply=_default),
        Filter(name="label", about=_("This text before the value, if there is one"), argument="text", apply=_label),
        Filter(name="upper", about=_("In capitals"), argument="", apply=lambda v, _n: _end(v).upper()),
        Filter(name="lower", about=_("In small letters"), argument="", apply=lambda v, _n: _end(v).lower()),
        Filter(name="trim", about=_("Without blanks around it"), argument="", apply=lambda v, _n: _as_text(v).strip()),
    )
}


def argument_problem(name: str, argument: int | str | None) -> str:
    """Why a filter can't have this argument, or an empty string."""
    wanted = FILTERS[name].argument
    arguments = {"filter": name}
    if not wanted and argument is not None:
        return _now("The filter “%(filter)s” takes nothing after it: write |%(filter)s.") % arguments
    if wanted == "number" and not (isinstance(argument, int) and 0 <= argument <= 100_000):
        return _now("The filter “%(filter)s” needs a number: write |%(filter)s:20.") % arguments
    if wanted == "text" and not isinstance(argument, str):
        return _now('The filter “%(filter)s” needs a text in quotes: write |%(filter)s:"…".') % arguments
    if name == "date" and not (isinstance(argument, str) and _TIME_FORMAT.fullmatch(argument)):
        return _now("“%(format)s” is no format of a time: write one such as %%Y-%%m-%%d %%H:%%M.") % {
            "format": str(argument)[:60]
        }
    return ""
