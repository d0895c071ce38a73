"""What a tenant's logs weigh, and deleting its oldest when they outgrow `Tenant.log_bytes_limit`.

The weight is counted every few minutes, never in the transaction of a run: a counter that every run of a tenant writes
would make its runs wait for each other. Attempts up to a mark are counted once; those behind it, which may still be
running, are summed up anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import F, Min, QuerySet, Sum

from accounts.models import Tenant
from jobs.models import Attempt, LogUsage, Pruning, Run
from jobs.retention import logs
from jobs.retention.horizon import SLACK, id_before
from jobs.states import AttemptStatus, LogDeletion

if TYPE_CHECKING:
    from jobs.retention.rounds import Report

YOUNGEST = timedelta(days=1)  # a quota never deletes a log younger than this: new ones are cut short instead
WINDOW = 1000  # runs looked at in one query
STEP = 50_000  # attempts counted in one transaction


def count_usage(now: datetime) -> None:
    """Bring every tenant's `LogUsage` up to date; exact up to the attempts that end while it counts."""
    Pruning.objects.get_or_create(name=Pruning.NAME)
    known = set(LogUsage.objects.values_list("tenant_id", flat=True))
    missing = Tenant.objects.exclude(pk__in=known).values_list("pk", flat=True)
    LogUsage.objects.bulk_create([LogUsage(tenant_id=pk) for pk in missing], ignore_conflicts=True)
    while _settle():
        pass
    _total(now)


def recount(now: datetime) -> None:
    """Count everything from the beginning: what a restored or edited database needs."""
    with transaction.atomic():
        _mark()
        Pruning.objects.filter(name=Pruning.NAME).update(counted_attempt_id=0)
        LogUsage.objects.update(settled_bytes=0, stored_bytes=0, oldest_run_id=0)
    count_usage(now)


def _settle() -> bool:
    """Count the next STEP attempts that have all ended, once and for all; False when there is none."""
    with transaction.atomic():
        mark = _mark()
        running = Attempt.objects.filter(status=AttemptStatus.RUNNING).order_by().aggregate(first=Min("pk"))["first"]
        end = min(running or logs.newest_attempt_id() + 1, mark + 1 + STEP) - 1
        if end <= mark:
            return False
        for tenant, size in _sums(Attempt.objects.filter(pk__gt=mark, pk__lte=end)):
            LogUsage.objects.filter(tenant_id=tenant).update(settled_bytes=F("settled_bytes") + size)
        Pruning.objects.filter(name=Pruning.NAME).update(counted_attempt_id=end)
    return True


def _total(now: datetime) -> None:
    with transaction.atomic():
        tail = dict(_sums(Attempt.objects.filter(pk__gt=_mark())))
        LogUsage.objects.update(stored_bytes=F("settled_bytes"), counted_at=now)
        for tenant, size in tail.items():
            LogUsage.objects.filter(tenant_id=tenant).update(stored_bytes=F("stored_bytes") + size)


def _mark() -> int:
    """Up to which attempt everything is counted; held until the transaction ends."""
    rows = Pruning.objects.filter(name=Pruning.NAME)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    return rows.values_list("counted_attempt_id", flat=True).first() or 0


def _sums(attempts: QuerySet[Attempt]) -> list[tuple[int, int]]:
    kept = attempts.filter(log_deleted_at=None, log_bytes__gt=0).order_by()
    return list(kept.values_list("run__tenant_id").annotate(size=Sum("log_bytes")))


def prune_over_quota(report: Report, *, tenant_id: int | None, now: datetime, breathe: Callable[[], None]) -> None:
    """Down to the limit, oldest first, but none of the last day."""
    over = LogUsage.objects.filter(stored_bytes__gt=F("tenant__log_bytes_limit"))
    if tenant_id is not None:
        over = over.filter(tenant_id=tenant_id)
    for usage in list(over.select_related("tenant")):
        excess = usage.stored_bytes - (usage.tenant.log_bytes_limit or 0)
        for batch in _oldest_logs(usage, until=now - YOUNGEST, breathe=breathe):
            chosen = _up_to(batch, excess)
            for deleted in logs.delete_logs(chosen, why=LogDeletion.QUOTA, now=now):
                freed = sum(one.log_bytes for one in deleted)
                report.add(usage.tenant_id, quota_logs=len(deleted), log_bytes=freed)
                excess -= freed
                breathe()
            if excess <= 0:
                break


def tenants_over(now: datetime) -> list[int]:
    """Tenants over their limit that still have a log old enough to delete."""
    over = LogUsage.objects.filter(stored_bytes__gt=F("tenant__log_bytes_limit"))
    bound = id_before(Run, "created_at", now - YOUNGEST)
    rows = over.values_list("tenant_id", "oldest_run_id")
    return [
        tenant for tenant, oldest in rows if Run.objects.filter(tenant=tenant, pk__gte=oldest, pk__lt=bound).exists()
    ]


def _oldest_logs(
    usage: LogUsage, *, until: datetime, breathe: Callable[[], None]
) -> Iterator[list[logs.LoggedAttempt]]:
    """The tenant's logs in the order of its runs, by the index (tenant, id), from where the last round ended."""
    bound = id_before(Run, "created_at", until + SLACK)
    runs = Run.objects.filter(tenant=usage.tenant_id, pk__lt=bound).order_by("pk").values_list("pk", flat=True)
    while window := list(runs.filter(pk__gte=usage.oldest_run_id)[:WINDOW]):
        breathe()
        attempts = Attempt.objects.filter(run__in=window, log_deleted_at=None, log_bytes__gt=0, ended_at__lt=until)
        found = list(logs.read(attempts.order_by("run_id", "number")))
        if found:
            yield found
        usage.oldest_run_id = window[-1] + 1
        LogUsage.objects.filter(pk=usage.pk).update(oldest_run_id=usage.oldest_run_id)


def _up_to(batch: list[logs.LoggedAttempt], excess: int) -> list[logs.LoggedAttempt]:
    chosen = []
    for one in batch:
        chosen.append(one)
        excess -= one.log_bytes
        if excess <= 0:
            break
    return chosen
