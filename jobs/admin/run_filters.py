"""Filters of the run history. Times are ranges: MariaDB without time-zone tables answers `__date` with nothing."""

from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter

from accounts.admin_base import ScopedRelatedFilter
from jobs.models import Run
from jobs.states import FAILURE, NOT_RUN


class PeriodFilter(DropdownFilter):  # type: ignore[misc]
    """The last hour, today, and so on: by the time a run was due, or another field of other rows."""

    title = _("period")
    parameter_name = "period"
    field = "scheduled_for"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("hour", _("Last hour")),
            ("today", _("Today")),
            ("day", _("Last 24 hours")),
            ("week", _("Last 7 days")),
            ("month", _("Last 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since = period_start(self.value(), timezone.localtime())
        return queryset.filter(**{f"{self.field}__gte": since}) if since else queryset


def period_start(name: str | None, now: datetime) -> datetime | None:
    """Where a period begins; None for an unknown one."""
    if name == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0)
    spans = {"hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24}
    return now - timedelta(hours=spans[name]) if name in spans else None


class OutcomeFilter(DropdownFilter):  # type: ignore[misc]
    """Failures at one click, and what did not run at all."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failures", _("Failures")), ("not_run", _("Did not run"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        groups = {"failures": FAILURE, "not_run": NOT_RUN}
        chosen = groups.get(self.value() or "")
        return queryset.filter(status__in=chosen) if chosen else queryset


class PartsFilter(DropdownFilter):  # type: ignore[misc]
    """Runs alone or whole; with `parts=with` the parts of whole ones too, with `parts=12` those of run 12."""

    title = _("parts")
    parameter_name = "parts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        chosen = self.used_parameters.get("parts") or ""
        of_one = [(chosen, _("Parts of run #%(number)s") % {"number": chosen})] if _is_key(chosen) else []
        return [("with", _("Shards and other parts too")), *of_one]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        chosen = self.value() or ""
        if chosen == "with":
            return queryset
        return queryset.filter(parent=int(chosen)) if _is_key(chosen) else queryset.filter(parent=None)


def _is_key(text: Any) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 19


class DayRangeFilter(RangeDateFilter):  # type: ignore[misc]
    """Whole days of the page's zone, both ends included."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        first = _midnight(self.used_parameters.get(f"{self.parameter_name}_from"))
        last = _midnight(self.used_parameters.get(f"{self.parameter_name}_to"))
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": first})
        if last:
            queryset = queryset.filter(**{f"{self.field_path}__lt": last + timedelta(days=1)})
        return queryset


def _midnight(text: Any) -> datetime | None:
    """The day's first moment; None when the text is no date."""
    try:
        day = parse_date(str(text or ""))
    except ValueError:
        return None
    return timezone.make_aware(datetime.combine(day, time.min)) if day else None


__all__ = ["DayRangeFilter", "OutcomeFilter", "PartsFilter", "PeriodFilter", "ScopedRelatedFilter"]
