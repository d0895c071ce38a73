"""How statuses, times and amounts look. Colour is never the only sign: each status has a shape."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from jobs import reasons
from jobs.executors import KINDS
from jobs.queries.activity import IDLE, JobActivity, RunMark
from jobs.states import AttemptStatus, RunStatus


@dataclass(frozen=True, kw_only=True)
class Look:
    """`tone` is a colour of portal.css, `icon` a Material Symbols name, `mark` the shape in a strip."""

    label: str | Promise
    tone: str
    icon: str
    mark: str = "low"


LOOKS: dict[str, Look] = {
    IDLE: Look(label=gettext_lazy("Idle"), tone="plain", icon="bedtime"),
    RunStatus.QUEUED: Look(label=RunStatus.QUEUED.label, tone="info", icon="hourglass_top", mark="dot"),
    RunStatus.RUNNING: Look(label=RunStatus.RUNNING.label, tone="live", icon="progress_activity", mark="dot"),
    RunStatus.SUCCEEDED: Look(label=RunStatus.SUCCEEDED.label, tone="good", icon="check_circle", mark="full"),
    RunStatus.BUSINESS_FAILURE: Look(label=RunStatus.BUSINESS_FAILURE.label, tone="warn", icon="rule", mark="notch"),
    RunStatus.TECHNICAL_FAILURE: Look(label=RunStatus.TECHNICAL_FAILURE.label, tone="bad", icon="cancel", mark="cross"),
    RunStatus.TIMED_OUT: Look(label=RunStatus.TIMED_OUT.label, tone="bad", icon="timer_off", mark="cross"),
    RunStatus.CANCELLED: Look(label=RunStatus.CANCELLED.label, tone="plain", icon="block"),
    RunStatus.LOST: Look(label=RunStatus.LOST.label, tone="bad", icon="link_off", mark="cross"),
    RunStatus.SKIPPED: Look(label=RunStatus.SKIPPED.label, tone="plain", icon="skip_next"),
    RunStatus.MISSED: Look(label=RunStatus.MISSED.label, tone="warn", icon="event_busy"),
    AttemptStatus.RELEASED: Look(label=AttemptStatus.RELEASED.label, tone="plain", icon="undo"),
}
UNKNOWN = Look(label="?", tone="plain", icon="help")


def look_of(status: str) -> Look:
    return LOOKS.get(status, UNKNOWN)


def badge(status: str, *, note: str = "", title: str = "") -> SafeString:
    """A status as a coloured pill with an icon and its word; a running one spins."""
    look = look_of(status)
    spin = " p-spin" if status == RunStatus.RUNNING else ""
    return format_html(
        '<span class="p-badge p-badge--{}" data-status="{}" title="{}">'
        '<span class="material-symbols-outlined{}" aria-hidden="true">{}</span><span>{}{}</span></span>',
        look.tone,
        status,
        title,
        spin,
        look.icon,
        look.label,
        f" {note}" if note else "",
    )


@lru_cache(maxsize=64)
def zone_named(name: str) -> tzinfo:
    """The zone of that name; the page's own zone when the name is empty or unknown."""
    try:
        return ZoneInfo(name) if name else timezone.get_default_timezone()
    except (LookupError, ValueError, OSError):
        return timezone.get_default_timezone()


def zone_label(zone: tzinfo) -> str:
    return getattr(zone, "key", "") or str(zone)


def absolute(at: datetime, zone_name: str = "") -> str:
    """2026-11-21 09:00:00 Asia/Shanghai: unambiguous in every language."""
    zone = zone_named(zone_name)
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone_label(zone)}"


def when(at: datetime | None, zone_name: str = "") -> SafeString | str:
    """The exact time in the given zone; refresh.js shows it relative and keeps the exact one as the tooltip."""
    if at is None:
        return "–"
    exact = absolute(at, zone_name)
    return format_html(
        '<time datetime="{}" title="{}" class="p-nowrap" data-relative>{}</time>',
        at.astimezone(UTC).isoformat(),
        exact,
        exact,
    )


def clock_time(at: datetime, zone_name: str = "") -> str:
    """11-21 09:00 Asia/Shanghai: where space is short."""
    zone = zone_named(zone_name)
    return f"{at.astimezone(zone):%m-%d %H:%M} {zone_label(zone)}"


def kind_label(kind: str) -> str:
    return str(KINDS.get(kind).label) if kind in KINDS.kinds() else kind


def kind_icon(kind: str) -> str:
    return KINDS.get(kind).icon if kind in KINDS.kinds() else "help"


def running_for(since: datetime) -> SafeString:
    """How long something has been running; refresh.js lets it grow."""
    return format_html(
        '<span class="p-num" data-running-since="{}">{}</span>',
        since.astimezone(UTC).isoformat(),
        seconds_text(timezone.now() - since),
    )


def seconds_text(value: timedelta | float | None) -> str:
    """A duration people read: 340 ms, 12.4 s, 3 min 20 s, 2 h 05 min, 3 d 4 h."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return _("%(n)d ms") % {"n": round(max(seconds, 0) * 1000)}
    if seconds < 60:
        return _("%(n).1f s") % {"n": seconds}
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return _("%(m)d min %(s)d s") % {"m": minutes, "s": rest}
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("%(h)d h %(m)d min") % {"h": hours, "m": minutes}
    return _("%(d)d d %(h)d h") % {"d": hours // 24, "h": hours % 24}


def bytes_text(value: int | None) -> str:
    return "–" if value is None else filesizeformat(value)


def percent(rate: float | None) -> str:
    """Whole percents, but never 100 % when one run failed."""
    if rate is None:
        return "–"
    shown = int(rate * 100) if rate < 1 else 100
    return f"{shown} %"


def strip(activity: JobActivity, url: str) -> SafeString:
    """The latest results, oldest left. `url` is the run page's address with 0 for the run's id."""
    if not activity.marks:
        return format_html('<span class="p-quiet">{}</span>', _("No runs yet"))
    marks = format_html_join("", MARK, (_mark_values(mark, url) for mark in activity.marks))
    return format_html('<span class="p-strip" role="group" aria-label="{}">{}</span>', strip_text(activity), marks)


MARK = (
    '<a class="p-mark p-mark--{} p-tone--{}" href="{}" title="{}" aria-label="{}" data-status="{}" tabindex="-1"></a>'
)


def _mark_values(mark: RunMark, url: str) -> tuple[str, ...]:
    look, text = look_of(mark.status), mark_text(mark)
    return look.mark, look.tone, url.replace("/0/", f"/{mark.pk}/"), text, text, mark.status


def mark_text(mark: RunMark) -> str:
    """One run in a tooltip: "#12 Succeeded · 2026-11-21 09:00:00 Asia/Shanghai · 1.2 s"."""
    parts = [f"#{mark.pk} {look_of(mark.status).label}", absolute(mark.at)]
    if mark.duration is not None:
        parts.append(seconds_text(mark.duration))
    if mark.reason:
        parts.append(reasons.of(mark)[:120])
    return " · ".join(parts)


def strip_text(activity: JobActivity) -> str:
    """The strip in words, for who can't see it."""
    counts: dict[str, int] = {}
    for mark in activity.marks:
        counts[mark.status] = counts.get(mark.status, 0) + 1
    head = ngettext("The last run", "The last %(n)d runs", len(activity.marks)) % {"n": len(activity.marks)}
    return head + ": " + ", ".join(f"{look_of(status).label} {number}" for status, number in counts.items())


def rate_title(activity: JobActivity) -> str:
    rate, executed = activity.success_rate, activity.executed_count
    if rate is None:
        return _("None of the latest runs was executed.")
    return ngettext(
        "Of the last executed run %(percent)s succeeded.",
        "Of the last %(n)d executed runs %(percent)s succeeded.",
        executed,
    ) % {"n": executed, "percent": percent(rate)}
