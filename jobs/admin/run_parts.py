"""The grid of a run that is made of parts: a row for each part, a mark for each attempt."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from django.db.models import Count

from jobs.look import look_of
from jobs.models import Attempt, Run
from jobs.states import ACTIVE, RunStatus

MOST_PARTS = 200


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part; `attempts` in order."""

    run: Run
    worker: str
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """`counts` is (status, word, how many); `parts` at most MOST_PARTS, those that need a look first."""

    total: int
    counts: list[tuple[str, str, int]]
    parts: list[Part]

    @property
    def bad(self) -> int:
        """Ended parts that did not succeed."""
        return sum(number for status, _word, number in self.counts if status not in {*ACTIVE, RunStatus.SUCCEEDED})

    @property
    def left_out(self) -> int:
        return self.total - len(self.parts)


def whole(run: Run) -> Whole | None:
    """None for a run that has no parts (yet). Four queries, whatever their number."""
    if not run.is_container:
        return None
    rows = run.parts.order_by().values_list("status").annotate(count=Count("pk"))
    counts = {str(status): int(count) for status, count in rows}
    total = sum(counts.values())
    if not total:
        return None
    shown = [(status, str(look_of(status).label), counts[status]) for status in RunStatus.values if status in counts]
    return Whole(total=total, counts=shown, parts=_parts(run))


def _parts(run: Run) -> list[Part]:
    """By number; of more than MOST_PARTS first those that failed or go on."""
    rows = run.parts.defer("outputs", "result", "params").select_related("worker")
    first = list(rows.exclude(status=RunStatus.SUCCEEDED).order_by("shard_index")[:MOST_PARTS])
    rest = rows.filter(status=RunStatus.SUCCEEDED).order_by("shard_index")[: MOST_PARTS - len(first)]
    found = sorted([*first, *rest], key=lambda part: part.shard_index or 0)
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(run__in=[part.pk for part in found]).order_by("number"):
        attempts[attempt.run_id].append(attempt)
    return [Part(run=part, worker=_worker(part, attempts[part.pk]), attempts=attempts[part.pk]) for part in found]


def _worker(part: Run, attempts: list[Attempt]) -> str:
    """Where it ran last, or is to run."""
    return attempts[-1].worker_name if attempts else part.target_slot


def failed_numbers(run: Run) -> list[int]:
    """The numbers of the ended parts that did not succeed."""
    ended = run.parts.exclude(status__in=[*ACTIVE, RunStatus.SUCCEEDED]).order_by("shard_index")
    return [number for number in ended.values_list("shard_index", flat=True) if number is not None]
