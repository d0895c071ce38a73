"""One number of a column: its sum, minimum, maximum or average, exactly; NULLs are left out, as SQL does. PURE."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from django.utils.translation import gettext_lazy as _

from alerts.cells import number, shown
from alerts.conditions.base import CONDITIONS, Condition, Judgement, Observation, filled_column, truncated
from alerts.conditions.operators import Order, bad_if, is_met
from alerts.conditions.values import ColumnName
from alerts.params import NumberText, Params
from alerts.wording import say
from portal.lib.paramtypes import Shown

FUNCTION_NAMES = {"sum": _("Sum"), "min": _("Minimum"), "max": _("Maximum"), "average": _("Average")}


class ColumnAggregateParams(Params):
    column: ColumnName
    function: Annotated[Literal["sum", "min", "max", "average"], Shown(label=_("Function"), choices=FUNCTION_NAMES)] = (
        "sum"
    )
    operator: Order
    threshold: Annotated[NumberText, Shown(label=_("Value"))]


@CONDITIONS.register
class ColumnAggregate(Condition):
    kind = "column_aggregate"
    label = _("Sum, minimum, maximum or average of a column")
    Params = ColumnAggregateParams

    def look(self, params: ColumnAggregateParams, observation: Observation) -> Judgement:
        value = aggregate(observation, params.column, params.function)
        sentence = say(
            "column_aggregate.is",
            function=say(f"function.{params.function}"),
            column=params.column,
            value=shown(value),
            operator=params.operator,
            threshold=params.threshold,
        )
        met = is_met(value, params.operator, number(params.threshold))
        measure = f"{params.function}:{params.column}"
        return Judgement(verdict=bad_if(met), sentence=sentence, number=value, measure=measure)


def aggregate(observation: Observation, name: str, function: str) -> Fraction:
    """The number; UndecidedError for a column without one, or of which rows are missing."""
    column = filled_column(observation, name)
    values = [value for value in column.numbers() if value is not None]
    if observation.is_truncated:
        raise truncated(observation)
    if function in ("min", "max"):
        return min(values) if function == "min" else max(values)
    total = sum(values, Fraction(0))
    return total if function == "sum" else total / len(values)
