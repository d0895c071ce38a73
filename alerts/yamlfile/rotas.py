"""The on-call rotas of a definitions file. Stand-ins are made in the portal, and stay."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from pydantic import Field

from accounts.models import Tenant, User
from alerts import books, lengths, oncall
from alerts.models import OnCallRota
from alerts.params import ZoneName
from alerts.yamlfile.lookups import text_refusals
from jobs.scheduling.zones import first_instant
from jobs.yamlfile.entries import Entry, parsed
from jobs.yamlfile.sections import Reading, Saved, Section, Wanted
from portal.lib.durations import format_duration
from portal.lib.fielderrors import FieldErrors
from portal.lib.paramtypes import Duration

EARLIEST_YEAR = 1000  # that every database can hold
TIMEZONE = str(OnCallRota._meta.get_field("timezone").default)
SHIFT = OnCallRota._meta.get_field("shift_length").default


class RotaEntry(Entry):
    """`members` are user names in the order of their turns; `starts` is a time on the clock of the rota's zone."""

    slug: str = Field(min_length=1)
    name: str = ""
    members: tuple[str, ...]
    timezone: ZoneName = TIMEZONE
    starts: str
    shift_length: Annotated[Duration, lengths.SHIFT.validator] = SHIFT


def read(value: Any, reading: Reading) -> Wanted:
    return Wanted(entry=parsed(RotaEntry, value))


def save(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug."""
    entry: RotaEntry = wanted.entry
    stored = OnCallRota.objects.select_for_update().filter(tenant=tenant, slug=entry.slug).first()
    before = entry_of(stored) if stored else None
    row = stored or OnCallRota(tenant=tenant, slug=entry.slug)
    row.name, row.timezone, row.shift_length = entry.name or row.name or entry.slug, entry.timezone, entry.shift_length
    row.starts = _instant(entry.starts, ZoneInfo(entry.timezone))
    row.members = oncall.members_named(entry.members, tenant_id=tenant.pk, known=row.members)
    errors = text_refusals(row, "slug", "name")
    if errors:
        raise FieldErrors(errors)
    after = entry_of(row)
    if before != after:
        books.save(row, actor=actor)
    return before, after


def _instant(text: str, zone: ZoneInfo) -> datetime:
    refused = FieldErrors.of("starts", _("Write a date and a time, such as 2026-11-02T09:00."))
    try:
        moment = datetime.fromisoformat(text)
        found = (moment if moment.tzinfo else first_instant(zone, moment)).astimezone(zone)
    except (ValueError, OverflowError):
        raise refused from None
    if found.year < EARLIEST_YEAR:
        raise refused
    return found


def entry_of(row: OnCallRota) -> dict[str, Any]:
    """One rota as the file says it. Who has left the tenant is named; who is deleted has no name any more."""
    names = dict(User.objects.filter(pk__in=row.members).values_list("pk", "username"))
    starts = row.starts.astimezone(ZoneInfo(row.timezone)).replace(tzinfo=None)
    found: dict[str, Any] = {
        "slug": row.slug,
        "name": row.name,
        "members": [names[pk] for pk in row.members if pk in names],
        "starts": starts.isoformat(timespec="auto" if starts.second or starts.microsecond else "minutes"),
    }
    if row.timezone != TIMEZONE:
        found["timezone"] = row.timezone
    if row.shift_length != SHIFT:
        found["shift_length"] = format_duration(row.shift_length)
    return found


def entries(tenant: Tenant) -> list[dict[str, Any]]:
    return [entry_of(row) for row in OnCallRota.objects.filter(tenant=tenant).order_by("slug")]


SECTION = Section(name="rotas", word="rota", read=read, save=save, entries=entries)
