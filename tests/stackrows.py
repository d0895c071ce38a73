"""Rows for a stack of real processes; runs inside its `manage.py shell`."""

from __future__ import annotations

from typing import Any

from accounts.models import Tenant
from jobs import dbclock
from jobs.definitions import digest, parse_definition, plain
from jobs.models import Job, JobRevision, Schedule


def add_jobs(jobs: list[dict[str, Any]]) -> None:
    """Jobs of tenant demo, published, with an interval schedule when `every` is given."""
    tenant = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})[0]
    for wanted in jobs:
        fields = dict(wanted)
        slug, every = fields.pop("slug"), fields.pop("every", "")
        definition = parse_definition({"name": slug, **fields})
        content = plain(definition)
        columns = {name: content[name] for name in ("kind", "params", "overlap", "overlap_limit", "is_idempotent")}
        job = Job.objects.create(tenant=tenant, slug=slug, name=slug, **columns)
        job.revision = JobRevision.objects.create(
            tenant=tenant, job=job, number=1, definition=content, digest=digest(definition)
        )
        job.save()
        if every:
            now = dbclock.now()
            Schedule.objects.create(
                tenant=tenant,
                job=job,
                kind="interval",
                expression=every,
                timezone="UTC",
                anchor_at=now,
                cursor_at=now,
                counted_from_at=now,
                next_fire_at=now,
            )
