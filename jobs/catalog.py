"""Jobs: created, changed, published, switched on and off, deleted. Permission → change → audit, in one transaction.

`actor` is the person; None is the platform itself (a definitions file applied by its operator).
Every refusal is a CatalogError: nothing was saved, and each error names its field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Model
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Tenant, User
from accounts.permissions import can
from datasources.models import DataSource, Secret
from jobs import dbclock, labels, runs, sqlscripts
from jobs.definitions import JobDefinition, digest, parse_definition, plain
from jobs.executors.script import ScriptParams, find_interpreter
from jobs.executors.shell import ShellParams, syntax_problem
from jobs.models import Job, JobRevision
from jobs.reasons import say
from jobs.states import ACTIVE, ReasonCode
from jobs.timetable import ScheduleSpec, restart_schedules, save_schedules, schedule_saved, spec_of
from portal.lib.fielderrors import FieldError, FieldErrors
from portal.lib.paramforms import shown

__all__ = [
    "CatalogError",
    "ScheduleSpec",
    "create_job",
    "definition_of",
    "delete_job",
    "disable_job",
    "enable_job",
    "follow_datasources",
    "publish",
    "save_schedules",
    "schedule_saved",
    "spec_of",
    "update_job",
]

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")

# Definition fields that are columns of the same name.
_COLUMNS = (
    "name", "description", "category", "kind", "params", "run_params", "environment", "secrets", "exit_codes",
    "queue", "priority", "overlap", "overlap_limit", "is_idempotent", "requires",
)  # fmt: skip


class CatalogError(FieldErrors):
    """The change is refused; `errors` holds a sentence per field."""


def create_job(
    *,
    actor: User | None,
    tenant: Tenant,
    slug: str,
    definition: JobDefinition | Mapping[str, Any],
    schedules: Sequence[ScheduleSpec] = (),
    is_enabled: bool = True,
) -> Job:
    """A new job, published, with its schedules counting from now."""
    job = Job(tenant=tenant, slug=slug.strip(), is_enabled=is_enabled, created_by=actor)
    _require(actor, "add", job)
    with transaction.atomic():
        _check_quota(tenant)
        _check_slug(job)
        wanted = _checked(definition, job, actor)
        _set_columns(job, wanted)
        _insert(job)
        _save_schedules(job, schedules, actor)
        publish(job, actor=actor)
        audit.record("jobs.job.created", actor=actor, target=job, summary=job.slug, details={"kind": job.kind})
    return job


def update_job(
    job: Job,
    *,
    actor: User | None,
    definition: JobDefinition | Mapping[str, Any] | None = None,
    slug: str | None = None,
    schedules: Sequence[ScheduleSpec] | None = None,
    is_enabled: bool | None = None,
) -> bool:
    """Change what is given; runs that exist keep their revision. False: everything was so already, nothing written."""
    _require(actor, "change", job)
    with transaction.atomic():
        _lock(job)
        before = _facts(job)
        if slug is not None and slug.strip() != job.slug:
            job.slug = slug.strip()
            _check_slug(job)
        if definition is not None:
            _set_columns(job, _checked(definition, job, actor))
        was_enabled, job.is_enabled = job.is_enabled, job.is_enabled if is_enabled is None else is_enabled
        _write_if_changed(job, before)
        timetable_changed = schedules is not None and _save_schedules(job, schedules, actor)
        if was_enabled != job.is_enabled:
            restart_schedules(job)
        if definition is not None:
            publish(job, actor=actor)
        changed = _changes(before, _facts(job))
        if {"slug", "category"} & set(changed):
            labels.told(job.tenant_id)
        if changed or timetable_changed:
            details = {"changed": [*changed, *(["schedules"] if timetable_changed else [])]}
            audit.record("jobs.job.updated", actor=actor, target=job, summary=job.slug, details=details)
    return bool(changed) or timetable_changed


def enable_job(job: Job, *, actor: User | None) -> bool:
    """Let the schedules fire, from now on. False: it was enabled already."""
    return _switch(job, True, actor)


def disable_job(job: Job, *, actor: User | None) -> bool:
    """Stop the schedules; what runs goes on. False: it was disabled already."""
    return _switch(job, False, actor)


def delete_job(job: Job, *, actor: User | None) -> None:
    """Delete the job. One that has run is archived: out of sight, its slug free, its history kept."""
    _require(actor, "delete", job)
    with transaction.atomic():
        _lock(job)
        audit.record("jobs.job.deleted", actor=actor, target=job, summary=job.slug)
        job.schedules.all().delete()
        if not job.runs.exists():
            Job.objects.filter(pk=job.pk).update(revision=None)  # it protects the revision that goes with the job
            job.delete()
            return
        deleted = say(ReasonCode.CANCELLED_BY_USER, "cancelled_by_user.job_deleted")
        for run in job.runs.filter(status__in=ACTIVE):
            runs.cancel_run(run, actor=actor, reason=deleted)
        job.slug = f"{job.slug[:50]}.deleted-{job.pk}"  # a dot: no living job can have this slug
        job.is_enabled, job.archived_at = False, dbclock.now()
        job.save(update_fields=["slug", "is_enabled", "archived_at", "updated_at"])


def publish(job: Job, *, actor: User | None) -> JobRevision:
    """The revision of the job as it stands: a new one when the definition differs from the published one.

    A script of the library is pinned in it, so that a run keeps the version it was created with.
    """
    definition = sqlscripts.pinned(definition_of(job), job.tenant_id)
    if definition is None:
        raise CatalogError.of("params.script", _("The SQL script of this job was deleted: choose another."))
    fingerprint = digest(definition)
    with transaction.atomic():
        if job.revision is not None and job.revision.digest == fingerprint:
            return job.revision
        last = JobRevision.objects.filter(job=job).aggregate(last=Max("number"))["last"] or 0
        revision = JobRevision.objects.create(
            tenant_id=job.tenant_id,
            job=job,
            number=last + 1,
            definition=plain(definition),
            digest=fingerprint,
            author=actor,
        )
        job.revision = revision
        job.save(update_fields=["revision", "updated_at"])
    return revision


def definition_of(job: Job) -> JobDefinition:
    """The job's columns as a definition."""
    data = {name: getattr(job, name) for name in _COLUMNS}
    retry = {name: getattr(job, f"retry_{name}") for name in ("max", "backoff", "base", "factor", "cap")}
    needs = {"memory": job.needs_memory, "cpu": job.needs_cpu}
    fan_out = {"mode": job.fan_out, "total": job.shard_total}
    keep = {"run_days": job.run_days, "log_days": job.log_days, "runs": job.keep_runs}
    nested = {"retry": retry, "needs": needs, "fan_out": fan_out, "keep": keep}
    return parse_definition({**data, "timeout": job.timeout, **nested})


def _switch(job: Job, is_enabled: bool, actor: User | None) -> bool:
    _require(actor, "change", job)
    with transaction.atomic():
        _lock(job)
        if job.is_enabled == is_enabled:
            return False
        job.is_enabled = is_enabled
        job.save(update_fields=["is_enabled", "updated_at"])
        restart_schedules(job)
        verb = "jobs.job.enabled" if is_enabled else "jobs.job.disabled"
        audit.record(verb, actor=actor, target=job, summary=job.slug)
    return True


def _require(actor: User | None, verb: str, obj: Model) -> None:
    if actor is not None and not can(actor, verb, obj):
        raise CatalogError.of("", _("You may not do this here: ask a tenant admin for the right."))


def _lock(job: Job) -> None:
    """The row as it is now, held until the transaction ends."""
    fresh = Job.objects.select_for_update().filter(pk=job.pk, archived_at=None).first()
    if fresh is None:
        raise CatalogError.of("", _("This job has been deleted in the meantime."))
    job.refresh_from_db()


def _check_quota(tenant: Tenant) -> None:
    limit = Tenant.objects.select_for_update().get(pk=tenant.pk).job_limit
    if limit is not None and Job.objects.filter(tenant=tenant, archived_at=None).count() >= limit:
        raise CatalogError.of(
            "",
            _("The tenant has %(limit)d jobs, as many as it may: delete one, or ask a platform admin for more.")
            % {"limit": limit},
        )


def _check_slug(job: Job) -> None:
    if not _SLUG.fullmatch(job.slug):
        raise CatalogError.of("slug", _("A slug has letters, digits, “-” and “_”, at most 80, such as daily-revenue."))
    if Job.objects.filter(tenant_id=job.tenant_id, slug=job.slug).exclude(pk=job.pk).exists():
        raise _duplicate(job)


def _duplicate(job: Job) -> CatalogError:
    return CatalogError.of(
        "slug", _("There is already a job “%(slug)s” in this tenant: choose another slug.") % {"slug": job.slug}
    )


def _insert(job: Job) -> None:
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError:  # somebody saved the same slug a moment ago
        raise _duplicate(job) from None


def _checked(definition: JobDefinition | Mapping[str, Any], job: Job, actor: User | None) -> JobDefinition:
    """The definition, allowed for this tenant and this person on this installation."""
    try:
        wanted = definition if isinstance(definition, JobDefinition) else parse_definition(definition)
    except FieldErrors as error:
        raise CatalogError(error.errors) from None
    if not wanted.name.strip():
        wanted = wanted.model_copy(update={"name": job.name or job.slug})
    errors = [
        *_script_problems(wanted),
        *_datasource_problems(wanted, job.tenant_id, actor),
        *sqlscripts.problems(wanted, job.tenant_id, actor),
        *_secret_problems(wanted, job.tenant_id, actor),
        *_timeout_problems(wanted, job.tenant),
    ]
    if errors:
        raise CatalogError(errors)
    return wanted


def _script_problems(wanted: JobDefinition) -> list[FieldError]:
    params = wanted.params
    if not isinstance(params, ScriptParams):
        return []
    # In embedded mode the worker is this machine; elsewhere the worker says so when the run starts.
    if settings.EMBEDDED and params.interpreter and not find_interpreter(params.interpreter):
        words = _("The interpreter “%(name)s” is not installed on this machine.") % {"name": params.interpreter}
        return [FieldError(path="params.interpreter", message=words)]
    problem = syntax_problem(params) if isinstance(params, ShellParams) else ""
    return [FieldError(path="params.script", message=problem)] if problem else []


def _datasource_problems(wanted: JobDefinition, tenant_id: int, actor: User | None) -> list[FieldError]:
    errors = []
    for name, slug in _datasource_slugs(wanted).items():
        source = DataSource.objects.filter(tenant_id=tenant_id, slug=slug).first()
        if source is None or not _may_use(actor, source):
            words = _(
                "There is no datasource “%(slug)s” that you may use in this tenant: "
                "choose another, or ask for the right to use it."
            )
            errors.append(FieldError(path=f"params.{name}", message=words % {"slug": slug}))
    return errors


def _datasource_slugs(wanted: JobDefinition) -> dict[str, str]:
    """Parameter → the datasource it names."""
    fields = type(wanted.params).model_fields.items()
    found = {name: getattr(wanted.params, name) for name, info in fields if shown(info).is_datasource}
    return {name: slug for name, slug in found.items() if slug}


def _secret_problems(wanted: JobDefinition, tenant_id: int, actor: User | None) -> list[FieldError]:
    found = {secret.name: secret for secret in Secret.objects.filter(tenant_id=tenant_id, name__in=wanted.secrets)}
    words = _(
        "There is no secret “%(name)s” that you may use in this tenant: "
        "create it first, or ask for the right to use it."
    )
    return [
        FieldError(path=f"secrets[{place}]", message=words % {"name": name})
        for place, name in enumerate(wanted.secrets)
        if name not in found or not _may_use(actor, found[name])
    ]


def _may_use(actor: User | None, obj: Model) -> bool:
    return actor is None or can(actor, "use", obj)


def _timeout_problems(wanted: JobDefinition, tenant: Tenant) -> list[FieldError]:
    limit = tenant.timeout_limit
    if limit is None or wanted.timeout <= limit:
        return []
    words = _("The timeout is longer than this tenant may use: at most %(limit)s.") % {"limit": limit}
    return [FieldError(path="timeout", message=words)]


def _set_columns(job: Job, wanted: JobDefinition) -> None:
    data = plain(wanted)
    for name in _COLUMNS:
        setattr(job, name, data[name])
    job.timeout = wanted.timeout
    for name in ("max", "backoff", "base", "factor", "cap"):
        setattr(job, f"retry_{name}", getattr(wanted.retry, name))
    job.retry_backoff = wanted.retry.backoff.value
    job.needs_memory, job.needs_cpu = wanted.needs.memory, wanted.needs.cpu
    job.fan_out, job.shard_total = wanted.fan_out.mode.value, wanted.fan_out.total
    job.run_days, job.log_days, job.keep_runs = wanted.keep.run_days, wanted.keep.log_days, wanted.keep.runs
    job.needs_driver = _driver_of(wanted, job.tenant_id)


def _driver_of(wanted: JobDefinition, tenant_id: int) -> str:
    """The driver a worker must have: that of the datasource the job names."""
    slugs = _datasource_slugs(wanted).values()
    return DataSource.objects.filter(tenant_id=tenant_id, slug__in=slugs).values_list("kind", flat=True).first() or ""


def follow_datasources(*, since: datetime) -> int:
    """Jobs whose datasource became one of another kind need another driver. Returns how many there were."""
    return sum(
        Job.objects.filter(tenant_id=source.tenant_id, kind="sql", params__datasource=source.slug)
        .exclude(needs_driver=source.kind)
        .update(needs_driver=source.kind)
        for source in DataSource.objects.filter(updated_at__gte=since).only("tenant_id", "slug", "kind")
    )


def _write_if_changed(job: Job, before: Mapping[str, Any]) -> None:
    if not _changes(before, _facts(job)):
        return
    try:
        with transaction.atomic():
            job.save()
    except IntegrityError:
        raise _duplicate(job) from None


def _save_schedules(job: Job, schedules: Sequence[ScheduleSpec], actor: User | None) -> bool:
    try:
        return save_schedules(job, schedules, actor=actor)
    except FieldErrors as error:
        raise CatalogError(error.errors) from None


def _facts(job: Job) -> dict[str, Any]:
    """Every column a person decides, as plain values."""
    own = ("slug", "is_enabled", "timeout", "needs_memory", "needs_cpu", "fan_out", "shard_total", "needs_driver")
    retry = ("retry_max", "retry_backoff", "retry_base", "retry_factor", "retry_cap")
    keep = ("run_days", "log_days", "keep_runs")
    return {name: getattr(job, name) for name in (*own, *_COLUMNS, *retry, *keep)}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in after if before.get(name) != after[name])
