"""Durations as people type them: `15m`, `1h30m`, `90s`, `2d`, `1w`."""

import re
from datetime import timedelta

from django.utils.translation import gettext as _

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PATTERN = re.compile("".join(rf"(?:([0-9]{{1,10}})\s*{unit}\s*)?" for unit in _SECONDS), re.IGNORECASE)


class DurationError(ValueError):
    """The text is not a duration; the message is one sentence for the person who typed it."""


def parse_duration(text: str) -> timedelta:
    """Read `1w2d3h4m5s`: whole numbers, each unit at most once, the largest first. `0s` is allowed."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise DurationError(
            _(
                "“%(text)s” is not a duration: write whole numbers with units, the largest unit first, "
                "such as 90s, 15m, 1h30m, 2d or 1w."
            )
            % {"text": text.strip()[:40]}
        )
    seconds = sum(int(count or 0) * size for count, size in zip(match.groups(), _SECONDS.values(), strict=True))
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise DurationError(_("“%(text)s” is too long for a duration.") % {"text": text.strip()[:40]}) from None


def format_duration(duration: timedelta) -> str:
    """Write what `parse_duration` reads; fractions of a second are dropped, whole weeks become `1w`."""
    if duration < timedelta(0):
        return "-" + format_duration(-duration)
    return "".join(f"{count}{unit}" for count, unit in split_duration(duration)) or "0s"


def split_duration(duration: timedelta) -> list[tuple[int, str]]:
    """The counts and units of a duration that is not negative, the largest first: [(1, "h"), (30, "m")]."""
    seconds = int(duration.total_seconds())
    if seconds and seconds % _SECONDS["w"] == 0:
        return [(seconds // _SECONDS["w"], "w")]
    parts = []
    for unit in "dhms":
        count, seconds = divmod(seconds, _SECONDS[unit])
        if count:
            parts.append((count, unit))
    return parts
