"""The list of runs stays fast however long the history is: what is counted, sorted, searched and loaded.

Every query walks an index in the order it is read and stops at a page's length, or looks at a bounded number of the
newest runs. Times are ranges: MariaDB without time-zone tables answers `__date` with nothing.
"""

from typing import TYPE_CHECKING, Any, cast

from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

from jobs.models import Job, Run
from jobs.queries.activity import floors

MOST_COUNTED = 2_000
MOST_JOBS = 50  # a search takes up so many jobs by their name
RUNS_OF_A_JOB = 500  # and of each so many of the newest runs
CAUSES = 5_000  # and looks at the causes of so many of the newest runs

# What no row of the list shows, and what may weigh a megabyte.
UNREAD = (
    "params", "outputs", "result", "lease_until", "token", "worker", "cancel_reason", "cancel_reason_code",
    "target_slot", "claim_order_at",
)  # fmt: skip
UNREAD_OF_JOBS = ("params", "run_params", "environment", "secrets", "exit_codes", "description")


class CappedPaginator(Paginator[Any] if TYPE_CHECKING else Paginator):  # type: ignore[misc]
    """Counts no further than MOST_COUNTED rows: a history has millions, and nobody turns to page 40."""

    template_name = "admin/capped_pagination.html"  # unfold shows it in place of its own

    @cached_property
    def count(self) -> int:
        """Counted without their order: the planner may then take the narrowest index."""
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[:MOST_COUNTED].count()

    @property
    def is_capped(self) -> bool:
        return self.count >= MOST_COUNTED

    @property
    def most(self) -> int:
        return MOST_COUNTED


class RunChangeList(ChangeList):  # type: ignore[misc]
    """Reads no column that the list does not show; a period in the past is read by the time runs were due."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Run]:
        rows: QuerySet[Run] = super().get_queryset(request, *args, **kwargs)
        names = [field.name for field in Run._meta.concrete_fields]
        return rows.defer(*(name for name in UNREAD if name in names), *(f"job__{name}" for name in UNREAD_OF_JOBS))

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Run]) -> list[Any]:
        """Newest first is a walk through the ids; from an end in the past that would be a walk over what is newer."""
        found: list[Any] = super().get_ordering(request, queryset)
        ends_in_the_past = bool(request.GET.get("scheduled_for_to"))
        return ["-scheduled_for", "-id"] if ends_in_the_past and found[:1] == ["-id"] else found


def search(runs: QuerySet[Run], jobs: QuerySet[Job], text: str) -> QuerySet[Run]:
    """The run of that number or key; runs of jobs so named; runs whose cause says so, among the newest CAUSES.

    `jobs` are those the user may see.
    """
    text = text.strip()
    number = text.removeprefix("#")
    if number.isdecimal() and len(number) < 19:
        return runs.filter(Q(pk=int(number)) | Q(dedupe_key=text))
    if text.startswith(("schedule:", "manual:", "api:", "node:", "backfill:")):
        return runs.filter(dedupe_key=text)
    named = jobs.filter(Q(slug__icontains=text) | Q(name__icontains=text)).order_by("name", "pk")
    ids = list(named.values_list("pk", flat=True)[:MOST_JOBS])
    if len(ids) == 1:
        return runs.filter(job=ids[0])
    return runs.filter(newest_of(ids) | Q(pk__gte=_cause_floor(runs), reason__icontains=text))


def newest_of(job_ids: list[int]) -> Q:
    """The RUNS_OF_A_JOB newest runs of each job."""
    found = Q(pk__in=[])
    for job, floor in floors(job_ids, RUNS_OF_A_JOB).items():
        found |= Q(job=job, pk__gte=floor)
    return found


def _cause_floor(runs: QuerySet[Run]) -> int:
    """The id of the oldest run whose cause a search reads."""
    newest = runs.order_by("-id").values_list("pk", flat=True)
    return next(iter(newest[CAUSES - 1 : CAUSES]), 0)


def lightly(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Jobs for a list: without their scripts."""
    model: type[Model] = Job
    names = {field.name for field in model._meta.concrete_fields}
    return jobs.defer(*(name for name in UNREAD_OF_JOBS if name in names), "revision__definition")
