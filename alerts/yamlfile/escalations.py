"""The escalation policies of a definitions file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from accounts.models import Tenant, User
from alerts import escalationsettings, lengths
from alerts.escalationsettings import Step
from alerts.models import Channel, EscalationPolicy, EscalationStep, OnCallRota
from alerts.yamlfile.lookups import Lookup, as_written, text_refusals, without_empty
from jobs.yamlfile.entries import Entry, parsed
from jobs.yamlfile.sections import Reading, Saved, Section, Wanted
from portal.lib.durations import format_duration
from portal.lib.fielderrors import FieldErrors
from portal.lib.paramtypes import Duration

WAIT: timedelta = EscalationStep._meta.get_field("wait").default
NAMES = {"repeat_count": "repeat"}


class StepEntry(Entry):
    """`wait` is counted from the step before it, the first one's from the opening of the incident."""

    wait: Annotated[Duration, lengths.STEP.validator] = WAIT
    channels: tuple[str, ...] = ()
    rota: str = ""


class EscalationEntry(Entry):
    slug: str = Field(min_length=1)
    name: str = ""
    repeat: int = Field(default=0, ge=0)
    ack_timeout: Annotated[Duration, lengths.ACKNOWLEDGED.validator] | None = None
    steps: tuple[StepEntry, ...]


def read(value: Any, reading: Reading) -> Wanted:
    return Wanted(entry=parsed(EscalationEntry, value))


def save(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug; its steps are those of the file."""
    entry: EscalationEntry = wanted.entry
    stored = EscalationPolicy.objects.select_for_update().filter(tenant=tenant, slug=entry.slug).first()
    before = entry_of(stored, steps_of(stored)) if stored else None
    row = stored or EscalationPolicy(tenant=tenant, slug=entry.slug)
    row.name, row.repeat_count, row.ack_timeout = entry.name or row.name or entry.slug, entry.repeat, entry.ack_timeout
    lookup = Lookup(tenant, actor)
    steps = [_step(lookup, step, f"steps[{place}]") for place, step in enumerate(entry.steps)]
    lookup.done(text_refusals(row, "slug", "name"))
    after = entry_of(row, steps)
    if before != after:
        try:
            escalationsettings.save_policy(row, steps, actor=actor)
        except FieldErrors as refused:
            raise FieldErrors(as_written(refused.errors, NAMES)) from None
    return before, after


def _step(lookup: Lookup, entry: StepEntry, place: str) -> Step:
    return Step(
        wait=entry.wait,
        channels=tuple(lookup.several(Channel, entry.channels, f"{place}.channels")),
        rota=lookup.one(OnCallRota, entry.rota, f"{place}.rota"),
    )


def steps_of(row: EscalationPolicy) -> list[Step]:
    """Those that are stored, in their order."""
    rows = row.steps.order_by("number").select_related("rota").prefetch_related("channels")
    return [Step(wait=one.wait, channels=tuple(one.channels.all()), rota=one.rota) for one in rows]


def entry_of(row: EscalationPolicy, steps: Sequence[Step]) -> dict[str, Any]:
    """One policy as the file says it."""
    return without_empty(
        {
            "slug": row.slug,
            "name": row.name,
            "repeat": row.repeat_count or None,
            "ack_timeout": format_duration(row.ack_timeout) if row.ack_timeout else None,
            "steps": [_step_entry(step) for step in steps],
        },
        "steps",
    )


def _step_entry(step: Step) -> dict[str, Any]:
    return without_empty(
        {
            "wait": None if step.wait == WAIT else format_duration(step.wait),
            "channels": sorted(channel.slug for channel in step.channels),
            "rota": step.rota.slug if step.rota else "",
        }
    )


def entries(tenant: Tenant) -> list[dict[str, Any]]:
    rows = EscalationPolicy.objects.filter(tenant=tenant).order_by("slug")
    return [entry_of(row, steps_of(row)) for row in rows]


SECTION = Section(name="escalations", word="escalation", read=read, save=save, entries=entries)
