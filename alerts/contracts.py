"""What may be agreed on with a job, as people fill it in: `alerts.baseline.Contract` with its labels. PURE."""

from __future__ import annotations

from typing import Annotated

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from alerts.baseline import Contract
from alerts.params import Params
from portal.lib.paramtypes import Shown


class ContractParams(Params):
    """Without any of them a suspicious success is found by what is usual."""

    least_rows: Annotated[
        int | None, Shown(label=_("Rows, at least"), help=_("Empty: what is usual for the job is learned."))
    ] = Field(default=None, ge=0, le=2**53)
    least_seconds: Annotated[float | None, Shown(label=_("Seconds it takes, at least"))] = Field(
        default=None, ge=0, le=30 * 86_400
    )
    needs_output: Annotated[bool, Shown(label=_("It must write something"))] = False

    @property
    def contract(self) -> Contract:
        return Contract(least_rows=self.least_rows, least_seconds=self.least_seconds, needs_output=self.needs_output)
