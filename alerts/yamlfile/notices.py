"""The notification rules of a definitions file. They have no slug: each is known by its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import Field, model_validator

from accounts.models import Tenant, User
from alerts import books, noticechecks
from alerts.models import AlertRule, Channel, NotificationRule
from alerts.noticefold import NoticePolicy
from alerts.routing import Selector
from alerts.states import Severity, Trigger
from alerts.yamlfile.hours import DigestEntry, QuietEntry, as_in_spans, digest_entry, quiet_entry
from alerts.yamlfile.lookups import Lookup, as_written, text_refusals, without_empty
from alerts.yamlfile.rules import settings_of
from jobs.models import Job
from jobs.yamlfile.entries import Entry, parsed
from jobs.yamlfile.sections import Reading, Saved, Section, Wanted
from portal.lib.fielderrors import FieldErrors

NAMES = {
    "alert_rule": "alert",
    "selector": "select",
    "triggers": "when",
    "subject_template": "subject",
    "body_template": "body",
}


class NoticeEntry(Entry):
    """About one alert, one job, or what `select` fits. Whether it is enabled stays where it is not given."""

    name: str = Field(min_length=1)
    alert: str = ""
    job: str = ""
    select: dict[str, Any] | None = None
    when: tuple[str, ...]
    policy: dict[str, Any] = Field(default_factory=dict)
    severity_floor: Severity | None = None
    channels: tuple[str, ...] = ()
    quiet_hours: QuietEntry | None = None
    digest: DigestEntry | None = None
    subject: str = ""
    body: str = ""
    enabled: bool | None = None

    @model_validator(mode="after")
    def _says_of_what(self) -> NoticeEntry:
        if bool(self.alert) + bool(self.job) + (self.select is not None) != 1:
            words = _("Say what is told of: give one of alert, job and select. “select: {}” is everything.")
            raise ValueError(words)
        return self


def read(value: Any, reading: Reading) -> Wanted:
    return Wanted(entry=parsed(NoticeEntry, value))


def save(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by name."""
    entry: NoticeEntry = wanted.entry
    stored = _stored(tenant, entry.name)
    before = entry_of(stored, stored.channels.all()) if stored else None
    row = stored or NotificationRule(tenant=tenant, name=entry.name)
    lookup = Lookup(tenant, actor)
    lookup.check_selector(entry.select or {}, row.selector)
    row.job = lookup.one(Job, entry.job, "job")
    row.alert_rule = lookup.one(AlertRule, entry.alert, "alert")
    channels = lookup.several(Channel, entry.channels, "channels")
    lookup.done()
    _fill(row, entry)
    errors = [*text_refusals(row, "name", "subject_template"), *noticechecks.clean(row, channels)]
    if errors:
        raise FieldErrors([as_in_spans(error) for error in as_written(errors, NAMES)])
    after = entry_of(row, channels)
    if before != after:
        with transaction.atomic():
            books.save(row, actor=actor)
            row.channels.set(channels)
    return before, after


def _stored(tenant: Tenant, name: str) -> NotificationRule | None:
    """The database may take capitals for small letters; a name is what it is here."""
    rows = NotificationRule.objects.select_for_update().filter(tenant=tenant, name=name).order_by("pk")
    found = [row for row in rows if row.name == name]
    if len(found) > 1:
        words = _("Several notification rules of this tenant are called “%(name)s”: rename all but one of them first.")
        raise FieldErrors.of("name", words % {"name": name[:60]})
    return found[0] if found else None


def _fill(row: NotificationRule, entry: NoticeEntry) -> None:
    row.selector, row.triggers, row.policy = dict(entry.select or {}), list(entry.when), entry.policy
    row.severity_floor = entry.severity_floor.value if entry.severity_floor else ""
    row.quiet_hours = entry.quiet_hours.column("quiet_hours") if entry.quiet_hours else None
    row.digest = entry.digest.model_dump() if entry.digest else None
    row.subject_template, row.body_template = entry.subject, entry.body
    row.is_enabled = row.is_enabled if entry.enabled is None else entry.enabled


def entry_of(row: NotificationRule, channels: Iterable[Channel]) -> dict[str, Any]:
    """One notification rule as the file says it."""
    is_of_all = row.alert_rule is None and row.job is None
    found = without_empty(
        {
            "name": row.name,
            "alert": row.alert_rule.slug if row.alert_rule else "",
            "job": row.job.slug if row.job else "",
            "select": settings_of(Selector, row.selector) if is_of_all else None,
            "when": row.triggers,
            "policy": _policy(row),
            "severity_floor": row.severity_floor,
            "channels": sorted(channel.slug for channel in channels),
            "quiet_hours": quiet_entry(row.quiet_hours),
            "digest": digest_entry(row.digest),
            "subject": row.subject_template,
            "body": row.body_template,
        },
        *(["select"] if is_of_all else []),
        "when",
    )
    return found if row.is_enabled else {**found, "enabled": False}


def _policy(row: NotificationRule) -> dict[str, Any]:
    """The triggers are the rule's own; any of a run's stands for them here."""
    found = settings_of(NoticePolicy, {**row.policy, "triggers": [Trigger.RECOVERED]})
    return {name: value for name, value in found.items() if name != "triggers"}


def entries(tenant: Tenant) -> list[dict[str, Any]]:
    """Without rules of a job that is deleted, or of an alert of one."""
    rows = NotificationRule.objects.filter(tenant=tenant, job__archived_at=None, alert_rule__job__archived_at=None)
    rows = rows.select_related("job", "alert_rule").prefetch_related("channels").order_by("name", "pk")
    return [entry_of(row, row.channels.all()) for row in rows]


SECTION = Section(name="notifications", word="notification", key="name", read=read, save=save, entries=entries)
