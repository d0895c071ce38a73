"""How well a channel works, in a word and a colour."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from alerts import look
from alerts.models import Channel
from alerts.transports import TRANSPORTS
from alerts.wording import render
from jobs import look as times


def kind_label(channel: Channel) -> Any:
    return TRANSPORTS.get(channel.kind).label if channel.kind in TRANSPORTS.kinds() else channel.kind


def kind_icon(channel: Channel) -> str:
    return TRANSPORTS.get(channel.kind).icon if channel.kind in TRANSPORTS.kinds() else "help"


def health(channel: Channel) -> SafeString:
    """Off, failing, never proven, or works."""
    if not channel.is_active:
        return look.badge("plain", "pause_circle", _("Off"))
    if channel.kind not in TRANSPORTS.kinds():
        return look.badge("bad", "extension_off", _("Unknown kind"))
    if channel.failing_since is not None:
        return look.badge("bad", "error", _("Fails"), title=problem(channel))
    if channel.proven_at is None:
        return look.badge("warn", "help", _("Never proven"))
    return look.badge("good", "check_circle", _("Works"))


def problem(channel: Channel) -> str:
    """The last failure in a sentence; empty when there is none."""
    return render(channel.problem.get("sentence")) if channel.problem else ""


def proven(channel: Channel) -> SafeString | str:
    if channel.proven_at is None:
        return _("never")
    return times.when(channel.proven_at)


def failing(channel: Channel) -> SafeString | str:
    """Since when, and why."""
    since: datetime | None = channel.failing_since
    if since is None:
        return "–"
    return format_html(
        '<span class="p-cell"><span>{}</span><small class="p-break">{}</small></span>',
        times.when(since),
        problem(channel)[:200],
    )
