"""The calendars of a definitions file."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from jobs.models import Blackout, Calendar
from jobs.scheduling.zones import zone_names
from jobs.workcalendars import blackouts_saved, parse_days, save_calendar
from jobs.yamlfile.entries import BlackoutEntry, CalendarEntry
from jobs.yamlfile.sections import Saved, Wanted
from jobs.yamlfile.writer import DAY_NAMES, blackout_entry, calendar_entry
from portal.lib.fielderrors import FieldError, FieldErrors


def save_calendar_entry(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug; days and blackouts that the file does not give stay as they are."""
    entry: CalendarEntry = wanted.entry
    row = Calendar.objects.select_for_update().filter(tenant=tenant, slug=entry.slug).first()
    before = calendar_entry(row) if row else None
    calendar = row or Calendar(tenant=tenant, slug=entry.slug, created_by=actor)
    if entry.timezone and entry.timezone not in zone_names():
        words = _("“%(zone)s” is not a known time zone: use a name such as Asia/Shanghai, Europe/Berlin or UTC.")
        raise FieldErrors.of("timezone", words % {"zone": entry.timezone})
    calendar.name, calendar.description = entry.name or calendar.name or entry.slug, entry.description
    calendar.timezone, calendar.workdays = entry.timezone, weekdays_of(entry.weekdays, "weekdays")
    days = None if entry.days is None else parse_days("\n".join(entry.days))
    save_calendar(calendar, actor=actor, days=days)
    if entry.blackouts is not None:
        _save_blackouts(calendar, entry.blackouts, actor)
    return before, calendar_entry(Calendar.objects.get(pk=calendar.pk))


def weekdays_of(text: str, path: str) -> str:
    """ "mon-fri, sun" as ISO digits: "123457"."""
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        if part in ("", "none"):
            continue
        first, _dash, last = part.partition("-")
        try:
            low, high = DAY_NAMES.index(first[:3]), DAY_NAMES.index((last or first)[:3])
        except ValueError:
            words = _("“%(text)s” is no weekday: write mon-fri, or mon, wed, sat.")
            raise FieldErrors.of(path, words % {"text": part[:20]}) from None
        found |= {place % 7 for place in range(low, (high if high >= low else high + 7) + 1)}
    return "".join(str(place + 1) for place in sorted(found))


def _save_blackouts(calendar: Calendar, entries: tuple[BlackoutEntry, ...], actor: User | None) -> None:
    wanted = [_blackout(calendar, entry, place) for place, entry in enumerate(entries)]
    there = list(calendar.blackouts.order_by("name", "pk"))
    told = [blackout_entry(row) for row in sorted(wanted, key=lambda each: each.name)]
    if told == [blackout_entry(row) for row in there]:
        return
    for row in there:
        row.delete()
    for row in wanted:
        row.created_by = actor
        row.save()
    blackouts_saved(calendar)


def _blackout(calendar: Calendar, entry: BlackoutEntry, place: int) -> Blackout:
    here = f"blackouts[{place}]"
    row = Blackout(tenant_id=calendar.tenant_id, calendar=calendar, name=entry.name)
    zone = ZoneInfo(calendar.timezone or settings.TIME_ZONE)
    try:
        if entry.weekdays:
            row.weekdays = weekdays_of(entry.weekdays, f"{here}.weekdays")
            row.start_time, row.end_time = time.fromisoformat(entry.start), time.fromisoformat(entry.end)
        else:
            row.starts_at, row.ends_at = _moment(entry.start, zone), _moment(entry.end, zone)
    except ValueError as error:
        if isinstance(error, FieldErrors):
            raise
        words = _("Write from and until as 22:00 with weekdays, or as 2026-12-24T18:00 without.")
        raise FieldErrors([FieldError(path=here, message=words)]) from None
    if row.starts_at is not None and row.ends_at is not None and row.ends_at <= row.starts_at:
        raise FieldErrors([FieldError(path=here, message=_("The end must come after the beginning."))])
    return row


def _moment(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
