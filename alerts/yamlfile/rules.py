"""The alert rules of a definitions file. What an entry gives says what the rule looks at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, Field, model_validator

from accounts.models import Tenant, User
from alerts import lengths, rulechecks
from alerts.columns import kept
from alerts.conditions import CONDITIONS
from alerts.contracts import ContractParams
from alerts.models import AlertRule, EscalationPolicy
from alerts.policies import Policy
from alerts.routing import Selector
from alerts.rules import save_rule
from alerts.states import Severity, Source
from alerts.yamlfile.lookups import Lookup, as_written, text_refusals, without_empty
from jobs.models import Job
from jobs.yamlfile.entries import Entry, parsed
from jobs.yamlfile.sections import Reading, Saved, Section, Wanted
from portal.lib.durations import format_duration
from portal.lib.fielderrors import FieldErrors, refused
from portal.lib.labels import labels_of
from portal.lib.paramtypes import Duration
from portal.lib.plugins import UnknownKindError

GRACE: timedelta = AlertRule._meta.get_field("result_grace").default
SOURCES = {"condition": Source.RESULT, "rows": Source.RESULT, "outcomes": Source.OUTCOME, "parts": Source.PORTAL}
BELONGS = {"recovery": "condition", "contract": "outcomes"}  # settings that mean nothing without the other


def _by_kind(value: Any) -> Any:
    """A condition without settings may be its name alone."""
    return {value: {}} if isinstance(value, str) else value


class RowsEntry(Entry):
    """Each row by itself; `keys` are the columns that tell rows apart (none: the whole row)."""

    keys: tuple[str, ...] = ()


class AlertEntry(Entry):
    """`condition` is one kind with its settings. Labels and `enabled` that are not given stay as they are."""

    slug: str = Field(min_length=1)
    name: str = ""
    description: str = ""
    job: str = ""
    select: dict[str, Any] | None = None
    condition: Annotated[dict[str, dict[str, Any]], BeforeValidator(_by_kind)] | None = None
    recovery: dict[str, Any] | None = None
    rows: RowsEntry | None = None
    outcomes: tuple[str, ...] | None = None
    contract: dict[str, Any] | None = None
    parts: tuple[str, ...] | None = None
    policy: dict[str, Any] = Field(default_factory=dict)
    result_grace: Annotated[Duration, lengths.ANY.validator] = GRACE
    severity: Severity = Severity.WARNING
    labels: Annotated[dict[str, str], BeforeValidator(labels_of)] | None = None
    escalation: str = ""
    enabled: bool | None = None

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> AlertEntry:
        if sum(getattr(self, name) is not None for name in SOURCES) != 1:
            raise ValueError(_("An alert has exactly one of condition, rows, outcomes and parts."))
        for name, other in BELONGS.items():
            if getattr(self, name) is not None and getattr(self, other) is None:
                words = _("“%(name)s” goes with “%(other)s” alone: leave it out.")
                raise refused(name, words % {"name": name, "other": other})
        if self.condition is not None and len(self.condition) != 1:
            raise refused("condition", _("Give one condition, such as row_count, with its settings."))
        return self

    @model_validator(mode="after")
    def _says_of_what(self) -> AlertEntry:
        count = bool(self.job) + (self.select is not None)
        if self.parts is not None and count:
            raise refused("parts", _("Parts of the portal belong to no job: leave job and select out."))
        if self.parts is None and count != 1:
            raise ValueError(_("Say what is watched: give either job or select. “select: {}” is every job."))
        return self

    @property
    def kind(self) -> str:
        return next(iter(self.condition or {}), "")


def read(value: Any, reading: Reading) -> Wanted:
    return Wanted(entry=parsed(AlertEntry, value))


def save(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug."""
    entry: AlertEntry = wanted.entry
    stored = AlertRule.objects.select_for_update().filter(tenant=tenant, slug=entry.slug).first()
    before = entry_of(stored) if stored else None
    row = stored or AlertRule(tenant=tenant, slug=entry.slug)
    lookup = Lookup(tenant, actor)
    lookup.check_selector(entry.select or {}, row.selector)
    row.job = lookup.one(Job, entry.job, "job")
    row.escalation = lookup.one(EscalationPolicy, entry.escalation, "escalation")
    lookup.done()
    _fill(row, entry)
    errors = [*text_refusals(row, "slug", "name"), *rulechecks.clean(row)]
    if errors:
        raise FieldErrors(as_written(errors, _names(entry)))
    after = entry_of(row)
    if before != after:
        save_rule(row, actor=actor)
    return before, after


def _fill(row: AlertRule, entry: AlertEntry) -> None:
    row.source = next(source for name, source in SOURCES.items() if getattr(entry, name) is not None)
    row.name, row.description = entry.name or row.name or entry.slug, entry.description
    row.selector = dict(entry.select or {})
    row.condition, row.condition_params = entry.kind, dict((entry.condition or {}).get(entry.kind, {}))
    row.recovery_params = entry.recovery
    row.is_row_level, row.key_columns = entry.rows is not None, list(entry.rows.keys) if entry.rows else []
    row.outcomes, row.contract, row.subjects = list(entry.outcomes or ()), entry.contract or {}, list(entry.parts or ())
    row.policy, row.result_grace, row.severity = entry.policy, entry.result_grace, entry.severity.value
    row.labels = row.labels if entry.labels is None else entry.labels
    row.is_enabled = row.is_enabled if entry.enabled is None else entry.enabled


def _names(entry: AlertEntry) -> dict[str, str]:
    return {
        "condition_params": f"condition.{entry.kind}",
        "recovery_params": "recovery",
        "key_columns": "rows.keys",
        "selector": "select",
        "subjects": "parts",
    }


def entry_of(row: AlertRule) -> dict[str, Any]:
    """One alert rule as the file says it."""
    about = {"parts": row.subjects} if row.source == Source.PORTAL else _watched(row)
    rest = without_empty(
        {
            "policy": settings_of(Policy, row.policy),
            "result_grace": None if row.result_grace == GRACE else format_duration(row.result_grace),
            "severity": "" if row.severity == Severity.WARNING else str(row.severity),
            "labels": dict(sorted(row.labels.items())),
            "escalation": row.escalation.slug if row.escalation else "",
        }
    )
    head = without_empty({"slug": row.slug, "name": row.name, "description": row.description})
    found = {**head, **about, **rest}
    return found if row.is_enabled else {**found, "enabled": False}


def _watched(row: AlertRule) -> dict[str, Any]:
    found: dict[str, Any] = {"job": row.job.slug} if row.job else {"select": settings_of(Selector, row.selector)}
    if row.source == Source.OUTCOME:
        return (
            found | {"outcomes": row.outcomes} | without_empty({"contract": settings_of(ContractParams, row.contract)})
        )
    if row.is_row_level:
        return found | {"rows": {"keys": row.key_columns} if row.key_columns else {}}
    params = _settings_of_condition(row, row.condition_params)
    found["condition"] = {row.condition: params} if params else row.condition
    if row.recovery_params is not None:
        found["recovery"] = _settings_of_condition(row, row.recovery_params)
    return found


def _settings_of_condition(row: AlertRule, stored: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return settings_of(CONDITIONS.get(row.condition).Params, stored)
    except UnknownKindError:
        return dict(stored)


def settings_of(model: type[BaseModel], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Without what equals its default; what can't be used any more is shown as it is."""
    found, errors = kept(model, stored, "")
    return dict(stored) if errors else found


def entries(tenant: Tenant) -> list[dict[str, Any]]:
    """Without rules of a job that is deleted: they wait for nothing any more, and its slug is gone."""
    rows = AlertRule.objects.filter(tenant=tenant, job__archived_at=None).select_related("job", "escalation")
    return [entry_of(row) for row in rows.order_by("slug")]


SECTION = Section(name="alerts", word="alert", read=read, save=save, entries=entries)
