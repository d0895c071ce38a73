"""Deleting logs: the chunks of ended attempts, oldest first, marked on the attempt so that its page can say so.

The chunks' own index (attempt, seq) is the list of attempts that still have a log, in the order of time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F, Max, QuerySet

from jobs.models import Attempt, LogChunk, LogUsage, Pruning
from jobs.states import AttemptStatus, LogDeletion

BATCH = 500
BATCH_BYTES = 32 * 1024 * 1024  # so that one transaction deletes no more text than this, or one attempt's


@dataclass(frozen=True, kw_only=True)
class LoggedAttempt:
    """An ended attempt that has a log."""

    pk: int
    run_id: int
    job_id: int
    tenant_id: int
    ended_at: datetime
    log_bytes: int


FIELDS = ("pk", "run_id", "run__job_id", "run__tenant_id", "ended_at", "log_bytes")


def logged_attempts(*, before_id: int) -> Iterator[list[LoggedAttempt]]:
    """Ended attempts with a log and an id below `before_id`, oldest first, BATCH at a time."""
    after = 0
    while True:
        chunks = LogChunk.objects.filter(attempt_id__gt=after, attempt_id__lt=before_id, seq=1)
        ids = list(chunks.order_by("attempt_id").values_list("attempt_id", flat=True)[:BATCH])
        if not ids:
            return
        after = ids[-1]
        yield list(read(Attempt.objects.filter(pk__in=ids).order_by("pk")))


def read(rows: QuerySet[Attempt]) -> Iterator[LoggedAttempt]:
    """Those of the attempts that have ended."""
    ended = rows.exclude(status=AttemptStatus.RUNNING).filter(ended_at__isnull=False)
    for pk, run, job, tenant, ended_at, size in ended.values_list(*FIELDS).iterator(chunk_size=BATCH):
        yield LoggedAttempt(pk=pk, run_id=run, job_id=job, tenant_id=tenant, ended_at=ended_at, log_bytes=size)


def delete_logs(found: Collection[LoggedAttempt], *, why: LogDeletion, now: datetime) -> Iterator[list[LoggedAttempt]]:
    """Delete the chunks of these attempts, a transaction at a time; yields whose logs this very call has deleted."""
    for batch in _batches(found):
        marked = _delete([one.pk for one in batch], why=why, now=now)
        yield [one for one in batch if one.pk in marked]


def _batches(found: Collection[LoggedAttempt]) -> Iterator[list[LoggedAttempt]]:
    batch: list[LoggedAttempt] = []
    size = 0
    for attempt in found:
        if batch and (len(batch) >= BATCH or size + attempt.log_bytes > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(attempt)
        size += attempt.log_bytes
    if batch:
        yield batch


def _delete(ids: list[int], *, why: LogDeletion, now: datetime) -> set[int]:
    """Only what this transaction marks is counted off, so two pruners never count one log twice."""
    with transaction.atomic():
        usage = _usage_locked()
        rows = Attempt.objects.filter(pk__in=ids, log_deleted_at=None).exclude(status=AttemptStatus.RUNNING)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update(of=("self",) if connection.features.has_select_for_update_of else ())
        held = list(rows.order_by("pk").values_list("pk", "run__tenant_id", "log_bytes"))
        Attempt.objects.filter(pk__in=[pk for pk, _tenant, _size in held]).update(
            log_deleted_at=now, log_deleted_for=why
        )
        chunks = LogChunk.objects.filter(attempt_id__in=ids)
        chunks._raw_delete(chunks.db)
        _count_off(held, counted=usage)
    return {pk for pk, _tenant, _size in held}


def _usage_locked() -> int:
    """Up to which attempt logs are counted, held until the transaction ends: see `jobs.logquota.count_usage`."""
    rows = Pruning.objects.filter(name=Pruning.NAME)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    return rows.values_list("counted_attempt_id", flat=True).first() or 0


def _count_off(held: list[tuple[int, int, int]], *, counted: int) -> None:
    settled: dict[int, int] = {}
    stored: dict[int, int] = {}
    for pk, tenant, size in held:
        stored[tenant] = stored.get(tenant, 0) + size
        if pk <= counted:
            settled[tenant] = settled.get(tenant, 0) + size
    for tenant, size in stored.items():
        LogUsage.objects.filter(tenant_id=tenant).update(
            stored_bytes=F("stored_bytes") - size, settled_bytes=F("settled_bytes") - settled.get(tenant, 0)
        )


def newest_attempt_id() -> int:
    return Attempt.objects.order_by().aggregate(last=Max("pk"))["last"] or 0
