"""The incident board stays fast however many incidents there were: what is counted, sorted, searched and loaded."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.views import ChangeList

from accounts.admin_scope import user_of
from alerts.admin.incident_deeds import allowed
from alerts.models import Incident
from alerts.queries.board import board_facts, board_order, on_the_board

ORDER, SEARCH = "o", "q"


class IncidentChangeList(ChangeList):  # type: ignore[misc]
    """Without a filter of time or status and without a search, the board: what is not over, the most urgent first.

    Any other list is newest first by number, which is a walk through an index.
    """

    result_list: Sequence[Incident]

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Incident]:
        rows: QuerySet[Incident] = super().get_queryset(request, *args, **kwargs)
        if is_board(request):
            rows = on_the_board(rows, timezone.now())
        return rows.defer("evidence")

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Incident]) -> list[Any]:
        if is_board(request) and not request.GET.get(ORDER):
            return list(board_order())
        found: list[Any] = super().get_ordering(request, queryset)
        return found

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        shown = request.GET.urlencode()
        self.live_url = f"?{shown}&_live=1" if shown else "?_live=1"
        self.is_board = is_board(request)
        back = request.get_full_path()
        rows: Sequence[Incident] = list(self.result_list)
        found, user = board_facts(row.pk for row in rows), user_of(request)
        for row in rows:
            row.board = found[row.pk]  # type: ignore[attr-defined]
            row.may = allowed(user, row)  # type: ignore[attr-defined]
            row.back = back  # type: ignore[attr-defined]
        self.result_list = rows


def is_board(request: HttpRequest) -> bool:
    """Whether nothing asks for history."""
    asked = request.GET
    if any(name.startswith(("status", "opened_at")) and value for name, value in asked.items()):
        return False
    return not (asked.get("period") or asked.get(SEARCH, "").strip())
