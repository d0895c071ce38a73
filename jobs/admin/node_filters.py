"""Filters of the workers' list."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from jobs import nodes
from jobs.models import WorkerNode
from jobs.nodes import NodeState


class NodeStateFilter(DropdownFilter):  # type: ignore[misc]
    """Without a choice: all that have not said goodbye, so that a week of restarts does not bury the living."""

    title = _("status")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*NodeState.choices, ("all", _("Stopped ones too"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WorkerNode]) -> QuerySet[WorkerNode]:
        chosen = self.value()
        if chosen in NodeState.values:
            return queryset.filter(nodes.in_state(chosen, now=timezone.now()))
        return queryset if chosen == "all" else queryset.filter(stopped_at=None)


class NodeQueueFilter(DropdownFilter):  # type: ignore[misc]
    """Workers that serve a queue. Queues are JSON, read here: there are few workers."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rows = WorkerNode.objects.filter(stopped_at=None).values_list("queues", flat=True)
        return [(name, name) for name in sorted({str(name) for names in rows for name in names})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WorkerNode]) -> QuerySet[WorkerNode]:
        chosen = self.value()
        if not chosen:
            return queryset
        rows = WorkerNode.objects.values_list("pk", "queues")
        return queryset.filter(pk__in=[pk for pk, names in rows if chosen in names])
