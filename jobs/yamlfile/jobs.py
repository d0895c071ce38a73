"""The jobs of a definitions file."""

from __future__ import annotations

from accounts.models import Tenant, User
from jobs.catalog import create_job, update_job
from jobs.labels import save_labels
from jobs.models import Job
from jobs.yamlfile.entries import JobEntry, at_file
from jobs.yamlfile.sections import Saved, Wanted
from jobs.yamlfile.writer import job_entry
from portal.lib.fielderrors import FieldError, FieldErrors


def save_job(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug; schedules, labels and whether it is enabled stay where the file does not give them."""
    try:
        return _saved(tenant, wanted, actor)
    except FieldErrors as refused:
        raise FieldErrors([_as_written(at_file(error, wanted.files), wanted) for error in refused.errors]) from None


def _saved(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    entry, definition = wanted.entry, wanted.definition
    assert definition is not None  # noqa: S101 - every job entry that was read has one
    specs = None if entry.schedules is None else [schedule.spec() for schedule in entry.schedules]
    job = Job.objects.filter(tenant=tenant, slug=entry.slug).first()
    before = None
    if job is None:
        job = create_job(
            actor=actor,
            tenant=tenant,
            slug=entry.slug,
            definition=definition,
            schedules=specs or (),
            is_enabled=True if entry.enabled is None else entry.enabled,
        )
    else:
        before = job_entry(job)
        update_job(job, actor=actor, definition=definition, schedules=specs, is_enabled=entry.enabled)
    if entry.labels is not None:
        save_labels(job, actor=actor, labels=entry.labels)
    return before, job_entry(Job.objects.get(pk=job.pk))


def _as_written(error: FieldError, wanted: Wanted) -> FieldError:
    """ "schedules[1].expression" is called cron, every, at or workdays in the file."""
    entry: JobEntry = wanted.entry
    for place, schedule in enumerate(entry.schedules or ()):
        for field in ("expression", "kind"):
            if error.path == f"schedules[{place}].{field}":
                return FieldError(path=f"schedules[{place}].{schedule.word}", message=error.message)
    return error
