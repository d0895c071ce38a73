"""What a tenant's logs weigh, and what the pruner did last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import Tenant
from jobs.models import LogUsage, Pruning

SILENT_AFTER = timedelta(hours=26)


@dataclass(frozen=True, kw_only=True)
class LogStorage:
    """Bytes, as counted at `counted_at`; `limit` None does not limit."""

    stored: int
    limit: int | None
    counted_at: datetime | None

    @property
    def share(self) -> float:
        """0..1 of the limit."""
        return min(self.stored / self.limit, 1.0) if self.limit else (1.0 if self.limit == 0 else 0.0)

    @property
    def is_full(self) -> bool:
        return self.limit is not None and self.stored >= self.limit

    @property
    def tone(self) -> str:
        return "bad" if self.is_full else "warn" if self.share >= 0.8 else "good"


@dataclass(frozen=True, kw_only=True)
class LastPruning:
    """`ended_at` None: there never was a round. Numbers are those of the last one."""

    ended_at: datetime | None
    runs: int = 0
    logs: int = 0
    log_bytes: int = 0
    is_complete: bool = True
    error: str = ""

    def is_silent(self, now: datetime) -> bool:
        """Whether history grows unattended."""
        return self.ended_at is None or self.ended_at < now - SILENT_AFTER


def log_storage(tenant: Tenant) -> LogStorage:
    row = LogUsage.objects.filter(tenant=tenant).values_list("stored_bytes", "counted_at").first()
    stored, counted_at = row or (0, None)
    return LogStorage(stored=max(stored, 0), limit=tenant.log_bytes_limit, counted_at=counted_at)


def last_pruning() -> LastPruning:
    row = Pruning.objects.filter(name=Pruning.NAME).first()
    if row is None:
        return LastPruning(ended_at=None)
    found = row.report
    return LastPruning(
        ended_at=row.ended_at,
        runs=found.get("runs", 0),
        logs=found.get("logs", 0) + found.get("quota_logs", 0),
        log_bytes=found.get("log_bytes", 0),
        is_complete=found.get("is_complete", True),
        error=row.error,
    )
