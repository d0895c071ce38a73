"""A line of the home page's machinery."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the machinery: how it is, and what to do when it is not well."""

    label: str
    value: str
    tone: str
    icon: str
    advice: str = ""
    share: float | None = None  # a bar, when it is a share of a limit

    @property
    def percent(self) -> int:
        return round(100 * (self.share or 0))

    @property
    def rest(self) -> int:
        return 100 - self.percent
