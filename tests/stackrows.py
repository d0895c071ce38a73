"""Rows for a stack of real processes; runs inside its shell."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

from django.core.management import call_command

from accounts.models import Tenant
from jobs import dbclock
from jobs.definitions import digest, parse_definition, plain
from jobs.models import Job, JobRevision, Schedule
from jobs.runs import create_run

COLUMNS = ("kind", "params", "overlap", "overlap_limit", "is_idempotent", "queue", "priority")
TRIGGER_FIELDS = ("misfire",)


def add_jobs(jobs: list[dict[str, Any]]) -> None:
    """Jobs of tenant demo, published, with an interval schedule when `every` is given.

    Beside the definition: `slug`, `every`, and of the schedule `misfire` and `grace` (seconds).
    """
    tenant = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})[0]
    for wanted in jobs:
        fields = dict(wanted)
        slug, every = fields.pop("slug"), fields.pop("every", "")
        schedule = {name: fields.pop(name) for name in TRIGGER_FIELDS if name in fields}
        if "grace" in fields:
            schedule["grace"] = timedelta(seconds=fields.pop("grace"))
        definition = parse_definition({"name": slug, **fields})
        content = plain(definition)
        columns = {name: content[name] for name in COLUMNS if name in content}
        columns |= {"fan_out": content["fan_out"]["mode"], "shard_total": content["fan_out"]["total"]}
        job = Job.objects.create(tenant=tenant, slug=slug, name=slug, **columns)
        job.revision = JobRevision.objects.create(
            tenant=tenant, job=job, number=1, definition=content, digest=digest(definition)
        )
        job.save()
        if every:
            add_schedule(job, every, **schedule)


def add_schedule(job: Job, every: str, **fields: Any) -> Schedule:
    """An interval from now on."""
    now = dbclock.now()
    return Schedule.objects.create(
        tenant=job.tenant,
        job=job,
        kind="interval",
        expression=every,
        timezone="UTC",
        **{"anchor_at": now, "cursor_at": now, "counted_from_at": now, "next_fire_at": now} | fields,
    )


def request(slug: str, count: int) -> None:
    """Ask for runs and print their ids."""
    job = Job.objects.get(slug=slug)
    print(json.dumps([create_run(job, origin="manual").pk for _ in range(count)]))


def limit_running(most: int | None) -> None:
    """How many runs of tenant demo may run at once; None: any."""
    Tenant.objects.filter(slug="demo").update(running_limit=most)


def findings() -> None:
    """What `check_ledger` finds; nothing is printed when all is well."""
    found = io.StringIO()
    try:
        call_command("check_ledger", stdout=found)
    except SystemExit:
        print(found.getvalue())
