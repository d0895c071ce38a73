"""Rows for the benchmarks; imported only once Django is set up."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from accounts.models import Tenant
from jobs import dbclock
from jobs.definitions import digest, parse_definition, plain
from jobs.ledgersql import insert_many, update_many
from jobs.models import Attempt, Job, JobRevision, LogChunk, Run, RunEvent, Schedule
from jobs.runs import row_values

FAR = timedelta(days=1)
CHUNK = 5000


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


def add_schedules(count: int, *, jobs: int = 100, overlap: str = "allow", script: str = "/bin/true") -> None:
    """Schedules that share so many jobs, each once a day at a time of its own, none due for a day."""
    now = dbclock.now()
    job_ids = _add_plain_jobs(jobs, overlap, script)
    tenant = Tenant.objects.get(slug="bench").pk
    same = {"tenant": tenant, "kind": "cron", "timezone": "Asia/Shanghai"}
    same |= {"anchor_at": now, "cursor_at": now, "next_fire_at": now + FAR}
    for start in range(0, count, CHUNK):
        part = range(start, min(start + CHUNK, count))
        rows = [(job_ids[place % jobs], f"{place % 60} {place // 60 % 24} * * *") for place in part]
        insert_many(Schedule, ["job", "expression"], rows, same=same)


def _add_plain_jobs(count: int, overlap: str, script: str) -> list[int]:
    """Many jobs like one of `add_job`, in few statements."""
    like = add_job(f"like-{uuid4().hex[:12]}", script, overlap=overlap, overlap_limit=1000)
    assert like.revision is not None
    same = {"tenant": like.tenant_id, "kind": like.kind, "params": like.params, "overlap": overlap}
    same |= {"overlap_limit": 1000}
    rows = [(slug, slug) for slug in (f"tick-{uuid4().hex[:12]}" for _ in range(count))]
    ids = [pk for (pk,) in insert_many(Job, ["slug", "name"], rows, same=same, returning=["id"])]
    same = {"tenant": like.tenant_id, "number": 1, "definition": like.revision.definition, "digest": "0" * 64}
    revisions = insert_many(JobRevision, ["job"], [(pk,) for pk in ids], same=same, returning=["job_id", "id"])
    update_many(Job, ["id"], ["revision"], revisions)
    return ids


def make_due(count: int, at: datetime | None = None, *, skip: int = 0) -> list[int]:
    """`count` of them, after the first `skip`, fire at that moment (default: this minute), then a day later."""
    moment = (at or dbclock.now().replace(second=0)).replace(microsecond=0)
    keys = list(Schedule.objects.order_by("pk").values_list("pk", flat=True)[skip : skip + count])
    expression = f"{moment.second} {moment.minute} {moment.hour} * * *"
    same = {"expression": expression, "timezone": "UTC", "next_fire_at": moment}
    update_many(Schedule, ["id"], [], [(pk,) for pk in keys], same=same | {"cursor_at": moment - timedelta(minutes=1)})
    return keys


def clear_runs() -> None:
    for model in (RunEvent, LogChunk, Attempt, Run):
        model.objects.all()._raw_delete(using="default")


def clear_schedules() -> None:
    clear_runs()
    Schedule.objects.all()._raw_delete(using="default")
