"""Cron expressions, read once into a rule: 5 fields, 6 (seconds first) or 7 (year last). PURE.

Weekdays: 0 and 7 are Sunday. When day of month and day of week are both restricted, either is enough; when
one of them starts with `*` (or is `?`), both must hold, as in Vixie cron. `L` and `LW` stand for the last day
and the last Monday-to-Friday day of the month, `5L` for the last Friday, `MON#2` for the second Monday.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

MAX_LENGTH = 200
FIRST_YEAR, LAST_YEAR = 1970, 2099
LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class TriggerError(ValueError):
    """A trigger that cannot be; the message is one sentence for the person who typed it.

    `field` is the form field it belongs to: kind, expression or timezone.
    """

    def __init__(self, message: str, *, field: str = "expression") -> None:
        super().__init__(message)
        self.field = field


class Shape(Enum):
    """What a person wrote; describing a term needs it, firing needs only the numbers."""

    ANY = "*"
    VALUE = "5"
    RANGE = "1-5"
    STEP = "*/5"  # also 3/5 and 10-40/5
    LAST = "L"
    LAST_WEEKDAY = "LW"
    NTH = "MON#2"
    LAST_OF = "5L"


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """One of the seven fields and what it allows."""

    name: str
    label: Promise
    low: int
    high: int
    names: tuple[str, ...] = ()  # the first one stands for `low`


SECOND = FieldSpec(name="second", label=gettext_lazy("second"), low=0, high=59)
MINUTE = FieldSpec(name="minute", label=gettext_lazy("minute"), low=0, high=59)
HOUR = FieldSpec(name="hour", label=gettext_lazy("hour"), low=0, high=23)
DAY = FieldSpec(name="day", label=gettext_lazy("day of month"), low=1, high=31)
MONTH = FieldSpec(
    name="month",
    label=gettext_lazy("month"),
    low=1,
    high=12,
    names=("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
WEEKDAY = FieldSpec(
    name="weekday",
    label=gettext_lazy("day of week"),
    low=0,
    high=7,
    names=("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
)
YEAR = FieldSpec(name="year", label=gettext_lazy("year"), low=FIRST_YEAR, high=LAST_YEAR)
SPECS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR)


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One piece of a field. For `NTH` and `LAST_OF` low is the weekday, 0 to 6, and step the n."""

    shape: Shape
    low: int = 0
    high: int = 0
    step: int = 1
    is_star: bool = False

    @property
    def values(self) -> range:
        return range(self.low, self.high + 1, self.step)

    def plain(self) -> str:
        """The term with numbers only."""
        match self.shape:
            case Shape.ANY | Shape.LAST | Shape.LAST_WEEKDAY:
                return str(self.shape.value)
            case Shape.VALUE:
                return str(self.low)
            case Shape.NTH:
                return f"{self.low}#{self.step}"
            case Shape.LAST_OF:
                return f"{self.low}L"
        if self.low == self.high:
            return str(self.low)
        reach = "*" if self.is_star else f"{self.low}-{self.high}"
        return reach if self.shape is Shape.RANGE else f"{reach}/{self.step}"


@dataclass(frozen=True, kw_only=True, eq=False)
class CronRule:
    """A parsed expression. Compared by identity: `parse_cron` gives one object per expression."""

    expression: str
    terms: dict[str, tuple[Term, ...]]  # by field name, as written
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...] | None  # None: every year
    days: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    is_day_and: bool
    is_elapsed: bool  # fires in every elapsed hour, the repeated one included; else by the wall clock, once

    def has_shape(self, spec: FieldSpec, shape: Shape) -> bool:
        return any(term.shape is shape for term in self.terms[spec.name])

    @property
    def plain(self) -> str:
        """Second to weekday in numbers, for an independent cron library: no names, no `?`, no year.

        cronsim follows elapsed time for all rules of six fields; leave the second out of one that is not `is_elapsed`.
        """
        return " ".join(",".join(term.plain() for term in self.terms[spec.name]) for spec in SPECS[:6])


@lru_cache(maxsize=4096)
def parse_cron(expression: str) -> CronRule:
    """Read an expression; raises TriggerError with the field and what it allows."""
    parts = _split(expression)
    terms = {spec.name: _parse_field(spec, part) for spec, part in zip(SPECS, parts, strict=True)}
    day_part, weekday_part = parts[3], parts[5]
    rule = CronRule(
        expression=" ".join(parts),
        terms=terms,
        seconds=_numbers(terms["second"]),
        minutes=_numbers(terms["minute"]),
        hours=_numbers(terms["hour"]),
        months=_numbers(terms["month"]),
        years=None if parts[6] == "*" else _numbers(terms["year"]),
        days=frozenset(_numbers(terms["day"])),
        weekdays=frozenset(number % 7 for number in _numbers(terms["weekday"])),
        is_day_and=day_part[0] == "*" or weekday_part[0] == "*",
        is_elapsed=_is_elapsed(terms),
    )
    _refuse_impossible_day(rule, day_part)
    return rule


def _split(expression: str) -> list[str]:
    """Seven upper-case fields, whatever was left out filled in."""
    if len(expression) > MAX_LENGTH:
        raise TriggerError(
            _("The cron expression is too long: use at most %(count)d characters.") % {"count": MAX_LENGTH}
        )
    parts = expression.upper().split()
    if len(parts) not in (5, 6, 7):
        raise TriggerError(
            _(
                "A cron expression has 5 fields (minute, hour, day of month, month, day of week), "
                "6 with the second first, or 7 with the year last; this one has %(count)d."
            )
            % {"count": len(parts)}
        )
    if len(parts) == 5:
        parts.insert(0, "0")
    if len(parts) == 6:
        parts.append("*")
    return ["*" if part == "?" and spec in (DAY, WEEKDAY) else part for spec, part in zip(SPECS, parts, strict=True)]


def _numbers(terms: Iterable[Term]) -> tuple[int, ...]:
    special = (Shape.LAST, Shape.LAST_WEEKDAY, Shape.NTH, Shape.LAST_OF)
    return tuple(sorted({number for term in terms if term.shape not in special for number in term.values}))


def _is_elapsed(terms: dict[str, tuple[Term, ...]]) -> bool:
    """Hour `*`, `*/n`, or minute steps: such a rule means a rhythm, not a time of day."""
    if any(term.shape in (Shape.ANY, Shape.STEP) for term in terms["minute"]):
        return True
    if len(_numbers(terms["hour"])) == 24:
        return True
    return any(term.shape is Shape.STEP and (term.low, term.high) == (0, 23) for term in terms["hour"])


def _parse_field(spec: FieldSpec, text: str) -> tuple[Term, ...]:
    return tuple(_parse_term(spec, piece) for piece in text.split(","))


_TERM = re.compile(r"(?P<low>\*|[0-9]+|[A-Z]{3})(?:-(?P<high>[0-9]+|[A-Z]{3}))?(?:/(?P<step>[0-9]+))?")
_NTH = re.compile(r"([0-7]|[A-Z]{3})#([1-5])")
_LAST_OF = re.compile(r"([0-7]|[A-Z]{3})L")


def _parse_term(spec: FieldSpec, text: str) -> Term:
    special = _parse_special(spec, text)
    if special is not None:
        return special
    match = _TERM.fullmatch(text)
    if match is None or (match["low"] == "*" and match["high"]):
        raise _not_understood(spec, text)
    step = _parse_step(spec, text, match["step"])
    if match["low"] == "*":
        shape = Shape.STEP if match["step"] else Shape.ANY
        return Term(shape=shape, low=spec.low, high=spec.high, step=step, is_star=True)
    low = _number(spec, match["low"])
    if match["high"]:
        high = _number(spec, match["high"])
        high = 7 if spec is WEEKDAY and high == 0 and low > 0 else high  # MON-SUN
        if high < low:
            raise _backwards(spec, text)
        return Term(shape=Shape.STEP if match["step"] else Shape.RANGE, low=low, high=high, step=step)
    if match["step"]:
        return Term(shape=Shape.STEP, low=low, high=spec.high, step=step)
    return Term(shape=Shape.VALUE, low=low, high=low)


def _parse_special(spec: FieldSpec, text: str) -> Term | None:
    if spec is DAY and text == "L":
        return Term(shape=Shape.LAST)
    if spec is DAY and text == "LW":
        return Term(shape=Shape.LAST_WEEKDAY)
    if spec is not WEEKDAY:
        return None
    if nth := _NTH.fullmatch(text):
        return Term(shape=Shape.NTH, low=_number(spec, nth[1]) % 7, step=int(nth[2]))
    if last := _LAST_OF.fullmatch(text):
        return Term(shape=Shape.LAST_OF, low=_number(spec, last[1]) % 7)
    return None


def _parse_step(spec: FieldSpec, text: str, step: str | None) -> int:
    if step is None:
        return 1
    widest = spec.high - spec.low if spec is YEAR else spec.high
    if not 1 <= int(step) <= widest:
        raise TriggerError(
            _("The step of “%(text)s” in the %(field)s field must be between 1 and %(high)d.")
            % {"text": text, "field": spec.label, "high": widest}
        )
    return int(step)


def _number(spec: FieldSpec, text: str) -> int:
    if text in spec.names:
        return spec.names.index(text) + spec.low
    if not text.isdecimal():
        raise _not_understood(spec, text)
    if not spec.low <= int(text) <= spec.high:
        raise TriggerError(
            _("%(value)s is out of range in the %(field)s field: use %(low)d to %(high)d.")
            % {"value": text, "field": spec.label, "low": spec.low, "high": spec.high}
        )
    return int(text)


def _not_understood(spec: FieldSpec, text: str) -> TriggerError:
    values = {"text": text, "field": spec.label, "low": spec.low, "high": spec.high}
    if spec.names:
        values["names"] = ", ".join(spec.names)
        return TriggerError(
            _(
                "“%(text)s” is not understood in the %(field)s field: use %(low)d to %(high)d or %(names)s, "
                "alone, in lists (1,3), ranges (1-5) or steps (*/2)."
            )
            % values
        )
    return TriggerError(
        _(
            "“%(text)s” is not understood in the %(field)s field: use %(low)d to %(high)d, "
            "alone, in lists (1,3), ranges (1-5) or steps (*/2)."
        )
        % values
    )


def _backwards(spec: FieldSpec, text: str) -> TriggerError:
    return TriggerError(
        _(
            "The range “%(text)s” in the %(field)s field runs backwards: "
            "write the smaller value first, or two ranges with a comma between them."
        )
        % {"text": text, "field": spec.label}
    )


def _refuse_impossible_day(rule: CronRule, day_part: str) -> None:
    """Day 31 in months of 30 days; years are left to the search for a first fire time."""
    if not rule.days or not rule.is_day_and:
        return
    if rule.has_shape(DAY, Shape.LAST) or rule.has_shape(DAY, Shape.LAST_WEEKDAY):
        return
    if min(rule.days) > max(LONGEST_MONTH[month - 1] for month in rule.months):
        raise TriggerError(
            _(
                "Day %(day)s does not exist in the months of the month field: "
                "choose a day that exists, or L for the last day of the month."
            )
            % {"day": day_part}
        )
