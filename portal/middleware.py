"""Request plumbing that belongs to no app."""

import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils.translation import gettext as _
from django.views import defaults

GetResponse = Callable[[HttpRequest], HttpResponse]
DATABASE_IS_AWAY = (OperationalError, InterfaceError)


class DatabaseDownMiddleware:
    """A ledger that cannot be reached is a 503 with Retry-After, never a traceback: here for views."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return database_is_away() if isinstance(exception, DATABASE_IS_AWAY) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: what fails in another middleware (the session, the user, the tenant) comes only here."""
    if isinstance(sys.exc_info()[1], DATABASE_IS_AWAY):
        return database_is_away()
    return defaults.server_error(request)


def database_is_away() -> HttpResponse:
    text = _("The portal's database can't be reached right now. Try again in a few seconds.")
    return HttpResponse(text, status=503, headers={"Retry-After": "5"}, content_type="text/plain; charset=utf-8")


class LanguageMiddleware(LocaleMiddleware):
    """The language of the cookie, else the browser's, else LANGUAGE_CODE."""
