"""What people fill in of alerts, as pydantic models that `portal.lib.paramforms` shows. PURE."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from alerts.cells import number
from jobs.scheduling.zones import zone_names


class Params(BaseModel):
    """Base of all of them. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False, frozen=True)


def _as_text(value: Any) -> Any:
    """What YAML reads as a number, a date or yes/no is text here, as it was typed in the form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime | date) else value


def _is_number(value: str) -> str:
    if number(value) is None:
        raise ValueError(_("This must be a number."))
    return value.strip()


def is_zone(value: str) -> str:
    """The name; ValueError with a sentence when there is no such time zone."""
    if value not in zone_names():
        raise ValueError(_("There is no time zone “%(name)s”: write one such as Asia/Shanghai.") % {"name": value[:60]})
    return value


def _is_positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError(_("This must be longer than nothing."))
    return value


def _is_not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError(_("This must not be negative."))
    return value


LooseText = Annotated[str, BeforeValidator(_as_text)]
NumberText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_number)]  # exact: no float comes between
ZoneName = Annotated[str, AfterValidator(is_zone)]
Positive = AfterValidator(_is_positive)
NotNegative = AfterValidator(_is_not_negative)


def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
