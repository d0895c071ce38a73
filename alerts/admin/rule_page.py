"""What the page of one alert rule shows below its form: subjects, trend, checks, and the rows that are there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.admin_scope import user_of
from accounts.permissions import can, visible_to
from alerts import look, rows
from alerts.admin import chart
from alerts.cells import cell_text
from alerts.conditions import CONDITIONS
from alerts.models import AlertCheck, AlertRow, AlertRule, AlertStatus
from alerts.queries import latest_checks, open_rows, rule_findings
from alerts.states import AlertState, Source
from alerts.subjects import Part
from alerts.wording import render
from jobs import look as times
from jobs.models import Job

MOST_STATUSES = 100
MOST_CELLS = 8


def context_of(request: HttpRequest, rule: AlertRule) -> dict[str, Any]:
    """For the template; the caller has checked that the user may see the rule."""
    statuses = list(rule.statuses.select_related("job").order_by("subject")[:MOST_STATUSES])
    statuses.sort(key=lambda one: look.WORST.index(AlertState(one.state)))
    asked = request.GET.get("subject", "")
    chosen = next((one for one in statuses if str(one.pk) == asked), statuses[0] if len(statuses) == 1 else None)
    checks = latest_checks(rule, chosen)
    drawn = checks if chosen else []
    found, row_count = open_rows(rule)
    may_see_jobs = set(
        visible_to(user_of(request), _jobs_of(statuses)).values_list("pk", flat=True) if statuses else []
    )
    finding = rule_findings([rule])[rule.pk]
    return {
        "rule": rule,
        "finding": finding,
        "finding_badge": look.state_badge(finding.state),
        "statuses": [_status(one, may_see_jobs) for one in statuses],
        "status_count": rule.statuses.count(),
        "chosen": _status(chosen, may_see_jobs) if chosen else None,
        "trend": chart.trend([chart.Point(at=one.at, value=one.value, state=one.state) for one in reversed(drawn)]),
        "checks": [_check(one) for one in checks],
        "open_rows": [_row(one) for one in found],
        "open_row_count": row_count,
        "is_condition_unknown": _is_condition_unknown(rule),
        "may_acknowledge": bool(found) and can(user_of(request), "change", found[0]),
    }


def _is_condition_unknown(rule: AlertRule) -> bool:
    """A condition came with a package that is not installed here."""
    judges = rule.source == Source.RESULT and not rule.is_row_level
    return judges and rule.condition not in CONDITIONS.kinds()


def _jobs_of(statuses: list[AlertStatus]) -> QuerySet[Job]:
    return Job.objects.filter(pk__in=[one.job_id for one in statuses if one.job_id])


def subject_name(status: AlertStatus) -> str:
    if status.job is not None:
        return status.job.name
    return str(dict(Part.choices).get(status.subject, status.subject))


def _status(status: AlertStatus, jobs: set[int]) -> dict[str, Any]:
    return {
        "pk": status.pk,
        "name": subject_name(status),
        "badge": look.state_badge(status.state if status.checked_at or status.state != AlertState.OK else ""),
        "state_at": status.state_at,
        "checked_at": status.checked_at,
        "notified_at": status.notified_at,
        "value": status.value,
        "sentence": render(status.sentence),
        "job_id": status.job_id if status.job_id in jobs else None,
    }


def _check(check: AlertCheck) -> dict[str, Any]:
    return {
        "at": check.at,
        "badge": look.state_badge(check.state),
        "sentence": render(check.sentence),
        "value": None if check.value is None else f"{check.value:.12g}",
        "run_id": check.run_id,
        "took": times.seconds_text(timedelta(milliseconds=check.took_ms)) if check.took_ms else "–",
        "subject": subject_name(check.status),
    }


def _row(row: AlertRow) -> dict[str, Any]:
    cells = [
        (name, cell_text(cell) if cell is not None else "NULL")
        for name, cell in zip(row.columns, row.row, strict=False)
    ]
    return {
        "pk": row.pk,
        "key": ", ".join(cell_text(cell) if cell is not None else "NULL" for cell in row.key),
        "cells": cells[:MOST_CELLS],
        "first_at": row.first_at,
        "last_at": row.last_at,
        "acknowledged_at": row.acknowledged_at,
        "acknowledged_by": row.acknowledged_by,
        "comment": row.comment,
        "subject": subject_name(row.status),
    }


def change_row(request: HttpRequest, rule: AlertRule, row_id: int) -> HttpResponse:
    """POST `deed` (acknowledge, withdraw or comment) and `comment`; then back to the rows."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    row = AlertRow.objects.filter(status__rule=rule, pk=row_id).select_related("status__rule__tenant").first()
    if row is None:
        raise Http404(_("There is no such row, or you may not see it."))
    actor, comment = user_of(request), request.POST.get("comment", "")
    deed = request.POST.get("deed", "")
    if deed == "comment":
        rows.comment_row(row, actor=actor, comment=comment)
        messages.success(request, _("The comment is kept."))
    elif deed == "withdraw":
        done = rows.withdraw_row(row, actor=actor, comment=comment)
        messages.success(request, _("It is open again.") if done else _("It was open already."))
    else:
        done = rows.acknowledge_row(row, actor=actor, comment=comment)
        messages.success(request, _("Acknowledged.") if done else _("It was acknowledged already."))
    return HttpResponseRedirect(f"{reverse('admin:alerts_alertrule_change', args=[rule.pk])}#rows")
