"""One measured value beside its baseline and its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`ratio` is value / baseline_value. `target` is of the ratio when `of` is "ratio", else of the value.

    `better` says which side of the target is good. Without a target there is no verdict.
    """

    name: str
    value: float
    unit: str
    baseline: str = ""
    baseline_value: float = 0.0
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"
    of: Literal["value", "ratio"] = "value"

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline_value if self.baseline_value else None

    @property
    def verdict(self) -> str:
        """ "reached", "missed", or nothing to judge by."""
        judged = self.ratio if self.of == "ratio" else self.value
        if self.target is None or judged is None:
            return ""
        good = judged >= self.target if self.better == "higher" else judged <= self.target
        return "reached" if good else "missed"

    def line(self) -> dict[str, Any]:
        """The JSON line."""
        return {
            "figure": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "baseline": self.baseline,
            "baseline_value": round(self.baseline_value, 3),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "target": None
            if self.target is None
            else f"{self.of} {'≥' if self.better == 'higher' else '≤'} {self.target:g}",
            "verdict": self.verdict,
        }
