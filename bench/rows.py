"""Rows for the benchmarks; imported only once Django is set up."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from accounts.models import Tenant
from jobs import dbclock
from jobs.definitions import digest, parse_definition, plain
from jobs.models import Attempt, Job, JobRevision, Run, RunEvent, Schedule
from jobs.runs import row_values

FAR = timedelta(days=1)


def add_job(slug: str, script: str, *, overlap: str = "skip", overlap_limit: int = 1) -> Job:
    tenant = Tenant.objects.get_or_create(slug="bench", defaults={"name": "Bench"})[0]
    definition = parse_definition(
        {
            "name": slug,
            "kind": "shell",
            "params": {"script": script},
            "overlap": overlap,
            "overlap_limit": overlap_limit,
        }
    )
    content = plain(definition)
    job = Job.objects.create(
        tenant=tenant,
        slug=slug,
        name=slug,
        kind="shell",
        params=content["params"],
        overlap=overlap,
        overlap_limit=overlap_limit,
    )
    job.revision = JobRevision.objects.create(
        tenant=tenant, job=job, number=1, definition=content, digest=digest(definition)
    )
    job.save()
    return job


def add_runs(job: Job, count: int) -> None:
    assert job.revision is not None
    values = row_values(job, job.revision, origin="manual", now=dbclock.now())
    runs = Run.objects.bulk_create(
        [Run(**values, dedupe_key=f"manual:{uuid4()}") for _ in range(count)], batch_size=500
    )
    RunEvent.objects.bulk_create([RunEvent(run=run, new=run.status, at=run.created_at) for run in runs], batch_size=500)


def add_schedules(count: int) -> None:
    """Schedules of one job each hundred, none due for a day."""
    now = dbclock.now()
    jobs = [add_job(f"tick-{uuid4().hex[:12]}", "/bin/true", overlap="allow", overlap_limit=1000) for _ in range(100)]
    rows = [
        Schedule(
            tenant_id=jobs[0].tenant_id,
            job=jobs[index % len(jobs)],
            kind="cron",
            expression=f"{index % 60} {index // 60 % 24} * * *",
            timezone="Asia/Shanghai",
            anchor_at=now,
            cursor_at=now,
            next_fire_at=now + FAR,
        )
        for index in range(count)
    ]
    Schedule.objects.bulk_create(rows, batch_size=1000)


def make_due(count: int) -> None:
    """`count` of them have just come due (their trigger fires once a day, so each makes one run)."""
    now = dbclock.now()
    keys = list(Schedule.objects.order_by("pk").values_list("pk", flat=True)[:count])
    minute = now.replace(second=0, microsecond=0)
    Schedule.objects.filter(pk__in=keys).update(
        kind="interval",
        expression="1h",
        anchor_at=minute - timedelta(hours=1),
        cursor_at=minute - timedelta(minutes=1),
        next_fire_at=minute,
    )


def clear_schedules() -> None:
    RunEvent.objects.all().delete()
    Attempt.objects.all().delete()
    Run.objects.all().delete()
    Schedule.objects.all().delete()
