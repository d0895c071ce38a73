"""Comparisons as people choose them. PURE."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import BeforeValidator

from alerts.signals import Verdict
from portal.lib.paramtypes import Shown

_TYPED = {"==": "=", "!=": "≠", "<>": "≠", "<=": "≤", ">=": "≥"}
_CHOICES = {
    "=": _("= equal to"),
    "≠": _("≠ not equal to"),
    "<": _("< less than"),
    "≤": _("≤ at most"),
    ">": _("> more than"),
    "≥": _("≥ at least"),
    "contains": _("contains"),
}


def _typed(value: Any) -> Any:
    """What keyboards have, and definition files write."""
    return _TYPED.get(value.strip(), value.strip()) if isinstance(value, str) else value


Order = Annotated[
    Literal["=", "≠", "<", "≤", ">", "≥"],
    BeforeValidator(_typed),
    Shown(label=_("Is bad when"), choices=_CHOICES),
]
Comparison = Annotated[
    Literal["=", "≠", "<", "≤", ">", "≥", "contains"],
    BeforeValidator(_typed),
    Shown(label=_("Is bad when"), choices=_CHOICES),
]

_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "≠": operator.ne,
    "<": operator.lt,
    "≤": operator.le,
    ">": operator.gt,
    "≥": operator.ge,
    "contains": operator.contains,
}


def is_met(left: Any, sign: str, right: Any) -> bool:
    """Whether "left sign right" is so; both are of one type."""
    return bool(_TESTS[sign](left, right))


def bad_if(met: bool) -> Verdict:
    return Verdict.BAD if met else Verdict.GOOD
