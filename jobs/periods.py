"""Periods as people choose them: by name, or from one moment to another. PURE."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

from django.utils.translation import gettext as _

LONGEST_PERIOD = timedelta(days=31)
PRESETS = ("today", "yesterday", "day", "week")
DAY = timedelta(days=1)


class PeriodError(ValueError):
    """The text is no moment, or the period can't be; the message says what to write."""


def preset(name: str, now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """[since, until) of a named period; the last 24 hours for an unknown name."""
    local = now.astimezone(zone)
    midnight = _midnight(local.date(), zone)
    if name == "today":
        return midnight, _midnight(local.date() + DAY, zone)
    if name == "yesterday":
        return _midnight(local.date() - DAY, zone), midnight
    return now - (7 * DAY if name == "week" else DAY), now + timedelta(microseconds=1)


def read_moment(text: str, zone: tzinfo, *, is_end: bool = False) -> datetime:
    """2026-11-21, 2026-11-21 09:30, or with an offset. A day alone is its beginning; as an end, the whole day."""
    text = text.strip()
    try:
        if len(text) == len("2026-11-21"):
            day = date.fromisoformat(text)
            return _midnight(day + DAY if is_end else day, zone)
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        words = _("“%(text)s” is not a date or a moment: write 2026-11-21 or 2026-11-21 09:30.")
        raise PeriodError(words % {"text": text[:40]}) from None


def check_period(since: datetime, until: datetime, *, longest: timedelta = LONGEST_PERIOD) -> None:
    """PeriodError when the period is empty or longer than may be listed."""
    if since >= until:
        raise PeriodError(_("The period is empty: its end must come after its beginning."))
    if until - since > longest + timedelta(hours=2):  # a clock change may make it longer
        raise PeriodError(_("The period is too long: choose at most %(days)d days.") % {"days": longest.days})


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)
