"""Before a calendar, a blackout or a freeze is saved: what it does to which jobs, asked for by a page of its own.

The change is made, looked at and rolled back; the page then posts the same form again with `_confirmed`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.messages import get_messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import freezes, impact
from jobs.models import Freeze, Schedule

FOUND = 302


class _RolledBack(Exception):
    pass


class ImpactPages:
    """Mixed into a model admin, before it. A change that touches no fire time is saved at once."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        def save() -> HttpResponse:
            answer: HttpResponse = super(ImpactPages, self).changeform_view(  # type: ignore[misc]
                request, object_id, form_url, extra_context
            )
            return answer

        if request.method != "POST" or "_confirmed" in request.POST:
            return save()
        answer, found = tried(request, save)
        if found is None:
            return answer
        if not found.lines:
            return save()
        return confirm_page(self, request, found)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # type: ignore[misc]
        self.after_saving(request, form.instance)
        request.portal_saved = form.instance  # type: ignore[attr-defined]

    def after_saving(self, request: HttpRequest, obj: Any) -> None:
        """What follows when the row and its parts are written."""


def tried(request: HttpRequest, save: Any) -> tuple[HttpResponse, impact.Impact | None]:
    """The answer, and what the change would do; None when the form was refused. Nothing stays written."""
    now = timezone.now()
    answer: HttpResponse = HttpResponse()
    try:
        with transaction.atomic():
            answer = save()
            row = getattr(request, "portal_saved", None)
            if answer.status_code != FOUND or row is None:
                raise _RolledBack
            since, until = impact.period_of(row, now)
            touched = [schedule.pk for schedule in impact.schedules_of(row)[: impact.MOST_SCHEDULES + 1]]
            after = _seen(touched, since, until)
            exempt = _exempt_count(row)
            raise _RolledBack
    except _RolledBack:
        freezes.forget()
    if answer.status_code != FOUND or row is None:
        return answer, None
    _forget_messages(request)
    before = _seen(touched, since, until)
    freezes.forget()
    found = impact.compare(before[0], after[0], since=since, until=until, is_cut=after[1])
    return answer, _with_exempt(found, exempt)


def _seen(keys: list[int], since: datetime, until: datetime) -> tuple[impact.Outlook, bool]:
    rows = Schedule.objects.filter(pk__in=keys).select_related("job", "calendar").order_by("pk")
    return impact.outlook_of(rows, since, until)


def _exempt_count(row: Any) -> int:
    return row.exempt_jobs.count() if isinstance(row, Freeze) else 0


def _with_exempt(found: impact.Impact, exempt: int) -> impact.Impact:
    return impact.Impact(**{**found.__dict__, "exempt_count": exempt})


def _forget_messages(request: HttpRequest) -> None:
    """What the change that was rolled back has said."""
    get_messages(request)._queued_messages = []  # type: ignore[union-attr]


def confirm_page(page: Any, request: HttpRequest, found: impact.Impact, **extra: Any) -> HttpResponse:
    """The list, and the form once more, hidden, with the answer "yes"."""
    posted = [
        (name, value) for name, values in request.POST.lists() if name != "csrfmiddlewaretoken" for value in values
    ]
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": _("What this changes"),
        "impact": found,
        "sentences": impact.sentences(found),
        "posted": posted,
        **extra,
    }
    return TemplateResponse(request, "admin/jobs/impact.html", context)
