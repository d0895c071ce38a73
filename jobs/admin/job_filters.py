"""Filters of the job list."""

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from jobs import labels
from jobs.executors import KINDS
from jobs.models import Job, Run
from jobs.queries.activity import IDLE
from jobs.states import ACTIVE, FAILURE, RunStatus


class StatusFilter(DropdownFilter):  # type: ignore[misc]
    """By what the list shows: running, queued, the last result, or never run."""

    title = _("status")
    parameter_name = "now"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            (RunStatus.RUNNING, RunStatus.RUNNING.label),
            (RunStatus.QUEUED, RunStatus.QUEUED.label),
            ("ok", _("Last run succeeded")),
            ("failed", _("Last run failed")),
            (IDLE, _("Never ran")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        value = self.value()
        runs = Run.objects.filter(job=OuterRef("pk"))
        if value in ACTIVE:
            return queryset.filter(Exists(runs.filter(status=value)))
        if value == IDLE:
            return queryset.filter(~Exists(runs))
        wanted = {"ok": {RunStatus.SUCCEEDED}, "failed": FAILURE}.get(value or "")
        if not wanted:
            return queryset
        ended = runs.exclude(status__in=ACTIVE).order_by("-id").values("status")[:1]
        return queryset.annotate(last_status=Subquery(ended)).filter(last_status__in=wanted)


class KindFilter(DropdownFilter):  # type: ignore[misc]
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(executor.kind, executor.label) for executor in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class QueueFilter(DropdownFilter):  # type: ignore[misc]
    """Only queues of jobs the user may see."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        names = model_admin.get_queryset(request).order_by("queue").values_list("queue", flat=True).distinct()
        return [(name, name) for name in names[:50]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(queue=self.value()) if self.value() else queryset


class LabelFilter(DropdownFilter):  # type: ignore[misc]
    """Only labels of jobs the user may see."""

    title = _("label")
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(line, line) for line in labels.labels_among(model_admin.get_queryset(request))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return labels.labelled(queryset, self.value()) if self.value() else queryset
