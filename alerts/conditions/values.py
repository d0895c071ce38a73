"""The condition on the values of a column, row by row. PURE.

NULL is neither equal to anything nor different from it. Where the other rows decide (one bad row is enough for
"any"), it does not matter; where they don't, there is no data, unless NULLs are to be ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from alerts.cells import canonical, cell_text, moment, number
from alerts.conditions.base import (
    CONDITIONS,
    Column,
    Condition,
    Judgement,
    Observation,
    UndecidedError,
    filled_column,
    truncated,
)
from alerts.conditions.operators import Comparison, bad_if, is_met
from alerts.params import LooseText, Params, ZoneName, zone
from alerts.signals import Verdict
from alerts.wording import say
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Shown

ColumnName = Annotated[str, Shown(label=gettext_lazy("Column")), Field(min_length=1, max_length=200)]


class ColumnValueParams(Params):
    column: ColumnName
    quantifier: Annotated[
        Literal["any", "all", "first", "last"],
        Shown(
            label=gettext_lazy("Rows"),
            choices={
                "any": gettext_lazy("Any row"),
                "all": gettext_lazy("All rows"),
                "first": gettext_lazy("The first row"),
                "last": gettext_lazy("The last row"),
            },
        ),
    ] = "any"
    operator: Comparison
    threshold: Annotated[LooseText, Shown(label=gettext_lazy("Value"))] = Field(max_length=400)
    compare_as: Annotated[
        Literal["number", "text", "date"],
        Shown(
            label=gettext_lazy("Compare as"),
            choices={
                "number": gettext_lazy("Number"),
                "text": gettext_lazy("Text"),
                "date": gettext_lazy("Date or time"),
            },
        ),
    ] = "number"
    timezone: Annotated[
        ZoneName,
        Shown(label=gettext_lazy("Time zone"), help=gettext_lazy("Of dates and times that name none.")),
    ] = "UTC"
    nulls: Annotated[
        Literal["no_data", "ignore"],
        Shown(
            label=gettext_lazy("NULL"),
            choices={
                "no_data": gettext_lazy("Counts as no data"),
                "ignore": gettext_lazy("Is ignored"),
            },
        ),
    ] = "no_data"

    @model_validator(mode="after")
    def _fits_together(self) -> ColumnValueParams:
        if self.operator == "contains" and self.compare_as != "text":
            raise refused("operator", _("“contains” looks into text: compare as text, or choose another operator."))
        if self.compare_as == "text" and self.operator not in ("=", "≠", "contains"):
            raise refused("operator", _("Text has no larger and smaller: choose =, ≠ or contains, or another type."))
        if self.operator == "contains" and not self.threshold:
            raise refused("threshold", _("This must not be empty."))
        if self.compare_as == "number" and number(self.threshold) is None:
            raise refused("threshold", _("This must be a number."))
        if self.compare_as == "date" and self.limit is None:
            raise refused("threshold", _("This must be a date or a time, such as 2026-01-31 or 2026-01-31 09:00."))
        return self

    @property
    def limit(self) -> Any:
        """The threshold as what it is compared with."""
        if self.compare_as == "number":
            return number(self.threshold)
        return moment(self.threshold, zone(self.timezone)) if self.compare_as == "date" else self.threshold


@CONDITIONS.register
class ColumnValue(Condition):
    kind = "column_value"
    label = gettext_lazy("Value of a column")
    Params = ColumnValueParams

    def look(self, params: ColumnValueParams, observation: Observation) -> Judgement:
        column = filled_column(observation, params.column)
        look = {"any": _any, "all": _all, "first": _first, "last": _last}[params.quantifier]
        return look(params, observation, column)


Row = tuple[int, bool]


def _any(params: ColumnValueParams, observation: Observation, column: Column) -> Judgement:
    tested, null_count = _tested(params, column)
    met = next((row for row, is_so in tested if is_so), None)
    if met is not None:
        return _of_row(params, column, met, is_bad=True)
    _refuse_unknown(params, observation, column, null_count)
    return _of_all(params, column, tested, "column_value.not_met", is_bad=False)


def _all(params: ColumnValueParams, observation: Observation, column: Column) -> Judgement:
    tested, null_count = _tested(params, column)
    unmet = next((row for row, is_so in tested if not is_so), None)
    if unmet is not None:
        return _of_row(params, column, unmet, is_bad=False)
    _refuse_unknown(params, observation, column, null_count)
    return _of_all(params, column, tested, "column_value.all_met", is_bad=True)


def _first(params: ColumnValueParams, observation: Observation, column: Column) -> Judgement:
    return _one(params, column, 0)


def _last(params: ColumnValueParams, observation: Observation, column: Column) -> Judgement:
    if observation.is_truncated:
        raise truncated(observation)
    return _one(params, column, len(column.cells) - 1)


def _one(params: ColumnValueParams, column: Column, row: int) -> Judgement:
    is_so = _test(params)(column, row)
    if is_so is None:
        raise UndecidedError(Verdict.NO_DATA, "any.one_null", column=column.name, row=row + 1)
    return _of_row(params, column, row, is_bad=is_so)


def _tested(params: ColumnValueParams, column: Column) -> tuple[list[Row], int]:
    """Each row that is not NULL with whether it meets the condition; and how many are NULL."""
    test = _test(params)
    answers = [(row, test(column, row)) for row in range(len(column.cells))]
    known = [(row, is_so) for row, is_so in answers if is_so is not None]
    return known, len(answers) - len(known)


def _test(params: ColumnValueParams) -> Callable[[Column, int], bool | None]:
    limit, read = params.limit, _READERS[params.compare_as]

    def test(column: Column, row: int) -> bool | None:
        value = read(params, column, row)
        return None if value is None else is_met(value, params.operator, limit)

    return test


def _number(params: ColumnValueParams, column: Column, row: int) -> Any:
    return column.number_in(row)


def _text(params: ColumnValueParams, column: Column, row: int) -> Any:
    cell = column.cells[row]
    return cell if cell is None or isinstance(cell, str) else canonical(cell)


def _date(params: ColumnValueParams, column: Column, row: int) -> Any:
    cell = column.cells[row]
    found = moment(cell, zone(params.timezone))
    if found is None and cell is not None:
        raise UndecidedError(Verdict.BROKEN, "any.not_a_time", column=column.name, cell=cell_text(cell), row=row + 1)
    return found


_READERS = {"number": _number, "text": _text, "date": _date}


def _refuse_unknown(params: ColumnValueParams, observation: Observation, column: Column, null_count: int) -> None:
    """No row has decided it: are there rows that could have?"""
    if observation.is_truncated:
        raise truncated(observation)
    if null_count and params.nulls == "no_data":
        raise UndecidedError(Verdict.NO_DATA, "any.some_null", column=column.name, count=null_count)


def _of_row(params: ColumnValueParams, column: Column, row: int, *, is_bad: bool) -> Judgement:
    key = "column_value.met" if is_bad else "column_value.one_not_met"
    cell = cell_text(column.cells[row])
    place = {"column": column.name, "cell": cell, "row": row + 1}
    sentence = say(key, **place, operator=params.operator, threshold=params.threshold)
    return Judgement(
        verdict=bad_if(is_bad), sentence=sentence, number=_chart(params, column, row), measure=_measure(params)
    )


def _of_all(params: ColumnValueParams, column: Column, tested: list[Row], key: str, *, is_bad: bool) -> Judgement:
    sentence = say(key, column=column.name, operator=params.operator, threshold=params.threshold, count=len(tested))
    value = _chart(params, column, tested[0][0]) if tested else None
    return Judgement(verdict=bad_if(is_bad), sentence=sentence, number=value, measure=_measure(params))


def _chart(params: ColumnValueParams, column: Column, row: int) -> Fraction | None:
    return column.number_in(row) if params.compare_as == "number" else None


def _measure(params: ColumnValueParams) -> str:
    return f"{params.quantifier}:{params.column}"
