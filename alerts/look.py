"""How states look. Colour is never the only sign: each has an icon and a word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from alerts.states import AlertState

STATES = {
    AlertState.OK: ("good", "check_circle"),
    AlertState.PENDING: ("info", "hourglass_top"),
    AlertState.FIRING: ("bad", "notifications_active"),
    AlertState.ERROR: ("bad", "error"),
    AlertState.STALE: ("warn", "timer_off"),
    AlertState.NO_DATA: ("warn", "unknown_document"),
}
# The worst first: what fires comes before what is not known.
WORST = (
    AlertState.FIRING,
    AlertState.ERROR,
    AlertState.STALE,
    AlertState.NO_DATA,
    AlertState.PENDING,
    AlertState.OK,
)


def badge(tone: str, icon: str, words: Any, *, title: Any = "") -> SafeString:
    """A pill with an icon and its word."""
    return format_html(
        '<span class="p-badge p-badge--{}" title="{}"><span class="material-symbols-outlined" aria-hidden="true">{}'
        "</span><span>{}</span></span>",
        tone,
        title,
        icon,
        words,
    )


def state_badge(state: str, *, title: Any = "") -> SafeString:
    """Of an alert's state; "" for one that was never looked at."""
    if state not in AlertState.values:
        return badge("plain", "help", _("Not checked yet"), title=title)
    found = AlertState(state)
    return badge(*STATES[found], found.label, title=title)


def worst(states: Iterable[str]) -> str:
    """The worst of them; "" when there are none."""
    found = set(states)
    return next((state.value for state in WORST if state in found), "")
