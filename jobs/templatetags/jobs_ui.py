"""Template tags of the screens: badges, times, durations, strips."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.permissions import can_any, memberships_of
from jobs import freezes, look, reasons
from jobs.models import Freeze
from jobs.notices import notices

register = template.Library()


@register.inclusion_tag("jobs/_freezes.html", takes_context=True)
def freeze_banner(context: dict[str, Any]) -> dict[str, Any]:
    """The freezes in force for the tenant this page is about; for somebody without one, those of every tenant."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_staff:
        return {}
    now = timezone.now()
    own = set(memberships_of(user)) if not user.is_superuser else None
    tenant = getattr(request, "tenant", None)
    if tenant is not None:
        own = {tenant.pk}
    active = [
        freeze
        for freeze in freezes.active_freezes(now)
        if freeze.tenant_id is None or own is None or freeze.tenant_id in own
    ]
    return {"freezes": active, "may_open": user.is_superuser or can_any(user, "view", Freeze), "user": user}


@register.simple_tag
def status_badge(status: str, title: str = "") -> SafeString:
    return look.badge(status, title=title)


@register.simple_tag
def when(at: datetime | None, zone: str = "") -> SafeString | str:
    return look.when(at, zone)


@register.simple_tag
def clock(at: datetime, zone: str = "") -> str:
    return look.clock_time(at, zone)


@register.simple_tag
def exactly(at: datetime | None, zone: str = "") -> str:
    return look.absolute(at, zone) if at else "–"


@register.simple_tag
def plainly(at: datetime, zone: str = "") -> str:
    """Without the zone's name: where a heading says it once."""
    return f"{at.astimezone(look.zone_named(zone)):%Y-%m-%d %H:%M:%S}"


@register.simple_tag
def zone_name(zone: str = "") -> str:
    return look.zone_label(look.zone_named(zone))


@register.simple_tag
def since(started: datetime | None, ended: datetime | None = None) -> str:
    """How long something took, or takes so far."""
    return look.seconds_text((ended or timezone.now()) - started) if started else "–"


@register.simple_tag
def running_for(started: datetime | None) -> SafeString | str:
    return look.running_for(started) if started else "–"


@register.simple_tag
def lateness(due: datetime | None, started: datetime | None) -> str:
    """How long after its time something started; never negative."""
    return look.seconds_text(max(started - due, timedelta(0))) if due and started else "–"


@register.filter
def duration(value: timedelta | float | None) -> str:
    return look.seconds_text(value)


@register.filter
def as_bytes(value: int | None) -> str:
    return look.bytes_text(value)


@register.filter
def percent(value: float | None) -> str:
    return look.percent(value)


@register.filter
def reason_of(row: reasons.HasReason) -> str:
    """Why, for the reader: of a run, an attempt or an event."""
    return reasons.of(row)


@register.filter
def status_label(status: str) -> str:
    return str(look.look_of(status).label)


@register.filter
def tone(status: str) -> str:
    return look.look_of(status).tone


@register.filter
def icon(status: str) -> str:
    return look.look_of(status).icon


@register.filter
def item(mapping: dict[Any, Any], key: Any) -> Any:
    return mapping.get(key)


@register.inclusion_tag("jobs/_outages.html", takes_context=True)
def outage_notices(context: dict[str, Any]) -> dict[str, Any]:
    """The banner about what is, or was lately, silent."""
    request = context.get("request")
    found = notices(request) if request is not None else []
    return {
        "notices": found,
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "any_is_over": any(each.is_over for each in found),
    }
