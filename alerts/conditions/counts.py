"""Conditions on how many rows came back. PURE.

Of a truncated result one thing is known: there was at least one row more than was kept.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from alerts.conditions.base import CONDITIONS, Condition, Judgement, Observation, truncated
from alerts.conditions.operators import Order, bad_if, is_met
from alerts.params import Params
from alerts.wording import say
from portal.lib.paramtypes import Shown


class RowCountParams(Params):
    operator: Order
    threshold: Annotated[int, Shown(label=_("Rows"))] = Field(ge=0)


class NoParams(Params):
    """Nothing to say."""


@CONDITIONS.register
class RowCount(Condition):
    kind = "row_count"
    label = _("Number of rows")
    Params = RowCountParams

    def look(self, params: RowCountParams, observation: Observation) -> Judgement:
        count = observation.row_count
        if observation.is_truncated:
            met = _known_of_more(count, params.operator, params.threshold)
            if met is None:
                raise truncated(observation)
        else:
            met = is_met(count, params.operator, params.threshold)
        key = "row_count.more" if observation.is_truncated else "row_count.is"
        sentence = say(key, count=count, operator=params.operator, threshold=params.threshold)
        return Judgement(verdict=bad_if(met), sentence=sentence, number=Fraction(count), measure="row_count")


def _known_of_more(count: int, sign: str, threshold: int) -> bool | None:
    """Whether every number above `count` meets the condition; None when some do and some don't."""
    if threshold > count + 1 or (threshold == count + 1 and sign in ("=", "≠", "≤", ">")):
        return None
    return sign in ("≠", ">", "≥")


@CONDITIONS.register
class Empty(Condition):
    kind = "empty"
    label = _("Empty result")
    Params = NoParams

    def look(self, params: NoParams, observation: Observation) -> Judgement:
        return _emptiness(observation, is_bad_when_empty=True)


@CONDITIONS.register
class NotEmpty(Condition):
    kind = "not_empty"
    label = _("Result that is not empty")
    Params = NoParams

    def look(self, params: NoParams, observation: Observation) -> Judgement:
        return _emptiness(observation, is_bad_when_empty=False)


def _emptiness(observation: Observation, *, is_bad_when_empty: bool) -> Judgement:
    count = observation.row_count
    is_empty = count == 0 and not observation.is_truncated
    if is_empty:
        sentence = say("empty.yes")
    else:
        sentence = say("empty.no_more" if observation.is_truncated else "empty.no", count=count)
    verdict = bad_if(is_empty == is_bad_when_empty)
    return Judgement(verdict=verdict, sentence=sentence, number=Fraction(count), measure="row_count")
