"""Rows the engine's tests need."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from jobs.definitions import parse_definition, plain
from jobs.engine.claim import claim
from jobs.engine.offer import Offer
from jobs.models import Job, JobRevision, Run, WorkerNode
from jobs.runs import create_run
from jobs.states import Origin
from tests.jobs import rows

LEASE = timedelta(seconds=60)
KINDS = ["python", "shell"]
HOUR = timedelta(hours=1)


def job(slug: str = "report", *, script: str = "echo hi", kind: str = "shell", **fields: Any) -> Job:
    """A job whose revision holds a whole, valid definition; `fields` may be of the row or of the definition.

    `more` are parameters of the kind beside the script.
    """
    own = {name: fields.pop(name) for name in ("is_enabled", "of") if name in fields}
    content = {"name": slug, "kind": kind, "params": {"script": script, **fields.pop("more", {})}, **fields}
    definition = parse_definition(content)
    columns: dict[str, Any] = {
        name: fields[name] for name in ("overlap", "overlap_limit", "queue", "priority") if name in fields
    }
    columns |= {"fan_out": definition.fan_out.mode.value, "shard_total": definition.fan_out.total}
    made = rows.job(slug, kind=kind, params=content["params"], **columns, **own)
    JobRevision.objects.filter(job=made).update(definition=plain(definition))
    return Job.objects.select_related("revision", "tenant").get(pk=made.pk)


def node(name: str = "w1", **fields: Any) -> WorkerNode:
    now = timezone.now()
    values: dict[str, Any] = {"slot": f"h/{name}", "host": "h", "pid": 1, "capacity": 4}
    values |= {"queues": ["default"], "capabilities": KINDS, "started_at": now, "last_seen_at": now, **fields}
    return WorkerNode.objects.create(name=name, **values)


def queued(of: Job, **fields: Any) -> Run:
    run = create_run(of, origin=fields.pop("origin", Origin.MANUAL))
    if fields:
        Run.objects.filter(pk=run.pk).update(**fields)
        run.refresh_from_db()
    return run


def take(on: WorkerNode, queue: str = "default", kinds: list[str] = KINDS) -> Any:
    """What a worker claims: a `Claimed`, or None."""
    claimed = claim(on, queue, offer=Offer(slot=on.slot, kinds=frozenset(kinds)), lease=LEASE)
    return claimed[0] if claimed else None
