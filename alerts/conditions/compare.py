"""The condition on a number against what it was: last time, at this hour yesterday, or a week ago. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Annotated, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from alerts.cells import number, shown
from alerts.conditions.aggregates import FUNCTION_NAMES, aggregate
from alerts.conditions.base import (
    CONDITIONS,
    Condition,
    Judgement,
    Observation,
    Summary,
    UndecidedError,
    filled_column,
    truncated,
)
from alerts.conditions.operators import bad_if
from alerts.params import NumberText, Params
from alerts.signals import Verdict
from alerts.wording import say
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Shown

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
SLACK = timedelta(minutes=30)  # "the same hour" is half an hour either way …


class ComparedParams(Params):
    measure: Annotated[
        Literal["row_count", "first", "sum", "min", "max", "average"],
        Shown(
            label=gettext_lazy("Number"),
            choices={
                "row_count": gettext_lazy("Number of rows"),
                "first": gettext_lazy("Value in the first row"),
                **FUNCTION_NAMES,
            },
        ),
    ] = "row_count"
    column: Annotated[str, Shown(label=gettext_lazy("Column"), help=gettext_lazy("Not for the number of rows."))] = (
        Field(default="", max_length=200)
    )
    against: Annotated[
        Literal["last", "yesterday", "last_week"],
        Shown(
            label=gettext_lazy("Against"),
            choices={
                "last": gettext_lazy("The last check"),
                "yesterday": gettext_lazy("The same hour yesterday"),
                "last_week": gettext_lazy("The same hour a week ago"),
            },
        ),
    ] = "yesterday"
    direction: Annotated[
        Literal["either", "rise", "fall"],
        Shown(
            label=gettext_lazy("Is bad when it"),
            choices={
                "either": gettext_lazy("changes"),
                "rise": gettext_lazy("rises"),
                "fall": gettext_lazy("falls"),
            },
        ),
    ] = "either"
    limit: Annotated[NumberText, Shown(label=gettext_lazy("By more than"))]
    unit: Annotated[
        Literal["absolute", "percent"],
        Shown(
            label=gettext_lazy("Unit"),
            choices={"absolute": gettext_lazy("As a number"), "percent": gettext_lazy("Percent")},
        ),
    ] = "percent"

    @model_validator(mode="after")
    def _fits_together(self) -> ComparedParams:
        if self.measure != "row_count" and not self.column:
            raise refused("column", _("Name the column that holds the number."))
        if self.measure == "row_count" and self.column:
            raise refused("column", _("The number of rows has no column: leave it empty, or choose another number."))
        if (number(self.limit) or 0) <= 0:
            raise refused("limit", _("Write a number above 0."))
        return self


@CONDITIONS.register
class Compared(Condition):
    kind = "compared"
    label = gettext_lazy("Compared with earlier")
    Params = ComparedParams

    def look(self, params: ComparedParams, observation: Observation) -> Judgement:
        new = _measured(params, observation)
        measure = f"{params.measure}:{params.column}"
        earlier: Summary | None = getattr(observation, params.against)
        if earlier is None or earlier.number is None or earlier.measure != measure:
            # The number is kept all the same: it is what a later check is compared with.
            sentence = say("compared.no_earlier", when=say(f"compared.{params.against}"))
            return Judgement(verdict=Verdict.NO_DATA, sentence=sentence, number=new, measure=measure)
        old, limit = earlier.number, number(params.limit) or Fraction(0)
        change = _change(params, old, new)
        facts = {"old_at": earlier.at, "new": shown(new)}
        if change is None:
            met = params.direction == "either" or (params.direction == "rise") == (new > 0)
            sentence = say("compared.from_zero", **facts)
        else:
            met = _is_beyond(params.direction, change, limit)
            key = "compared.by_percent" if params.unit == "percent" else "compared.by"
            sentence = say(key, old=shown(old), change=shown(change), **facts)
        return Judgement(verdict=bad_if(met), sentence=sentence, number=new, measure=measure)


def _measured(params: ComparedParams, observation: Observation) -> Fraction:
    if params.measure == "row_count":
        if observation.is_truncated:
            raise truncated(observation)
        return Fraction(observation.row_count)
    if params.measure != "first":
        return aggregate(observation, params.column, params.measure)
    column = filled_column(observation, params.column)
    value = column.number_in(0)
    if value is None:
        raise UndecidedError(Verdict.NO_DATA, "any.one_null", column=column.name, row=1)
    return value


def _change(params: ComparedParams, old: Fraction, new: Fraction) -> Fraction | None:
    """By how much it has changed; None when it was 0 and percent are asked for."""
    if params.unit == "absolute":
        return new - old
    if old == 0:
        return Fraction(0) if new == 0 else None
    return (new - old) / abs(old) * 100


def _is_beyond(direction: str, change: Fraction, limit: Fraction) -> bool:
    if direction == "rise":
        return change > limit
    return -change > limit if direction == "fall" else abs(change) > limit


def earlier(
    summaries: Iterable[Summary], at: datetime, ago: timedelta, interval: timedelta | None = None
) -> Summary | None:
    """The summary nearest to `ago` before `at`, at most half an hour off, or half the interval between checks."""
    wanted, slack = at - ago, max(SLACK, interval / 2 if interval else SLACK)
    near = [one for one in summaries if abs(one.at - wanted) <= slack and one.at < at]
    return min(near, key=lambda one: abs(one.at - wanted), default=None)
