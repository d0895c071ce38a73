"""The part of the home page that keeps itself up to date."""

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.dashboard.home import home


def live_home(request: HttpRequest) -> HttpResponse:
    """The same rows as the home page; for staff, as `admin_view` checks."""
    return TemplateResponse(request, "portal/_home.html", home(request), headers={"Cache-Control": "no-store"})
