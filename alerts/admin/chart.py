"""A small chart of values over time as SVG, drawn by the server: no script is needed, and it prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from alerts import look
from alerts.states import AlertState
from jobs import look as times

WIDTH, HEIGHT, EDGE = 640.0, 120.0, 8.0


@dataclass(frozen=True, kw_only=True)
class Point:
    at: datetime
    value: float | None
    state: str


def trend(points: Sequence[Point]) -> SafeString:
    """Oldest first. A check without a value is a mark on the ground line; empty when fewer than two have one."""
    known = [point.value for point in points if point.value is not None]
    if len(known) < 2:
        return SafeString("")
    low, high = min(known), max(known)
    places = [(_x(number, len(points)), _y(point.value, low, high), point) for number, point in enumerate(points)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, point in places if point.value is not None)
    dots = format_html_join("", DOT, (_dot(x, y, point) for x, y, point in places))
    words = _("%(count)d checks, from %(low)s to %(high)s") % {
        "count": len(points),
        "low": f"{low:g}",
        "high": f"{high:g}",
    }
    return format_html(
        '<figure class="p-trend"><svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline points="{}" /></svg>'
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" class="p-trend-dots" aria-hidden="true">{}</svg>'
        '<figcaption><span class="p-num">{}</span><span class="p-num">{}</span></figcaption></figure>',
        f"{WIDTH:g}", f"{HEIGHT:g}", words, line, f"{WIDTH:g}", f"{HEIGHT:g}", dots, f"{high:g}", f"{low:g}",
    )  # fmt: skip


DOT = '<g class="p-trend-{}"><title>{}</title><line x1="{}" y1="{}" x2="{}" y2="{}" /></g>'


def _dot(x: float, y: float, point: Point) -> tuple[str, ...]:
    """A point of zero length with round ends stays round however the picture is stretched."""
    state = AlertState(point.state) if point.state in AlertState.values else AlertState.OK
    value = f"{point.value:g}" if point.value is not None else "–"
    title = f"{times.absolute(point.at)}: {value} · {state.label}"
    place = f"{x:.1f}", f"{y:.1f}"
    return (look.STATES[state][0], title, *place, *place)


def _x(number: int, count: int) -> float:
    return EDGE + (WIDTH - 2 * EDGE) * number / max(count - 1, 1)


def _y(value: float | None, low: float, high: float) -> float:
    if value is None:
        return HEIGHT - 1
    share = (value - low) / (high - low) if high > low else 0.5
    return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share
