"""From rows to the text of a definitions file. What equals the default is left out; secrets never get in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import yaml

from accounts.models import Tenant
from datasources.models import DataSource, Secret, SqlScript
from datasources.models.datasource import DEFAULT_MAX_AFFECTED
from jobs.catalog import definition_of
from jobs.definitions import JobDefinition, plain
from jobs.models import Blackout, Calendar, Job, Schedule
from jobs.policies import CalendarPolicy, MisfirePolicy
from jobs.workcalendars import days_of
from jobs.yamlfile.sections import VERSION, sections
from portal.lib.durations import format_duration

_WORDS = {"cron": "cron", "interval": "every", "once": "at", "workday": "workdays"}
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEFAULT_GRACE = timedelta(seconds=300)


class _Dumper(yaml.SafeDumper):
    """Scripts as blocks, lists indented, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """YAML text of plain values, names in the order given."""
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
    return text


def file_of(tenant: Tenant) -> str:
    """The definitions file of everything a tenant has."""
    found = {section.name: list(section.entries(tenant)) for section in sections()}
    return dump(
        {"version": VERSION, "tenant": tenant.slug, **{name: entries for name, entries in found.items() if entries}}
    )


def scripts_of(tenant: Tenant) -> Iterable[SqlScript]:
    return SqlScript.objects.filter(tenant=tenant).select_related("current").order_by("slug")


def jobs_of(tenant: Tenant) -> Iterable[Job]:
    return Job.objects.filter(tenant=tenant, archived_at=None).prefetch_related("schedules__calendar").order_by("slug")


def job_entry(job: Job) -> dict[str, Any]:
    """One job as the file says it."""
    entry: dict[str, Any] = {"slug": job.slug, **definition_entry(definition_of(job))}
    if job.labels:
        entry["labels"] = dict(sorted(job.labels.items()))
    if not job.is_enabled:
        entry["enabled"] = False
    entry["schedules"] = [schedule_entry(row) for row in sorted(job.schedules.all(), key=lambda row: row.pk)]
    return entry


def definition_entry(definition: JobDefinition) -> dict[str, Any]:
    params = definition.params
    own = unlike(params.model_dump(mode="json"), defaults_of(type(params)))
    usual = plain(JobDefinition.model_construct(kind=definition.kind, params=params))
    content = plain(definition)
    found = {name: value for name, value in content.items() if name in ("name", "kind")}
    found["params"] = own
    for name, value in content.items():
        if name in found or value == usual[name]:
            continue
        found[name] = _run_params(definition) if name == "run_params" else _less(value, usual[name])
    return found


def _less(value: Any, usual: Any) -> Any:
    return unlike(value, usual) if isinstance(value, dict) and isinstance(usual, dict) and usual else value


def _run_params(definition: JobDefinition) -> list[dict[str, Any]]:
    return [param.model_dump(mode="json", exclude_defaults=True) for param in definition.run_params]


def defaults_of(model: Any) -> dict[str, Any]:
    """What the model's fields are when nothing is said; required fields have none."""
    optional = {name for name, info in model.model_fields.items() if not info.is_required()}
    found: dict[str, Any] = model.model_construct().model_dump(mode="json", include=optional)
    return found


def unlike(value: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """What of the value is not as usual."""
    return {name: item for name, item in value.items() if name not in usual or usual[name] != item}


def schedule_entry(schedule: Schedule) -> dict[str, Any]:
    entry: dict[str, Any] = {_WORDS[schedule.kind]: schedule.expression, "timezone": schedule.timezone}
    if schedule.misfire != MisfirePolicy.RUN_ONCE:
        entry["misfire"] = schedule.misfire
    if schedule.grace != DEFAULT_GRACE:
        entry["grace"] = format_duration(schedule.grace)
    if schedule.jitter:
        entry["jitter"] = format_duration(schedule.jitter)
    if schedule.calendar is not None:
        entry["calendar"] = schedule.calendar.slug
        if schedule.calendar_policy != CalendarPolicy.SKIP:
            entry["calendar_policy"] = schedule.calendar_policy
    if not schedule.is_enabled:
        entry["enabled"] = False
    return entry


def calendar_entry(calendar: Calendar) -> dict[str, Any]:
    """One calendar as the file says it; its days are lines of text."""
    entry: dict[str, Any] = {"slug": calendar.slug, "name": calendar.name}
    if calendar.description:
        entry["description"] = calendar.description
    if calendar.timezone:
        entry["timezone"] = calendar.timezone
    if calendar.workdays != "12345":
        entry["weekdays"] = ", ".join(DAY_NAMES[int(digit) - 1] for digit in calendar.workdays) or "none"
    entry["days"] = [day.line() for day in days_of(calendar)]
    entry["blackouts"] = [blackout_entry(row) for row in calendar.blackouts.order_by("name", "pk")]
    return {name: value for name, value in entry.items() if value != []}


def blackout_entry(row: Blackout) -> dict[str, Any]:
    if row.starts_at is not None and row.ends_at is not None:
        return {"name": row.name, "from": row.starts_at.isoformat(), "until": row.ends_at.isoformat()}
    days = ", ".join(DAY_NAMES[int(digit) - 1] for digit in row.weekdays)
    return {"name": row.name, "weekdays": days, "from": f"{row.start_time:%H:%M}", "until": f"{row.end_time:%H:%M}"}


def datasource_entry(source: DataSource) -> dict[str, Any]:
    """Without the password: `apply` leaves it as it is when the file does not give it."""
    entry: dict[str, Any] = {"slug": source.slug, "kind": source.kind, "name": source.name}
    if source.description:
        entry["description"] = source.description
    entry["params"] = source.params
    if not source.is_read_only:
        entry["read_only"] = False
    if source.max_affected_rows != DEFAULT_MAX_AFFECTED:  # null, said in so many words, is no limit
        entry["max_affected_rows"] = source.max_affected_rows
    if not source.is_active:
        entry["active"] = False
    return entry


def script_entry(script: SqlScript) -> dict[str, Any]:
    """One SQL script as the file says it: its current version."""
    entry: dict[str, Any] = {"slug": script.slug, "name": script.name}
    if script.description:
        entry["description"] = script.description
    entry["datasources"] = sorted(script.datasources.values_list("slug", flat=True))
    entry["sql"] = script.current.text if script.current else ""
    entry["parameters"] = script.current.parameters if script.current else []
    return {name: value for name, value in entry.items() if value != []}


def secret_entry(secret: Secret) -> Any:
    """The name alone; the value stays in the portal."""
    return {"name": secret.name, "description": secret.description} if secret.description else secret.name
