"""The condition on a result that changes, or that should and does not. The order of rows makes no difference. PURE."""

from __future__ import annotations

from typing import Annotated, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from alerts.cells import digest
from alerts.conditions.base import CONDITIONS, Condition, Judgement, Observation, column_of, truncated
from alerts.conditions.operators import bad_if
from alerts.params import Params
from alerts.signals import Verdict
from alerts.wording import say
from portal.lib.paramtypes import Shown


class ChangedParams(Params):
    column: Annotated[str, Shown(label=_("Column"), help=_("Empty: the whole result."))] = Field(
        default="", max_length=200
    )
    bad_when: Annotated[
        Literal["changed", "same"],
        Shown(
            label=_("Is bad when"),
            choices={"changed": _("It is not what it was last time"), "same": _("It is still what it was last time")},
        ),
    ] = "changed"


@CONDITIONS.register
class Changed(Condition):
    """The first result is good: it is what the next one is compared with."""

    kind = "changed"
    label = _("Changed since last time")
    Params = ChangedParams

    def look(self, params: ChangedParams, observation: Observation) -> Judgement:
        cells = column_of(observation, params.column).cells if params.column else list(observation.rows)
        if observation.is_truncated:
            raise truncated(observation)
        measure = f"column:{params.column}" if params.column else "result"
        seen = digest(cells if params.column else [list(observation.columns or ()), *cells])
        last = observation.last
        if last is None or last.measure != measure:
            return Judgement(verdict=Verdict.GOOD, sentence=say("changed.first"), measure=measure, digest=seen)
        has_changed = last.digest != seen
        key = _key(has_changed, bool(params.column))
        sentence = say(key, column=params.column, last_at=last.at)
        is_bad = has_changed == (params.bad_when == "changed")
        return Judgement(verdict=bad_if(is_bad), sentence=sentence, measure=measure, digest=seen)


def _key(has_changed: bool, is_column: bool) -> str:
    if is_column:
        return "changed.column" if has_changed else "changed.same_column"
    return "changed.yes" if has_changed else "changed.no"
