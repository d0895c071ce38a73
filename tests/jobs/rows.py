"""Rows for tests, with only the fields a test names."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.models import Membership, Tenant, User
from jobs.models import Attempt, Job, JobRevision, LogChunk, Run, Schedule
from jobs.runs import claim_order
from jobs.states import AttemptStatus, Origin, RunStatus

NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")


def tenant(slug: str = "acme", **fields: Any) -> Tenant:
    return Tenant.objects.get_or_create(slug=slug, defaults={"name": slug.title(), **fields})[0]


def user(name: str = "ed", role: str = "editor", of: Tenant | None = None, **fields: Any) -> User:
    person = User.objects.create_user(name, password="pw", is_staff=True, **fields)
    if role:
        Membership.objects.create(tenant=of or tenant(), user=person, role=role)
    return person


def job(slug: str = "report", of: Tenant | None = None, **fields: Any) -> Job:
    values: dict[str, Any] = {
        "kind": "python",
        "params": {"script": "print('hello')"},
        "name": slug,
        **fields,
    }
    row = Job.objects.create(tenant=of or tenant(), slug=slug, **values)
    row.revision = revision(row)
    row.save(update_fields=["revision"])
    return row


def revision(of: Job, number: int = 1, **definition: Any) -> JobRevision:
    content = {"slug": of.slug, "name": of.name, "kind": of.kind, "params": of.params, **definition}
    return JobRevision.objects.create(
        tenant=of.tenant, job=of, number=number, definition=content, digest=f"{number:064d}"
    )


def run(of: Job, status: str = RunStatus.SUCCEEDED, at: datetime | None = None, **fields: Any) -> Run:
    """A run that was due at `at`, started then, and, if terminal, took two seconds."""
    due = at or timezone.now()
    values: dict[str, Any] = {"scheduled_for": due, "not_before": due, "created_at": due, "queue": of.queue}
    if status not in {RunStatus.QUEUED, RunStatus.SKIPPED, RunStatus.MISSED}:
        values["started_at"] = due
    if status == RunStatus.RUNNING:
        values |= {"lease_until": due + timedelta(minutes=3), "token": 1}
    elif status != RunStatus.QUEUED:
        values["ended_at"] = due + timedelta(seconds=2)
    values |= {"origin": Origin.MANUAL, "dedupe_key": f"manual:{uuid4()}", "revision": of.revision, **fields}
    values.setdefault("claim_order_at", claim_order(values["not_before"], values.get("priority", 0)))
    return Run.objects.create(tenant=of.tenant, job=of, status=status, **values)


def attempt(of: Run, number: int = 1, status: str = AttemptStatus.SUCCEEDED, **fields: Any) -> Attempt:
    values: dict[str, Any] = {"token": number, "started_at": of.started_at or of.scheduled_for, **fields}
    return Attempt.objects.create(run=of, number=number, status=status, **values)


def chunk(of: Attempt, seq: int, text: str, stream: str = "stdout") -> LogChunk:
    return LogChunk.objects.create(attempt=of, seq=seq, stream=stream, at=of.started_at, text=text)


def schedule(of: Job, expression: str = "0 9 * * *", **fields: Any) -> Schedule:
    moment = fields.pop("at", NOW)
    values: dict[str, Any] = {"anchor_at": moment, "cursor_at": moment, "counted_from_at": moment}
    values |= {"next_fire_at": moment, **fields}
    return Schedule.objects.create(tenant=of.tenant, job=of, expression=expression, **values)
