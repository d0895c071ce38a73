"""Is this success like the ones before it? A learned baseline, and what was agreed on. PURE.

Learned is the median of the last successes and the spread around it (the median absolute deviation), on a scale of
ratios: half as long is as strange as twice as long. A figure is suspicious when it is low, and far out, and rare:
jobs with two ways to be normal (weekdays and weekends) have both in their history. Where the history does not
spread at all, a tenth more or less is still normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log
from statistics import median

from alerts.wording import Sentence, say

LEARNED_FROM = 15  # successes before anything is called unusual
LAST = 50  # successes that are looked at
FAR = 6.0  # spreads from the median
LEAST_SPREAD = 0.15  # of logarithms: with FAR it takes less than two fifths of the usual
NORMAL = 1.4826  # the MAD of a normal distribution times this is its standard deviation
RARE = 0.05  # the share of the history that may have been like it
SAME = 1.5  # a figure up to so many times as large counts as like it
SHORT = 0.5  # seconds: starting up varies by as much


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A successful run in figures; None where it has none."""

    seconds: float | None = None
    row_count: int | None = None
    output_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What was agreed on, whatever is usual."""

    least_rows: int | None = None
    least_seconds: float | None = None
    needs_output: bool = False


@dataclass(frozen=True, kw_only=True)
class Usual:
    """One figure over the history. `low` and `high` hold eight of ten."""

    values: tuple[float, ...]
    offset: float  # what is added before the logarithm: differences of that size mean nothing

    @property
    def low(self) -> float:
        return self._at(0.1)

    @property
    def high(self) -> float:
        return self._at(0.9)

    @property
    def _logs(self) -> list[float]:
        return [log(value + self.offset) for value in self.values]

    def distance(self, value: float) -> float:
        """How many spreads below the median; negative above it."""
        logs = self._logs
        middle = median(logs)
        spread = max(NORMAL * median(abs(one - middle) for one in logs), LEAST_SPREAD)
        return (middle - log(value + self.offset)) / spread

    def is_far_below(self, value: float) -> bool:
        if len(self.values) < LEARNED_FROM or self.distance(value) <= FAR:
            return False
        alike = sum(one + self.offset <= (value + self.offset) * SAME for one in self.values)
        return alike <= RARE * len(self.values)

    def is_far_above(self, value: float) -> bool:
        if len(self.values) < LEARNED_FROM or -self.distance(value) <= FAR:
            return False
        alike = sum((one + self.offset) * SAME >= value + self.offset for one in self.values)
        return alike <= RARE * len(self.values)

    def _at(self, share: float) -> float:
        ordered = sorted(self.values)
        return ordered[round(share * (len(ordered) - 1))]


_OFFSETS = {"seconds": SHORT, "row_count": 1.0, "output_bytes": 1.0}


def learn(history: Sequence[Figures]) -> dict[str, Usual]:
    """What is usual, from successes, the newest last. A few odd ones among them do not move a median."""
    found = {}
    for name, offset in _OFFSETS.items():
        values = [value for one in history[-LAST:] if (value := getattr(one, name)) is not None and value >= 0]
        if values:
            found[name] = Usual(values=tuple(float(value) for value in values), offset=offset)
    return found


def suspicion(history: Sequence[Figures], now: Figures, contract: Contract | None = None) -> Sentence | None:
    """Why this success is suspicious, in one sentence; None when it is not. What was agreed on comes first."""
    broken = _breach(contract, now) if contract else None
    if broken:
        return broken
    usual = learn(history)
    odd = [name for name, one in usual.items() if _is_low(one, getattr(now, name))]
    if not odd:
        return None
    # Time and rows belong together in people's minds; the size of the output is named only when it is odd itself.
    named = [name for name in usual if name in odd or (name != "output_bytes" and getattr(now, name) is not None)]
    before = _listed([_range(name, usual[name].low, usual[name].high) for name in named])
    after = _listed([_range(name, getattr(now, name), getattr(now, name)) for name in named])
    return say("baseline.suspicious", usual=before, now=after)


def is_too_long(history: Sequence[Figures], seconds: float) -> bool:
    """Whether it has run unusually long already."""
    usual = learn(history).get("seconds")
    return usual is not None and usual.is_far_above(seconds)


def _is_low(usual: Usual, value: float | None) -> bool:
    return value is not None and value >= 0 and usual.is_far_below(value)


def _breach(contract: Contract, now: Figures) -> Sentence | None:
    least, rows = contract.least_rows, now.row_count
    if least is not None and rows is None:
        return say("contract.no_row_count", least=least)
    if least is not None and rows is not None and rows < least:
        return say("contract.rows", least=least, count=rows)
    least_seconds, seconds = contract.least_seconds, now.seconds
    if least_seconds is not None and seconds is not None and seconds < least_seconds:
        return say("contract.seconds", least=f"{least_seconds:g}", seconds=_short_seconds(seconds))
    return say("contract.output") if contract.needs_output and not now.output_bytes else None


def _listed(parts: list[Sentence]) -> Sentence:
    first, *rest = parts
    return say("baseline.and", first=first, rest=_listed(rest)) if rest else first


def _range(name: str, low: float, high: float) -> Sentence:
    if name == "seconds":
        key, ends = "baseline.seconds", (_short_seconds(low), _short_seconds(high))
    else:
        key = "baseline.rows" if name == "row_count" else "baseline.bytes"
        ends = (short_count(low), short_count(high))
    if ends[0] == ends[1]:
        return say(key, low=ends[0], count=ceil(low))
    return say(f"{key}_range", low=ends[0], high=ends[1])


def _short_seconds(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 or seconds == floor(seconds) else f"{seconds:.1f}"


def short_count(count: float) -> str:
    """980, 12 k, 3.4 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            shown = count / size
            return f"{shown:.0f} {unit}" if shown >= 10 else f"{shown:.1f} {unit}".replace(".0 ", " ")
    return f"{count:.0f}"
