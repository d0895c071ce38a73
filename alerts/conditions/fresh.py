"""The condition on the age of the newest time in a column. PURE."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Annotated

from django.utils.translation import gettext_lazy as _

from alerts.cells import cell_text, moment
from alerts.conditions.base import (
    CONDITIONS,
    Condition,
    Judgement,
    Observation,
    UndecidedError,
    filled_column,
    truncated,
)
from alerts.conditions.operators import bad_if
from alerts.conditions.values import ColumnName
from alerts.params import Params, Positive, ZoneName, zone
from alerts.signals import Verdict
from alerts.wording import say
from portal.lib.paramtypes import Duration, Shown

FUTURE_SLACK = timedelta(minutes=10)  # clocks differ; a wrong time zone is off by more
INTERVALS = 2  # without a limit, so many intervals between checks are fine


class FreshnessParams(Params):
    column: ColumnName
    limit: Annotated[
        Annotated[Duration, Positive] | None,
        Shown(label=_("At most this old"), help=_("Empty: twice the time between two checks.")),
    ] = None
    timezone: Annotated[ZoneName, Shown(label=_("Time zone"), help=_("Of dates and times that name none."))] = "UTC"


@CONDITIONS.register
class Freshness(Condition):
    """A time that is still to come is not fresh but wrong: a wrong zone would hide every standstill."""

    kind = "freshness"
    label = _("Age of the newest time")
    Params = FreshnessParams

    def look(self, params: FreshnessParams, observation: Observation) -> Judgement:
        limit = params.limit or (observation.expected_interval or timedelta(0)) * INTERVALS
        if not limit:
            raise UndecidedError(Verdict.BROKEN, "freshness.no_limit")
        newest = _newest(params, observation)
        age = observation.at - newest
        if age < -FUTURE_SLACK:
            raise UndecidedError(Verdict.BROKEN, "freshness.future", column=params.column, newest_at=newest)
        if age > limit and observation.is_truncated:
            raise truncated(observation)  # a newer one may be among the rows that were left out
        age = max(age, timedelta(0))
        sentence = say("freshness.age", column=params.column, newest_at=newest, age_seconds=age, limit_seconds=limit)
        seconds = Fraction(age // timedelta(milliseconds=1), 1000)
        return Judgement(verdict=bad_if(age > limit), sentence=sentence, number=seconds, measure=f"age:{params.column}")


def _newest(params: FreshnessParams, observation: Observation) -> datetime:
    column, where = filled_column(observation, params.column), zone(params.timezone)
    found = []
    for row, cell in enumerate(column.cells, start=1):
        at = moment(cell, where)
        if at is None and cell is not None:
            raise UndecidedError(Verdict.BROKEN, "any.not_a_time", column=column.name, cell=cell_text(cell), row=row)
        if at is not None:
            found.append(at)
    if not found:  # all NULL, and more rows than were kept
        raise truncated(observation)
    return max(found)
