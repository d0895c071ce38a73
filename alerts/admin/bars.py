"""Days as bars, drawn by the server as SVG: what was bad behind, what would have been sent in front."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

HEIGHT, STEP, GAP, LEAST = 80.0, 12.0, 2.0, 2.0
BAR = '<g><title>{}</title><rect class="p-bar-bad" {}/><rect class="p-bar-sent" {}/></g>'


def days(found: Sequence[tuple[date, int, int]]) -> SafeString:
    """(day, bad results, messages), oldest first. Both have a scale of their own: there are far fewer messages."""
    most_bad = max((bad for _day, bad, _sent in found), default=0)
    most_sent = max((sent for _day, _bad, sent in found), default=0)
    if not found or not (most_bad or most_sent):
        return SafeString("")
    bars = format_html_join(
        "",
        BAR,
        (
            (_words(day, bad, sent), _rect(place, bad, most_bad, 0), _rect(place, sent, most_sent, GAP))
            for place, (day, bad, sent) in enumerate(found)
        ),
    )
    label = _("Bad results and messages of each day")
    return format_html(
        '<figure class="p-bars"><svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
        "<figcaption><span>{}</span>"
        '<span><i class="p-bar-bad"></i>{}</span><span><i class="p-bar-sent"></i>{}</span>'
        "<span>{}</span></figcaption></figure>",
        f"{STEP * len(found):g}", f"{HEIGHT:g}", label, bars,
        _short(found[0][0]),
        _("bad results, at most %(n)d a day") % {"n": most_bad},
        _("messages, at most %(n)d a day") % {"n": most_sent},
        _short(found[-1][0]),
    )  # fmt: skip


def _short(day: date) -> str:
    return day.isoformat()  # as every other date of the portal


def _words(day: date, bad: int, sent: int) -> str:
    words = _("%(day)s: %(bad)d bad results, %(sent)d messages")
    return words % {"day": _short(day), "bad": bad, "sent": sent}


def _rect(place: int, count: int, most: int, inset: float) -> SafeString:
    """Nothing is no bar; the least is still seen."""
    height = max(HEIGHT * count / most, LEAST) if count else 0.0
    x, width = STEP * place + GAP / 2 + inset, STEP - GAP - 2 * inset
    values = (("x", f"{x:g}"), ("y", f"{HEIGHT - height:.1f}"), ("width", f"{width:g}"), ("height", f"{height:.1f}"))
    return format_html_join(" ", '{}="{}"', values)
