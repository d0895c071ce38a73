"""When an alert fires, recovers, repeats and keeps quiet. PURE."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from alerts.params import NotNegative, Params, Positive
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Duration, Shown

SHORTEST_REPEAT = timedelta(minutes=1)
FEWEST_CHANGES = 3


class Policy(Params):
    """How the fold weighs what checks find. A recovery condition is judged before, into `Verdict.BETWEEN`."""

    needed_count: Annotated[
        int,
        Shown(
            label=gettext_lazy("Bad results needed"),
            help=gettext_lazy("It fires when so many of the last results are bad."),
        ),
    ] = Field(default=1, ge=1, le=100)
    window_count: Annotated[
        int, Shown(label=gettext_lazy("Out of the last"), help=gettext_lazy("Results that are looked at."))
    ] = Field(default=1, ge=1, le=100)
    hold_for: Annotated[
        Duration,
        NotNegative,
        Shown(label=gettext_lazy("For at least"), help=gettext_lazy("How long that must last before it fires.")),
    ] = timedelta(0)
    good_count: Annotated[
        int,
        Shown(label=gettext_lazy("Good results to recover"), help=gettext_lazy("So many in a row.")),
    ] = Field(default=1, ge=1, le=100)
    repeat_every: Annotated[
        Duration | None,
        Shown(label=gettext_lazy("Remind every"), help=gettext_lazy("Empty: it is told once.")),
    ] = None
    stale_after: Annotated[
        Annotated[Duration, Positive] | None,
        Shown(
            label=gettext_lazy("A result is due within"),
            help=gettext_lazy("Without one the alert is stale. The schedule's own next time goes before this."),
        ),
    ] = None
    flap_changes: Annotated[
        int,
        Shown(
            label=gettext_lazy("Flapping from"),
            help=gettext_lazy(
                "So many changes within the period are told once, then nothing until it is calm. 0: off."
            ),
        ),
    ] = Field(default=6, ge=0, le=100)
    flap_period: Annotated[Duration, Positive, Shown(label=gettext_lazy("Flapping period"))] = timedelta(hours=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Policy:
        if self.needed_count > self.window_count:
            words = _("It can't be more than the %(count)d results that are looked at.")
            raise refused("needed_count", words % {"count": self.window_count})
        if self.repeat_every is not None and self.repeat_every < SHORTEST_REPEAT:
            raise refused("repeat_every", _("Remind at most once a minute."))
        if 0 < self.flap_changes < FEWEST_CHANGES:
            raise refused("flap_changes", _("Fewer than 3 changes are no flapping: write 3 or more, or 0 for off."))
        return self
