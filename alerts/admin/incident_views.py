"""What the incident page and the board post, and the evidence as a file. The caller has checked the right to see it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import audit
from accounts.admin_scope import user_of
from alerts.admin import incident_deeds
from alerts.admin.incident_evidence import as_result
from alerts.models import Incident
from datasources.admin.console_cells import csv_lines


def deed(request: HttpRequest, incident: Incident) -> HttpResponse:
    """POST `deed` and what it needs; then back to where the button was. Nothing is done for an unknown deed."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    name = request.POST.get("deed", "")
    if name in incident_deeds.DEEDS:
        incident_deeds.do(request, incident, name)
    return HttpResponseRedirect(back_to(request, reverse("admin:alerts_incident_change", args=[incident.pk])))


def back_to(request: HttpRequest, default: str) -> str:
    """The page the button was on, if it is one of ours."""
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if wanted and is_ours else default


def evidence(request: HttpRequest, incident: Incident) -> StreamingHttpResponse:
    """The evidence as a spreadsheet's file: a text that would be a formula is none."""
    found = as_result(incident.evidence)
    details = {"rows": len(found.rows)}
    audit.record("alerts.incident.evidence_exported", actor=user_of(request), target=incident, details=details)
    return StreamingHttpResponse(
        csv_lines(found),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="incident-{incident.pk}.csv"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
