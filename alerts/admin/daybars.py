"""Stacked bars per day as SVG, drawn by the server: no script is needed, and it prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from alerts.queries.days import Day

HEIGHT, STEP, GAP = 100.0, 10.0, 2.0


@dataclass(frozen=True, kw_only=True)
class Series:
    """`tone` is a colour of portal.css."""

    label: str | Promise
    tone: str
    counts: Sequence[int]

    @property
    def total(self) -> int:
        return sum(self.counts)


def bars(days: Sequence[Day], series: Sequence[Series], label: str) -> SafeString:
    """One bar a day, the series on top of each other; each day says its numbers when it is pointed at."""
    totals = [sum(one.counts[number] for one in series) for number in range(len(days))]
    most = max(totals, default=0)
    shown = format_html_join("", DAY, (_day(number, day, series, most) for number, day in enumerate(days)))
    words = ", ".join(f"{one.label} {one.total}" for one in series)
    ends = (days[0].date.isoformat(), days[-1].date.isoformat()) if days else ("", "")
    return format_html(
        '<figure class="p-daybars"><svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}: {}">'
        '{}</svg><figcaption><span>{}</span><span class="p-num">{}</span><span>{}</span></figcaption></figure>',
        f"{STEP * max(len(days), 1):g}", f"{HEIGHT:g}", label, words, shown, ends[0],
        _("at most %(n)d a day") % {"n": most}, ends[1],
    )  # fmt: skip


DAY = "<g><title>{}</title>{}</g>"
BAR = '<rect class="p-day-fill--{}" x="{}" y="{}" width="{}" height="{}" />'


def _day(number: int, day: Day, series: Sequence[Series], most: int) -> tuple[str, SafeString]:
    words = ", ".join(f"{one.label} {one.counts[number]}" for one in series)
    parts, top = [("none", f"{STEP * number:g}", "0", f"{STEP:g}", f"{HEIGHT:g}")], HEIGHT
    for one in series:
        high = HEIGHT * one.counts[number] / most if most else 0
        top -= high
        parts.append((one.tone, f"{STEP * number + GAP / 2:g}", f"{top:.2f}", f"{STEP - GAP:g}", f"{high:.2f}"))
    return f"{day.date.isoformat()}: {words}", format_html_join("", BAR, parts)
